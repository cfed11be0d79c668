"""A decision that dies at any of its requests, and others that come in between any two: nothing is lost or torn."""

import os
import random
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import pytest

from components.common.files import json_text
from components.common.storage import FolderStore, open_store
from components.releases import champion as champions
from components.releases.champion import MovedError, approve, champion, history, promote, reject, rollback

ROOT = Path(__file__).parents[2]
A, B, C, D = ("a" * 16, "b" * 16, "c" * 16, "d" * 16)
HOW: dict[str, Any] = {"who": "anna", "why": "looks right", "source": "gleaner release"}
REQUESTS = ("read", "write_if_absent", "replace_if_unchanged", "stat", "list")


class KilledError(BaseException):
    """As SIGKILL: nothing of the program runs after it."""


class Interrupted(FolderStore):
    """A store where something happens at one request, before or after it is done."""

    def __init__(self, root: Path, at: int, after: bool, act: Callable[[], None]) -> None:
        super().__init__(root)
        self.at, self.after, self.act, self.requests, self.inside = at, after, act, 0, False

    def __getattribute__(self, name: str) -> Any:
        found = super().__getattribute__(name)
        if name not in REQUESTS or super().__getattribute__("inside"):
            return found

        def request(*words: Any) -> Any:
            self.requests += 1
            mine = self.requests == self.at
            if mine and not self.after:
                self.act()
            self.inside = True  # what a request does itself is no other one
            try:
                result = found(*words)
            finally:
                self.inside = False
            if mine and self.after:
                self.act()
            return result

        return request


def of(version: str) -> dict:
    return {"model": "m", "version": version}


def now_is(store: Any) -> str | None:
    now = champion(store, "m")
    return now and now.version


def begin(root: Path, old: bool) -> None:
    """A model whose champion is B, after A; `old`: from before histories were kept."""
    store = open_store(str(root))
    if old:
        pointer = {"format": 1, "model": "m", "version": B, "previous": A}
        store.write("releases/m/champion.json", json_text(pointer).encode())
        return
    promote(store, of(A), expected=None, **HOW)
    promote(store, of(B), expected=A, **HOW)


DECISIONS: dict[str, Callable[[Any], object]] = {
    "promote": lambda store: promote(store, of(C), expected=B, **HOW),
    "approve": lambda store: approve(store, of(C), expected=B, **HOW),
    "reject": lambda store: reject(store, "m", C, **HOW),
    "rollback": lambda store: rollback(store, "m", expected=B, to=A, **HOW),
}
WHAT = {"promote": "promoted", "approve": "approved", "reject": "rejected", "rollback": "rolled-back"}


def requests_of(decide: Callable[[Any], object], root: Path, old: bool) -> int:
    begin(root, old)
    store = Interrupted(root, 0, False, lambda: None)
    decide(store)
    return store.requests


@pytest.mark.parametrize("old", [False, True])
@pytest.mark.parametrize("name", DECISIONS)
def test_a_decision_that_dies_is_made_or_not_and_always_told(tmp_path, name, old):
    decide = DECISIONS[name]
    total = requests_of(decide, tmp_path / "count", old)
    assert total >= 5

    def die() -> None:
        raise KilledError

    made = set()
    for at in range(1, total + 1):
        for after in (False, True):
            root = tmp_path / f"{at}-{after}"
            begin(root, old)
            store = open_store(str(root))
            before = history(store, "m")
            with pytest.raises(KilledError):
                decide(Interrupted(root, at, after, die))
            told = history(store, "m")
            assert told[: len(before)] == before
            assert [event["what"] for event in told[len(before) :]] in ([], [WHAT[name]])
            made.add(len(told) > len(before))
            assert now_is(store) == told[-1]["champion"]
            if len(told) == len(before):  # it can be decided again, and by somebody else on top
                decide(store)
            reject(store, "m", D, **HOW)
            kept = [path.name for path in (root / "releases/m/history").iterdir() if not path.name.startswith(".")]
            assert len(kept) == len(before) + 2
            assert [event["what"] for event in history(store, "m")][len(before) :] == [WHAT[name], "rejected"]
    assert made == {False, True}


@pytest.mark.parametrize("other", DECISIONS)
@pytest.mark.parametrize("name", DECISIONS)
def test_a_decision_in_between_any_two_requests_of_another(tmp_path, name, other):
    total = requests_of(DECISIONS[name], tmp_path / "count", False)
    for at in range(1, total + 1):
        root = tmp_path / str(at)
        begin(root, False)
        store = open_store(str(root))
        outcomes: list[bool] = []
        come_between = partial(_try_too, other, store, outcomes)
        mine = Interrupted(root, at, False, come_between)
        outcomes.append(_try(name, mine))
        told = history(store, "m")
        assert len(told) == 2 + sum(outcomes)
        assert any(outcomes)
        assert now_is(store) == told[-1]["champion"]
        moves = [event for event in told[2:] if event["what"] != "rejected"]
        assert len(moves) <= 1  # both were compared with the champion of before
        if moves and moves[0]["what"] == "promoted":
            assert "rejected" not in [event["what"] for event in told[: told.index(moves[0])]]


def _try_too(name: str, store: Any, outcomes: list[bool]) -> None:
    outcomes.append(_try(name, store))


def _try(name: str, store: Any) -> bool:
    """Whether a decision was made; the other one may have come first."""
    try:
        return DECISIONS[name](store) is not False
    except (MovedError, champions.BarredError, champions.BadInputError):
        return False


PROMOTERS = """
import sys
from components.common.storage import open_store
from components.releases.champion import MovedError, champion, promote
store, number = open_store(sys.argv[1]), 0
while True:
    now = champion(store, "m")
    release = {"model": "m", "version": f"{sys.argv[2]}-{number:09d}"}
    try:
        if promote(store, release, expected=now and now.version, who="w", why="y", source="s"):
            print(release["version"], flush=True)
    except MovedError:
        pass
    number += 1
"""


def test_promoters_that_are_killed_lose_nothing_that_they_said(tmp_path):
    draws = random.Random(7)
    said = []
    for turn in range(6):
        processes = [
            subprocess.Popen(
                [sys.executable, "-c", PROMOTERS, str(tmp_path / "store"), f"{turn}{side}"],
                stdout=subprocess.PIPE,
                text=True,
                env={**os.environ, "PYTHONPATH": str(ROOT)},
            )
            for side in "ab"
        ]
        for process in processes:
            assert process.stdout is not None
            said.append(process.stdout.readline().strip())  # it is at work
        time.sleep(draws.uniform(0.0, 0.3))
        for process in processes:
            process.send_signal(signal.SIGKILL)
            said += process.communicate()[0].split()
    store = open_store(str(tmp_path / "store"))
    told = [event["version"] for event in history(store, "m")]
    assert len(told) == len(set(told))
    assert {*said} <= {*told}
    assert len(told) <= len(said) + 12  # what was decided and not said any more: one for each that was killed
    assert now_is(store) == told[-1]
