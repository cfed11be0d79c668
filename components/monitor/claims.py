"""Training runs that alarms have started, in the store of the model: each is claimed first, by one monitor of many.

    monitor/<model>/trainings/<number>.json              a claim: the look that asks for it, its labels, its reason
    monitor/<model>/trainings/<number>/attempt-<n>.json  who starts it; the next one takes over from who was killed
    monitor/<model>/trainings/<number>/started.json       the run that came of it; written last

All are written by who comes first, and none is changed. Claims are numbered 1, 2 and so on: who decides reads all that
there are and writes the next, so of two monitors that decide at once one is refused, and decides again by what the
other has claimed. A run is started by who holds the newest attempt.
"""

import json
import os
import platform
import re
from dataclasses import asdict, dataclass
from datetime import datetime
from pathlib import Path
from typing import Any

from components.common.clock import now
from components.common.files import json_text
from components.common.storage import IntegrityError, Store, open_store

NAME = re.compile(r"(\d{6})\.json")
ATTEMPT = re.compile(r"attempt-(\d{4})\.json")
FORMAT = 1


@dataclass(frozen=True)
class Claim:
    """That a look starts a training run."""

    number: int
    look: int
    version: str  # of the release that was watched
    name: str  # of the run
    time: str  # ISO, UTC
    labels: int  # that it may ask for
    why: str  # one line
    overrides: dict[str, Any]  # of the run's configuration, by key

    @property
    def at(self) -> datetime:
        return datetime.fromisoformat(self.time)


def claims(store: Store, model: str) -> list[Claim]:
    """All claims, the first one first."""
    names = (stat.key.removeprefix(_folder(model)) for stat in store.list(_folder(model)))
    return [
        _read(store, model, number) for number in sorted(int(found[1]) for found in map(NAME.fullmatch, names) if found)
    ]


def free_number(store: Store, model: str) -> int:
    """The number of the next claim. Where a claim was removed, what lies beside it has its number still."""
    names = (stat.key.removeprefix(_folder(model)) for stat in store.list(_folder(model)))
    return max((int(name[:6]) for name in names if name[:6].isdecimal()), default=0) + 1


def claim(store: Store, model: str, wanted: Claim) -> bool:
    """Write a claim; False where another one has its number."""
    return store.write_if_absent(_key(model, wanted.number), json_text({"format": FORMAT, **asdict(wanted)}).encode())


def started(store: Store, model: str, number: int) -> dict[str, Any] | None:
    """The run of a claim; None where none was started yet."""
    try:
        run: dict[str, Any] = json.loads(store.read(f"{_beside(model, number)}/started.json"))
    except KeyError:
        return None
    return run


def record(store: Store | str, model: str, number: int, run: dict[str, Any]) -> None:
    """Say which run came of a claim; what was said before stays. store: opened, or its path or URI."""
    place = open_store(store) if isinstance(store, str) else store
    place.write_if_absent(f"{_beside(model, number)}/started.json", json_text(run).encode())


def attempts(store: Store, model: str, number: int) -> int:
    """How often somebody set about the start of a claimed run."""
    folder = f"{_beside(model, number)}/"
    return sum(bool(ATTEMPT.fullmatch(stat.key.removeprefix(folder))) for stat in store.list(folder))


def attempt(store: Store, model: str, number: int, which: int) -> bool:
    """Set about it for the `which`-th time, counted from 1; False where somebody else does."""
    about = {"time": now().isoformat(timespec="seconds"), **_me()}
    return store.write_if_absent(_attempt_key(model, number, which), json_text(about).encode())


def take(store: Store | str, model: str, number: int) -> str:
    """Set about a claimed run on this machine, in this process; empty where it is ours, else a sentence that says who
    has it, or had.

    A process of this machine that has ended is taken over from; one of another machine never is: nobody here can see
    whether it still runs.
    """
    place = open_store(store) if isinstance(store, str) else store
    if started(place, model, number) is not None:
        return f"training {number} of {model} was run before"
    which = attempts(place, model, number)
    if which:
        holder = json.loads(place.read(_attempt_key(model, number, which)))
        told = f"process {holder['process']} of {holder['machine']}"
        if holder["machine"] != _me()["machine"]:
            return (
                f"training {number} of {model} is that of {told}, since {holder['time']}; where that is gone, run it "
                "by hand"
            )
        if holder["life"] == _life(holder["process"]):
            return f"training {number} of {model} is being run by {told}, since {holder['time']}"
    if not attempt(place, model, number, which + 1):
        return f"training {number} of {model} was taken by another monitor just now"
    return ""


def _me() -> dict[str, Any]:
    return {"machine": platform.node(), "process": os.getpid(), "life": _life(os.getpid())}


def _life(process: int) -> str:
    """What tells a process from a later one of its number: when it began; empty where there is no such process."""
    try:
        os.kill(process, 0)
    except ProcessLookupError:
        return ""
    except OSError:  # somebody else's
        pass
    try:
        boot = Path("/proc/sys/kernel/random/boot_id").read_text(encoding="ascii").strip()
        # the command, in parentheses, may hold spaces
        fields = Path(f"/proc/{process}/stat").read_text(encoding="utf-8", errors="replace").rpartition(")")[2].split()
    except OSError:  # no Linux
        return "alive"
    return "" if fields[0] in "ZX" else f"{boot} {fields[19]}"


def _folder(model: str) -> str:
    return f"monitor/{model}/trainings/"


def _beside(model: str, number: int) -> str:
    return f"{_folder(model)}{number:06d}"


def _key(model: str, number: int) -> str:
    return f"{_beside(model, number)}.json"


def _attempt_key(model: str, number: int, which: int) -> str:
    return f"{_beside(model, number)}/attempt-{which:04d}.json"


def _read(store: Store, model: str, number: int) -> Claim:
    key = _key(model, number)
    try:
        values = json.loads(store.read(key))
        if values.pop("format") == FORMAT:
            found = Claim(**values)
            if found.number == number and found.at.tzinfo:
                return found
    except (ValueError, TypeError, KeyError):
        pass
    raise IntegrityError(f"{store.uri}/{key}: is no claim that this version of Gleaner reads; restore it, or remove it")
