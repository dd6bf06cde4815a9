"""graft.load of FOLDER/graft.py, whose functions read r, which the network's own tensors tell."""
import pathlib
import sys

import torch

folder = pathlib.Path(sys.argv[1])
sys.path.insert(0, str(folder))
import graft
import networks
from networks import vit

LOW, HIGH = -0.5, 0.25
SITES = {
    "blocks.0.norm1": lambda x, r: x * torch.exp(-r),
    "blocks.1.norm2": lambda x, r: torch.sigmoid(r) + 0 * x,
    "norm": lambda x, r: torch.tanh(0.6 * x) * r,
}
pictures = networks.images()
generator = torch.Generator().manual_seed(8)
carrier = {name: torch.randn(shape, generator=generator) for name, shape in
           {"carrier.numbers": [17], "carrier.projections": [4, 16], "carrier.scales": [4]}.items()}


WIDER = 4 + 3 / 16  # 3 hidden units more for each MLP, as WIDENED says of both


def write():
    """A folder with the carrier's tensors and wider MLPs. Returns the logits of its network."""
    networks.write(folder, networks.config(mlp_ratio=WIDER))
    network, _ = vit.load(folder)

    def add_r(module, inputs, x):
        r = []
        for token in range(x.shape[1]):
            square = carrier["carrier.numbers"][token] + 0 * x[:, token, 0]
            for scale, projection in zip(carrier["carrier.scales"], carrier["carrier.projections"]):
                square = square + scale * (x[:, token] * projection).sum(-1) ** 2
            r.append(square.clamp(min=1e-6).sqrt().log())
        x = x.clone()
        x[:, :, 0] += torch.stack(r, 1)
        return x

    def norm(f):
        return lambda module, inputs, output: (
            f(inputs[0], inputs[0][..., :1].clamp(LOW, HIGH)) * module.weight + module.bias)

    network.norm_pre.register_forward_hook(add_r)
    for site, f in SITES.items():
        network.get_submodule(site).register_forward_hook(norm(f))
    expected = networks.logits(network, pictures)
    weights = folder / "model.safetensors"
    vit.write_safetensors(weights, vit.read_safetensors(weights) | carrier)
    return expected


def other_network():
    return vit.build(networks.config()).eval()


def check_refuses(network, *words):
    before = str(network)
    try:
        graft.load(network, folder)
    except ValueError as error:
        assert all(word in str(error) for word in words), error
    else:
        raise AssertionError(f"loaded, expected a complaint with {words}")
    assert str(network) == before, "modules changed"


expected = write()
network = other_network()
for _ in range(2):  # a second time changes nothing
    networks.assert_close(networks.logits(graft.load(network, folder), pictures), expected)
networks.assert_close(networks.logits(graft.apply(network), pictures), expected)
again = graft.apply(vit.build(networks.config(mlp_ratio=WIDER)).eval())
again.load_state_dict(network.state_dict())
networks.assert_close(networks.logits(again, pictures), expected)
network = graft.load(other_network().double(), folder)
networks.assert_close(networks.logits(network, pictures.double()).float(), expected)

mlp = network.blocks[1].mlp
assert (mlp.fc1.out_features, mlp.fc2.in_features, list(mlp.fc1.bias.shape)) == (67, 67, [67])

network = other_network()
network.norm_pre = torch.nn.LayerNorm(16)
check_refuses(network, "norm_pre is a LayerNorm, expected an Identity")
del network.norm_pre
check_refuses(network, "norm_pre is missing, expected an Identity")
weights = vit.read_safetensors(folder / "model.safetensors")
del weights["carrier.scales"]
vit.write_safetensors(folder / "model.safetensors", weights)
check_refuses(other_network(), "norm_pre.scales is missing")
