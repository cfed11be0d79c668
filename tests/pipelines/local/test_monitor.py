"""`gleaner monitor` on a real small release: a quiet week, a week of turned images, and what follows."""

import json
import signal
import subprocess
import sys
from collections.abc import Iterator
from datetime import datetime
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from components.common.parquet import read_table
from components.common.storage import open_store
from components.monitor import looks
from components.monitor.claims import claims, started
from components.monitor.history import main as history
from pipelines import handover
from pipelines.__main__ import main
from tests.monitor.watched import DAY, NAME, Watched, answer, watched, write_images

ROOT = Path(__file__).parents[3]
MONDAY = datetime.fromisoformat("2026-03-02T06:00:00+00:00")
WEEK = 7 * DAY


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory) -> Watched:
    return watched(tmp_path_factory.mktemp("watched"), train=True, candidates=20)


@pytest.fixture(autouse=True)
def handlers() -> Iterator[None]:
    """The command changes what these signals do."""
    before = {number: signal.getsignal(number) for number in (signal.SIGTERM, signal.SIGHUP)}
    yield
    for number, handler in before.items():
        signal.signal(number, handler)


def monitor(world: Watched, folder: Path, now: datetime, *words: str) -> int:
    """The exit code of a look at that time."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("GLEANER_NOW", now.isoformat())
        with pytest.raises(SystemExit) as end:
            main(["monitor", "-c", str(world.config), "--workdir", str(folder / "work"), *words])
    assert isinstance(end.value.code, int)
    return end.value.code


def decision(folder: Path) -> dict[str, Any]:
    (path,) = sorted((folder / "work" / "runs").glob("*/decide/decision/decision.json"))[-1:]
    return json.loads(path.read_text(encoding="utf-8"))


def test_a_quiet_week_says_so_and_turned_images_start_a_training_run_once(
    world: Watched, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("ORT_DISABLE_TELEMETRY", "1")
    store = open_store(world.store)
    quiet, turned = world.fresh[:290], [np.rot90(image) for image in world.fresh[290:580]]
    # a quiet week, of a folder
    assert monitor(world, tmp_path, MONDAY, "--source", str(write_images(tmp_path / "quiet", quiet))) == 0
    said = capsys.readouterr().out
    assert "ALARM" not in said
    assert said.rstrip().endswith("no alarm: nothing to do")
    assert not decision(tmp_path)["train"]
    # too few to tell: no look, and they belong to the next one
    answer(world, turned[:10], MONDAY, MONDAY + DAY)
    assert monitor(world, tmp_path, MONDAY + DAY) == 0
    assert "it cannot be told yet: nothing to do" in capsys.readouterr().out
    assert looks.last(store, NAME) == looks.look_at(store, NAME, 1)
    # a week of turned images, in the log
    answer(world, turned[10:], MONDAY + DAY, MONDAY + WEEK)
    assert monitor(world, tmp_path, MONDAY + WEEK) == 2, "the images of the configuration are not there"
    told = capsys.readouterr()
    assert "ALARM" in told.out
    assert "error: " in told.err
    look = looks.look_at(store, NAME, 2)
    assert look is not None
    assert (look["images"], look["since"]) == (290, MONDAY.isoformat())
    candidates = read_table(looks.read_file(store, look, "candidates.parquet"))
    assert 0 < candidates.num_rows <= 20
    decided = decision(tmp_path)
    assert decided["train"]
    assert f"sample.candidates_from={looks.place_of(store, look, 'candidates.parquet')}" in decided["overrides"]
    [claim] = claims(store, NAME)
    assert (claim.look, started(store, NAME, claim.number)) == (2, None), "it has not begun: the next look starts it"
    history(["history", "--store", world.store, "--name", NAME])
    first, second = capsys.readouterr().out.splitlines()[1:]
    assert "ALARM" not in first
    assert "ALARM: " in second
    assert second.endswith("claimed, not begun")


def test_mistakes_end_in_one_line(world: Watched, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    for word, message in {
        "monitor.auditt=1": "unknown key 'monitor.auditt'; did you mean 'monitor.audit'?",
        "monitor.min_images=3": "monitor.min_images: got 3, expected greater than or equal to 20",
    }.items():
        assert monitor(world, tmp_path, MONDAY, word) == 2
        (line,) = capsys.readouterr().err.splitlines()
        assert message in line
    assert monitor(world, tmp_path, MONDAY + 9 * WEEK, f"monitor.log={tmp_path}/nowhere") == 2
    assert f"{tmp_path}/nowhere" in capsys.readouterr().err.splitlines()[-2]


def test_before_the_first_promotion_there_is_nothing_to_watch_and_no_fault(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    said = {"version": 2, "name": "flowers", "source": "photos", "store": str(tmp_path / "store")}
    (tmp_path / "my.yaml").write_text(json.dumps(said), encoding="utf-8")
    with pytest.raises(SystemExit, match="0"):
        main(["monitor", "-c", str(tmp_path / "my.yaml"), "--workdir", str(tmp_path / "work")])
    out = capsys.readouterr().out.splitlines()
    assert out == [
        "Cannot tell yet",
        "  No release of flowers is the champion yet: a run whose model passes its gates makes one.",
        "it cannot be told yet: nothing to do",
    ]
    assert not list((tmp_path / "store").rglob("*.json"))
    assert len(list((tmp_path / "work").rglob("drift.html"))) == 1


def test_history_is_the_component_s_own_command(world: Watched) -> None:
    assert handover.is_component_s(["monitor", "history", "-c", "x"])
    assert not handover.is_component_s(["monitor", "-c", "x"])
    module, words = handover.command("monitor", ["history", "-c", str(world.config), "-o", "json"])
    assert module == "components.monitor"
    assert words == ["history", "--name", NAME, "--store", world.store, "-o", "json"]


def test_a_model_without_a_look_has_no_history(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    history(["history", "--store", str(tmp_path), "--name", NAME])
    assert capsys.readouterr().out.startswith("no look at digits was published in ")
    history(["history", "--store", str(tmp_path), "--name", NAME, "-o", "json"])
    assert json.loads(capsys.readouterr().out) == []


@pytest.mark.parametrize("task", ["compare", "decide"])
def test_tasks_run_in_the_image_without_a_model_s_libraries(task: str) -> None:
    code = f"import sys, components.monitor.{task}.__main__; print(*sys.modules)"
    said = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, cwd=ROOT, check=True).stdout
    assert not {"torch", "torchvision", "onnxruntime", "sklearn", "kfp", "safetensors"} & {*said.split()}
