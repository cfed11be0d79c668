"""Imports at once lose nothing, and one that is killed has written all of its answers or none."""

import os
import random
import subprocess
import sys
import time
from pathlib import Path

import pytest

from tests.labels.world import NAME, World

ROOT = Path(__file__).parents[2]
MANY = 400  # answers of one import
APPEND = """
import sys
from datetime import UTC, datetime
from components.common.storage import open_store
from components.labels.store import Answer, LabelStore

labels = LabelStore(open_store(sys.argv[1]), "digits")
print("begun", flush=True)
for batch in range(1000):
    labels.append([Answer(f"{row:064x}", "class", "cat", f"{batch}", datetime.now(UTC), "a:1", 1) for row in range(50)])
    labels.rename(f"{batch}", "cat", "ann", datetime.now(UTC))
"""


@pytest.fixture(params=["folder", "s3"])
def world(request: pytest.FixtureRequest, tmp_path: Path) -> World:
    uri = "" if request.param == "folder" else request.getfixturevalue("s3_bucket") + "/p"
    return World(tmp_path, uri, images=MANY)


def start(world: World, file: str, *words: str) -> "subprocess.Popen[bytes]":
    command = [sys.executable, "-m", "components.labels", "import", file, "--name", NAME, "--store", world.uri, *words]
    return subprocess.Popen(command, env={**os.environ, "PYTHONPATH": str(ROOT)}, stdout=subprocess.DEVNULL)


def test_imports_at_once_lose_nothing(world):
    file = world.csv("a.csv", [(number, "cat") for number in range(MANY)])
    people = [start(world, file, "--annotator", who) for who in ("ann", "bob", "cy")]
    people.append(start(world, file, "--annotator", "ann"))  # twice by one person at the same time
    assert [process.wait() for process in people] == [0] * 4
    said = {(one.id, one.annotator) for one in world.labels.read().answers}
    assert said == {(world.id(number), who) for number in range(MANY) for who in ("ann", "bob", "cy")}


def test_an_import_that_is_killed_wrote_everything_or_nothing(world):
    file = world.csv("a.csv", [(number, "cat") for number in range(MANY)])
    began = time.monotonic()
    assert start(world, file, "--annotator", "calm").wait() == 0
    seconds = time.monotonic() - began
    draws = random.Random(7)
    for number in range(4):
        process = start(world, file, "--annotator", f"{number}")
        try:
            process.wait(draws.uniform(0.6, 1.05) * seconds)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()
        answers = world.labels.read().answers
        assert sum(one.annotator == f"{number}" for one in answers) in (0, MANY)
        assert sum(one.annotator == "calm" for one in answers) == MANY


def test_a_writer_that_is_killed_leaves_whole_batches(world):
    """At moments that lie between and within writes: what is there reads whole, and nothing of before is gone."""
    draws = random.Random(11)
    least = 0
    for _ in range(3):
        process = subprocess.Popen(
            [sys.executable, "-c", APPEND, world.uri],
            env={**os.environ, "PYTHONPATH": str(ROOT)},
            stdout=subprocess.PIPE,
        )
        with process:
            assert process.stdout is not None
            assert process.stdout.readline() == b"begun\n"
            time.sleep(draws.uniform(0.1, 0.5))
            process.kill()
        state = world.labels.read()
        counts: dict[tuple[str, object], int] = {}
        for one in state.answers:
            counts[one.annotator, one.round] = counts.get((one.annotator, one.round), 0) + 1
        assert all(count % 50 == 0 for count in counts.values())
        assert len(state.answers) >= least
        least = len(state.answers)
        assert all(renaming.new == "cat" for renaming in state.renamings)
        assert world.labels.read(world.labels.version()) == state
