"""The memory that this process may take: what its control group (cgroup, versions 1 and 2) allows, and what it holds.

A process that takes more is killed, and cannot say why. So a stage compares what its settings need with `limit` first.
"""

import os
import re
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import NamedTuple

from components.common.errors import BadInputError

MOUNTED = Path("/sys/fs/cgroup")
OWN = Path("/proc/self/cgroup")
STATUS = Path("/proc/self/status")
NONE = 1 << 60  # bytes; version 1 says "no limit" by a number near 2^63
LEVERS = {  # what lowers the memory of a stage
    "pack": "ingest.processes or ingest.max_memory",
    "pretrain": "pretrain.batch_size or pretrain.image_size",
    "embed": "pretrain.image_size",
    "pseudolabel": "pseudolabel.batch_size, pseudolabel.unlabelled_ratio or pretrain.image_size",
    **{stage: f"{stage}.batch_size or pretrain.image_size" for stage in ("warmup", "calibrate", "evaluate")},
}
UNITS = ("B", "KiB", "MiB", "GiB", "TiB")


def limit(mounted: Path = MOUNTED, own: Path = OWN) -> int | None:
    """Bytes that the processes of this one's control group may take together, the least of it and its ancestors; None
    where nothing limits them.

    mounted: where control groups are mounted; own: the file that names this process's groups, `/proc/self/cgroup`.
    """
    allowed = [int(text) for folder, names in _groups(mounted, own) if (text := _read(folder / names[0])).isdecimal()]
    return min((number for number in allowed if number < NONE), default=None)


def kills(mounted: Path = MOUNTED, own: Path = OWN) -> int:
    """How many processes of this one's control group were killed because it was out of memory; 0 where that is not
    known.
    """
    found = [
        re.search(r"^oom_kill (\d+)", _read(group / names[1]), re.MULTILINE) for group, names in _groups(mounted, own)
    ]
    return int(found[0][1]) if found and found[0] else 0


def killed(stage: str, peak: int = 0) -> str:
    """What to say of a stage that was ended by SIGKILL, which leaves it no time for a word of its own.

    peak: the most bytes that one of its processes held, where that is known.
    """
    allowed = limit()
    number = kills()
    facts = [f"it held {size(peak)} in one process"] if peak else []
    facts += [f"its limit is {size(allowed)}"] if allowed else []
    facts += [f"the kernel has ended {number} of its processes for memory"] if number else []
    advice = [f"lower {LEVERS[stage]}"] if stage in LEVERS else []
    advice += [f"raise resources.{stage}.memory"] if allowed else []
    known = f" ({', '.join(facts)})" if facts else ""
    return "; ".join([f"ended by SIGKILL, most likely for memory{known}", *filter(None, [", or ".join(advice)])])


def held(status: Path = STATUS) -> int:
    """Bytes of this process that the kernel cannot take back (anonymous and shared memory); 0 where that is not
    known.
    """
    return (
        sum(int(number) for number in re.findall(r"^Rss(?:Anon|Shmem):\s+(\d+) kB", _read(status), re.MULTILINE)) << 10
    )


def together() -> int:
    """Processes of one training in this control group: those that torchrun started beside this one, and this one."""
    return int(os.environ.get("LOCAL_WORLD_SIZE") or 1)


class Need(NamedTuple):
    """Bytes that one process of a stage takes: a lower bound, and an estimate."""

    sure: int
    likely: int


def check(stage: str, need: Callable[[], Need], settings: list[str], other: str = "") -> None:
    """Compare what a stage needs with `limit`: BadInputError where it cannot go well, a line in the log where it may
    not; nothing is said, and `need` not asked, where there is no limit.

    settings: those that lower the need, with their values, such as "pretrain.batch_size (256)"; other: what else
    helps, in words.
    """
    allowed = limit()
    if allowed is None:
        return
    sure, likely = (number * together() for number in need())
    if max(sure, likely) <= allowed:
        return
    advice = [f"lower {' or '.join(settings)}", *([other] if other else []), f"or raise resources.{stage}.memory"]
    says = (
        f"needs {'at least' if sure > allowed else 'about'} {size(sure if sure > allowed else likely)} of memory, and "
        f"its limit is {size(allowed)}; {', '.join(advice)}"
    )
    if sure > allowed:
        raise BadInputError(says)
    print(f"warning: {stage} may be killed: it {says}", flush=True)


def size(number: float) -> str:
    """`1.5 GiB`."""
    power = min(max(0, int(number).bit_length() - 1) // 10, len(UNITS) - 1)
    return f"{number / (1 << 10 * power):.{1 if power > 2 else 0}f} {UNITS[power]}"


def _groups(mounted: Path, own: Path) -> Iterator[tuple[Path, tuple[str, str]]]:
    """Folders of this process's group and of its ancestors, the innermost first, and the files there that say the limit
    and the kills.
    """
    lines = [line.split(":", 2) for line in _read(own).splitlines() if line.count(":") >= 2]
    for _, controllers, path in lines:
        if "memory" in controllers.split(","):  # version 1, also where version 2 is mounted beside it
            yield from (
                (folder, ("memory.limit_in_bytes", "memory.oom_control"))
                for folder in _upwards(mounted / "memory", path)
            )
            return
    top = mounted / "unified" if (mounted / "unified").is_dir() else mounted
    for _, controllers, path in lines:
        if not controllers:
            yield from ((folder, ("memory.max", "memory.events")) for folder in _upwards(top, path))


def _upwards(top: Path, path: str) -> Iterator[Path]:
    """The group and its ancestors up to `top`. A container may see paths of its host, which it has no folders of: its
    own group is then the top.
    """
    folder = top / path.strip("/")
    if ".." in folder.parts or not folder.is_dir():
        folder = top
    yield folder
    while folder != top:
        folder = folder.parent
        yield folder


def _read(path: Path) -> str:
    try:
        return path.read_text(encoding="utf-8").strip()
    except OSError:
        return ""
