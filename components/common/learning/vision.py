"""torchvision, imported in one place, because PyPI's build links against CUDA libraries that a CPU torch lacks."""

import importlib
import sys
from types import ModuleType

import torch

_schemas: list[torch.library.Library] = []  # kept alive: a library's definitions vanish with it


def torchvision() -> ModuleType:
    """The torchvision module; beside a CPU-only torch its two box operators exist as bare schemas, which no model here
    calls.
    """
    try:
        return importlib.import_module("torchvision")
    except RuntimeError as error:
        if "torchvision::nms" not in str(error):
            raise
    for name in [name for name in sys.modules if name.split(".")[0] == "torchvision"]:
        del sys.modules[name]
    library = torch.library.Library("torchvision", "DEF")
    library.define("nms(Tensor dets, Tensor scores, float iou_threshold) -> Tensor")
    library.define("qnms(Tensor dets, Tensor scores, float iou_threshold) -> Tensor")
    _schemas.append(library)
    return importlib.import_module("torchvision")
