"""Small Vision Transformers of tests/oracle/vit.py, with scalar functions put in apart from graft.py."""
import pathlib
import sys

import torch

sys.path.insert(0, str(pathlib.Path(__file__).parents[1] / "oracle"))
import vit

SITES = {
    "blocks.0.norm1": lambda x: 1.3 * torch.tanh(0.6 * x),
    "blocks.1.norm2": lambda x: x / (1.2 + 0.3 * x.abs()),
}


def config(architecture="small_test", pool="token", classes=3, eps=1e-6, **model_args):
    """As the program writes it."""
    distilled = "distilled" in architecture
    arguments = {"img_size": [32, 32], "patch_size": [8, 8], "embed_dim": 16, "depth": 2, "num_heads": 2,
                 "mlp_ratio": 4.0, "qkv_bias": True, "act_layer": "gelu"}
    return {"architecture": architecture, "num_classes": classes, "global_pool": pool, "norm_eps": eps,
            "model_args": arguments | model_args,
            "pretrained_cfg": {"input_size": [3, 32, 32], "classifier": ["head", "head_dist"] if distilled else "head"}}


def write(folder, description):
    """config.json and a model.safetensors of random weights."""
    vit.make_random(description, folder)


def reference_logits(folder, images, sites=SITES):
    """Of the folder's network with the functions at these sites."""
    network, description = vit.load(folder)
    for module in network.modules():
        if isinstance(module, torch.nn.LayerNorm):
            module.eps = description["norm_eps"]
    for name, f in sites.items():
        network.get_submodule(name).register_forward_hook(
            lambda norm, inputs, output, f=f: f(inputs[0]) * norm.weight + norm.bias)
    with torch.no_grad():
        return network(images)


def logits(network, images):
    with torch.no_grad():
        return network(images)


def images(height=32, width=32):
    return torch.randn(4, 3, height, width, generator=torch.Generator().manual_seed(3))


def assert_close(found, expected):
    assert found.shape == expected.shape, (found.shape, expected.shape)
    difference = (found - expected).abs().max() / expected.abs().max()
    assert difference < 1e-5, f"logits differ by {difference:.2g} of the largest"
