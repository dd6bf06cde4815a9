"""graft.create of FOLDER/graft.py for the kinds of networks that the program reads: with timm where it is installed,
else with a stand-in for the two classes of timm that are used, whose keywords are those of timm 1.0.9."""
import importlib.util
import pathlib
import sys
import types

folder = pathlib.Path(sys.argv[1])
sys.path.insert(0, str(folder))
import graft
import networks
from networks import vit


def stand_in(distilled):
    class Network(vit.VisionTransformer):
        def __init__(self, img_size=224, patch_size=16, num_classes=1000, global_pool="token", embed_dim=768, depth=12,
                     num_heads=12, mlp_ratio=4.0, qkv_bias=True, init_values=None, class_token=True,
                     no_embed_class=False, reg_tokens=0, pre_norm=False, fc_norm=None, act_layer=None):
            options = {key: value for key, value in locals().items() if key in vit.DEFAULTS}
            super().__init__(options | {"distilled": distilled}, num_classes, global_pool, 1e-6)

    return Network


def install_stand_in():
    timm, models = types.ModuleType("timm"), types.ModuleType("timm.models")
    plain, deit = types.ModuleType("timm.models.vision_transformer"), types.ModuleType("timm.models.deit")
    plain.VisionTransformer, deit.VisionTransformerDistilled = stand_in(False), stand_in(True)
    sys.modules.update({module.__name__: module for module in (timm, models, plain, deit)})


KINDS = {
    "plain": {},
    "no qkv bias": {"qkv_bias": False},
    "layer scale": {"init_values": 1e-6},
    "register tokens": {"reg_tokens": 4},
    "registers without positions": {"reg_tokens": 4, "no_embed_class": True},
    "average pool": {"pool": "avg", "fc_norm": True},
    "norm before the pool": {"pool": "avg", "fc_norm": False, "class_token": False},
    "distilled": {"architecture": "small_distilled_test"},
    "pre-norm, quick GELU": {"pre_norm": True, "act_layer": "quick_gelu", "eps": 1e-5},
    "GELU by tanh, eps": {"act_layer": "gelu_tanh", "eps": 0.1},
    "ReLU": {"act_layer": "relu", "mlp_ratio": 2.5},
    "no classes": {"classes": 0},
}

if importlib.util.find_spec("timm") is None:
    install_stand_in()
pictures = networks.images()
written = dict(graft.FUNCTIONS)
for kind, changes in KINDS.items():
    networks.write(folder, networks.config(**changes))
    for last in (None, "fc_norm" if changes.get("fc_norm") else "norm"):
        extra = {last: lambda x: x.clamp(-1.5, 2)} if last else {}
        graft.FUNCTIONS = written | extra
        network = graft.create(folder)
        assert not network.training and network.pretrained_cfg["input_size"] == [3, 32, 32], kind
        try:
            expected = networks.reference_logits(folder, pictures, networks.SITES | extra)
            networks.assert_close(networks.logits(network, pictures), expected)
        except AssertionError as error:
            raise AssertionError(f"{kind}: {error}") from None
print(len(KINDS), "kinds of networks with", "timm" if hasattr(sys.modules["timm"], "__version__") else "a stand-in")
