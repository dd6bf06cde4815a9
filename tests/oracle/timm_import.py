"""Imports timm beside Debian's PyTorch, which has no torchvision: `from timm_import import timm`.

timm is looked for where Python looks, then in build/python (scripts/install-dependencies.sh --tests puts it there).
Packages that timm imports at its start and that a Vision Transformer does not use are empty where they are absent.
"""

import importlib.util
import sys
import types
import warnings
from importlib.abc import Loader, MetaPathFinder
from importlib.machinery import ModuleSpec
from pathlib import Path

NOT_USED = ("torchvision", "huggingface_hub", "safetensors", "yaml")


class EmptyClass(type):
    """Every attribute of an empty class is one too."""

    def __getattr__(cls, name):
        if name.startswith("__"):
            raise AttributeError(name)
        return EmptyClass(name, (), {})


class EmptyPackages(MetaPathFinder, Loader):
    """Every submodule exists, and every name in it is an empty class."""

    def __init__(self, names):
        self.names = names

    def find_spec(self, name, path=None, target=None):
        return ModuleSpec(name, self, is_package=True) if name.split(".")[0] in self.names else None

    def create_module(self, spec):
        module = types.ModuleType(spec.name)

        def empty_class(name):
            if name.startswith("__"):
                raise AttributeError(name)
            return EmptyClass(name, (), {})

        module.__getattr__ = empty_class
        return module

    def exec_module(self, module):
        pass


sys.path.append(str(Path(__file__).resolve().parents[2] / "build" / "python"))
sys.meta_path.append(EmptyPackages([name for name in NOT_USED if importlib.util.find_spec(name) is None]))
warnings.filterwarnings("ignore")
import timm  # noqa: E402
