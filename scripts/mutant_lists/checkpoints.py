"""Breaks of the reading of other checkpoints than timm's: Hugging Face's names, shards, what torch.save wrote."""

from .mutant import Mutant, of_rooms

NAMES = "src/models/hugging_face.cc"
CONFIG = "src/models/hugging_face_config.cc"
PICKLE = "src/network/torch_pickle.cc"
FILE = "src/network/torch_file.cc"

MUTANTS = of_rooms(
    Mutant("values-before-keys", NAMES,
           r'"query", "key", "value"', '"query", "value", "key"',
           "queries, keys and values in another order", tests="HuggingFace*"),
    Mutant("both-heads-or-a-register", NAMES,
           r'to_\.contains\("head_dist\.weight"\) \? "dist_token" : "reg_token"', '"dist_token"',
           "a distillation token that no head reads", tests="HuggingFace*"),
    Mutant("eps-of-transformers-forgotten", CONFIG,
           r'if \(const auto eps = config\.number\("layer_norm_eps"\)\) made\["norm_eps"\] = \*eps;', "",
           "eps of timm in place of the config's", tests="HuggingFace*"),
    Mutant("gelu-of-any-kind", CONFIG,
           r'"gelu_pytorch_tanh", "gelu_tanh"', '"gelu_pytorch_tanh", "gelu"',
           "GELU by erf for one by tanh", tests="HuggingFace*"),
    Mutant("shorter-edge-squashed", CONFIG,
           r'resized \|\| !fields_\.has\("size"\) \? "squash" : "center"', '"squash"',
           "pictures squashed that are to be cut", tests="HuggingFace*"),
    Mutant("any-name-called", PICKLE,
           r"if \(known == kGlobals\.end\(\)\)", "if (false)",
           "names of a pickle that are not looked at", tests="TorchFile*"),
    Mutant("pickle-read-behind-its-end", PICKLE,
           r"if \(count > bytes_\.size\(\) - at_\)", "if (false)",
           "a pickle that ends early", tests="TorchFile*"),
    Mutant("strides-forgotten", FILE,
           r"as_strided\(tensor\.shape, tensor\.strides, tensor\.offset\)",
           "as_strided(tensor.shape, at::empty(tensor.shape).strides(), tensor.offset)",
           "tensors that are views of others", tests="TorchFile*"),
    Mutant("storage-too-short", FILE,
           r"if \(!fits \|\| \(!empty && last >= numbers\)\)", "if (false)",
           "a tensor that reads behind its storage", tests="TorchFile*"),
    Mutant("index-not-complete", "src/models/weights.cc",
           r"if \(!of_shard\.empty\(\)\)", "if (false)",
           "tensors that no index names", tests="HuggingFace*"),
)
