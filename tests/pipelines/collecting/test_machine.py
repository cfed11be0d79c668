"""Runs and cache entries on this machine."""

import os
import shutil
import subprocess
import sys
import time
from pathlib import Path

import pytest

from components.common.errors import BadInputError
from components.common.files import write_json
from pipelines.collecting.machine import Runs
from pipelines.collecting.sweep import DAY
from pipelines.local.workdir import alone, in_use

ROOT = Path(__file__).parents[3]


def make_run(workdir: Path, name: str, *uris: str, failure: str | None = None) -> Path:
    """A run that has an artifact of its own, with an entry of the cache, and took those of `uris` from the cache."""
    folder = workdir / "runs" / name
    own = folder / "ingest" / "dataset"
    write_json(own / "dataset.json", {"id": f"id of {name}"})
    outputs = [{"dataset": {"uri": uri}} for uri in (str(own), *uris)]
    write_json(folder / "run.json", {"stages": [{"outputs": each} for each in outputs], "failure": failure})
    write_json(workdir / "cache" / f"{name}.json", {"dataset": {"__kfp_artifact__": True, "uri": str(own)}})
    return own


def make_old(workdir: Path, *names: str) -> None:
    then = time.time() - 60 * DAY
    for path in workdir.rglob("*"):
        if not names or any(name in str(path) for name in names):
            os.utime(path, (then, then))


def left(workdir: Path) -> list[str]:
    return sorted(path.name for path in [*workdir.glob("runs/*"), *workdir.glob("cache/*")])


def test_the_newest_run_that_ended_well_stays_and_what_it_took_from_the_cache(tmp_path: Path) -> None:
    used = make_run(tmp_path, "pets-20260101-000000")
    make_run(tmp_path, "pets-20260102-000000")
    make_run(tmp_path, "pets-20260103-000000", str(used))
    make_run(tmp_path, "pets-20260104-000000", failure="error: ingest: no")
    make_run(tmp_path, "pets-and-more-20250101-000000")
    (tmp_path / "runs" / "mine").mkdir()
    assert list(Runs(tmp_path, 14).found()) == []
    make_old(tmp_path)
    shutil.rmtree(tmp_path / "runs" / "pets-20260104-000000")  # by hand
    listed = [Path(one.thing.key).name for one in Runs(tmp_path, 14).found()]
    assert len(left(tmp_path)) == 5 + 5
    assert Runs(tmp_path, 14).datasets(all_stay=False) == {
        f"id of {name}" for name in ("pets-20260101-000000", "pets-20260103-000000", "pets-and-more-20250101-000000")
    }
    assert len(Runs(tmp_path, 14).datasets(all_stay=True)) == 4
    gone = [Path(one.thing.key).name for one in Runs(tmp_path, 14).remove()]
    assert gone == listed == ["pets-20260102-000000.json", "pets-20260104-000000.json", "pets-20260102-000000"]
    assert left(tmp_path) == [
        "mine",
        "pets-20260101-000000", "pets-20260101-000000.json",
        "pets-20260103-000000", "pets-20260103-000000.json",
        "pets-and-more-20250101-000000", "pets-and-more-20250101-000000.json",
    ]  # fmt: skip
    assert list(Runs(tmp_path, 14).found()) == []


def test_a_young_run_stays_with_what_it_uses(tmp_path: Path) -> None:
    used = make_run(tmp_path, "pets-20260101-000000")
    make_run(tmp_path, "pets-20260102-000000", str(used), failure="error: ingest: no")
    make_run(tmp_path, "pets-20260103-000000")
    make_old(tmp_path, "pets-20260101", "pets-20260103")
    assert list(Runs(tmp_path, 14).found()) == []


def test_a_killed_run_without_a_record_goes_once_it_is_old(tmp_path: Path) -> None:
    make_run(tmp_path, "pets-20260101-000000")
    (tmp_path / "runs" / "pets-20260101-000000" / "run.json").unlink()
    make_old(tmp_path)
    assert len(list(Runs(tmp_path, 14).remove())) == 2
    assert left(tmp_path) == []


def test_a_damaged_record_is_one_line(tmp_path: Path) -> None:
    make_run(tmp_path, "pets-20260101-000000")
    record = tmp_path / "runs" / "pets-20260101-000000" / "run.json"
    record.write_text("{")
    with pytest.raises(BadInputError, match=r"run\.json: cannot be read .*; remove it, or restore it"):
        Runs(tmp_path, 14)


def test_runs_share_a_folder_and_nobody_removes_from_it_meanwhile(tmp_path: Path) -> None:
    workdir = tmp_path / "new"
    with alone(workdir, to_write=False) as is_free:
        assert is_free
    assert not workdir.exists(), "looking leaves nothing"
    with in_use(workdir), in_use(workdir), alone(workdir, to_write=True) as is_free:
        assert not is_free
    code = "from pathlib import Path; from pipelines.local.workdir import in_use\nwith in_use(Path('new')): print('in')"
    with alone(workdir, to_write=True) as is_free:
        assert is_free
        waiting = subprocess.Popen(
            [sys.executable, "-c", code],
            cwd=tmp_path,
            env={**os.environ, "PYTHONPATH": str(ROOT)},
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )
        assert waiting.stderr is not None
        assert waiting.stderr.readline() == "new: waiting until `gleaner store gc` has ended\n"
        assert waiting.poll() is None
    assert waiting.communicate(timeout=60) == ("in\n", "")


def test_a_run_holds_its_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from pipelines.configuration.config import load_config
    from pipelines.local import run
    from pipelines.local.progress import open_display

    seen: list[bool] = []

    def look(*_: object) -> None:
        with alone(tmp_path, to_write=False) as is_free:
            seen.append(is_free)

    monkeypatch.setattr(run, "run_pipeline", look)
    config = load_config(ROOT / "pipelines/configs/mnist.yaml", [f"store={tmp_path / 'store'}"])
    run.run_config(config, tmp_path, open_display())
    look()
    assert seen == [False, True]
