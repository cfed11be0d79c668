"""What else the bits of a trained model depend on: the libraries that computed it, and the kind of processor."""

import platform
from importlib.metadata import PackageNotFoundError, version
from typing import Any

import torch

from components.common.learning.device import device

PACKAGES = ("numpy", "nvidia-dali-cuda130", "pillow", "torch", "torchvision")


def environment() -> dict[str, Any]:
    """Python, the versions of PACKAGES that are installed, and the processor by the instructions that torch chooses
    its code by. No host name, and nothing that two machines of one kind differ in.
    """
    return {
        "python": platform.python_version(),
        "packages": {name: found for name in PACKAGES if (found := _version(name))},
        "processor": processor(),
    }


def processor() -> str:
    """Such as "x86_64, AVX512" or "NVIDIA H100 80GB HBM3, CUDA 13.0"."""
    if device().type == "cuda":
        return f"{torch.cuda.get_device_name(0)}, CUDA {torch.version.cuda}"
    tiles = getattr(torch.cpu, "_is_amx_tile_supported", lambda: False)()  # oneDNN's code for bfloat16 hangs on it
    return f"{platform.machine()}, {torch.backends.cpu.get_cpu_capability()}{', AMX' if tiles else ''}"


def _version(name: str) -> str:
    try:
        return version(name)
    except PackageNotFoundError:
        return ""
