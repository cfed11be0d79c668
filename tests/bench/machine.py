"""What every figure is quoted with: the machine, and mean and spread over runs."""

import os
import platform
import statistics
from collections.abc import Sequence
from pathlib import Path


def machine() -> str:
    import torch

    lines = Path("/proc/cpuinfo").read_text().splitlines()
    model = next((line.split(":")[1].strip() for line in lines if line.startswith("model name")), "")
    gpu = torch.cuda.get_device_name() if torch.cuda.is_available() else "no GPU"
    return (
        f"{os.cpu_count()} cores ({model or platform.machine()}), {gpu}, Python {platform.python_version()}, torch "
        f"{torch.__version__}"
    )


def spread(values: Sequence[float], scale: float = 1, digits: int = 1, unit: str = "") -> str:
    """`mean ± standard deviation (least to greatest, n)`, the values multiplied by `scale`."""
    scaled = [value * scale for value in values]
    deviation = statistics.stdev(scaled) if len(scaled) > 1 else 0.0
    low = min(scaled)
    high = max(scaled)
    return (
        f"{statistics.mean(scaled):.{digits}f}{unit} ± {deviation:.{digits}f} ({low:.{digits}f} to "
        f"{high:.{digits}f}, n={len(scaled)})"
    )
