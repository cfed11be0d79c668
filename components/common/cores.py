"""The processor cores that this process may use: those that it is bound to, or the share that its control group
(cgroup, versions 1 and 2) has of them. A container on a large machine sees all cores, and is held to its share.
"""

import math
import os
from pathlib import Path

MOUNTED = Path("/sys/fs/cgroup")


def cores(mounted: Path = MOUNTED) -> int:
    """At least 1; a share of 1.5 cores counts as 2. mounted: where control groups are mounted."""
    try:
        bound = len(os.sched_getaffinity(0))
    except AttributeError:  # not on macOS
        bound = os.cpu_count() or 1
    quota = _quota(mounted)
    return max(1, bound if quota is None else min(bound, math.ceil(quota)))


def _quota(mounted: Path) -> float | None:
    """Cores' worth of time; None where nothing limits it."""
    together = _words(mounted / "cpu.max")  # version 2: quota and period in microseconds, or "max"
    if len(together) < 2:
        together = [*_words(mounted / "cpu/cpu.cfs_quota_us"), *_words(mounted / "cpu/cpu.cfs_period_us")]
    if len(together) < 2 or not together[0].isdecimal() or not together[1].isdecimal():  # "max", or -1
        return None
    return int(together[0]) / int(together[1])


def _words(file: Path) -> list[str]:
    try:
        return file.read_text(encoding="utf-8").split()
    except OSError:
        return []
