"""graft.load of FOLDER/graft.py, with networks that differ from what the folder holds."""
import pathlib
import sys

import torch

folder = pathlib.Path(sys.argv[1])
sys.path.insert(0, str(folder))
import graft
import networks
from networks import vit

pictures = networks.images()


def random_network(**changes):
    """A network as someone has it who never saw the folder: other weights, biases that are not zero."""
    torch.manual_seed(5)
    network = vit.build(networks.config(**changes))
    for parameter in network.parameters():
        torch.nn.init.normal_(parameter, std=0.3)
    return network.eval()


def check_loads(saved, built):
    networks.write(folder, networks.config(**saved))
    network = graft.load(random_network(**built), folder)
    networks.assert_close(networks.logits(network, pictures), networks.reference_logits(folder, pictures))
    return network


def check_refuses(network, *words):
    own_pictures = networks.images(*network.options["img_size"])
    before, logits = str(network), networks.logits(network, own_pictures)
    try:
        graft.load(network, folder)
    except ValueError as error:
        message = str(error)
    else:
        raise AssertionError(f"loaded, expected a complaint with {words}")
    assert "\n" not in message and all(word in message for word in words), message
    assert str(network) == before, "modules changed"
    assert torch.equal(networks.logits(network, own_pictures), logits), "logits changed"


check_loads({}, {})
assert check_loads({"qkv_bias": True}, {"qkv_bias": False}).blocks[0].attn.qkv.bias is not None
assert check_loads({"qkv_bias": False}, {"qkv_bias": True}).blocks[0].attn.qkv.bias is None
check_loads({"eps": 0.1}, {})
check_loads({"init_values": 1e-6}, {"init_values": 1e-6})

network = random_network()
norms = {site: network.get_submodule(site) for site in graft.FUNCTIONS}
graft.apply(network)
for site, norm in norms.items():
    replaced = network.get_submodule(site)
    assert torch.equal(replaced.weight, norm.weight) and torch.equal(replaced.bias, norm.bias), site

networks.write(folder, networks.config())
network = graft.load(random_network(qkv_bias=False).double(), folder)
assert network.blocks[0].attn.qkv.bias.dtype == torch.float64
networks.assert_close(networks.logits(network, pictures.double()).float(), networks.reference_logits(folder, pictures))

check_refuses(random_network(img_size=[32, 40]), "model.safetensors does not fit the model",
              "pos_embed has shape [1, 17, 16], expected [1, 21, 16]")
check_refuses(random_network(init_values=1e-6), "blocks.0.ls1.gamma is missing", "(and 3 more)")
check_refuses(random_network(depth=3), "blocks.2.norm1.weight is missing")
check_refuses(random_network(classes=0), "head.weight is not in the model", "(and 1 more)")
check_refuses(random_network(depth=1), "norm site blocks.1.norm2 is not in the model")

without_affine = random_network()
without_affine.blocks[1].norm2 = torch.nn.LayerNorm(16, elementwise_affine=False)
check_refuses(without_affine, "norm site blocks.1.norm2 is a LayerNorm, expected a norm with gamma and beta")

networks.write(folder, networks.config() | {"storage": "F16"})
check_refuses(random_network(), "model.safetensors", "is F16, expected F32")
