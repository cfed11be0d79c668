"""The command as people type it."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from components.common.storage import Store
from pipelines.__main__ import main
from pipelines.collecting.commands import _bytes
from pipelines.local.workdir import in_use
from tests.pipelines.collecting import test_machine as machine
from tests.pipelines.collecting.world import CANDIDATES, EMBEDDINGS, add_others, contents, make_old, opened

ROOT = Path(__file__).parents[3]


@pytest.fixture(autouse=True)
def elsewhere(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)


def call(*words: str) -> int:
    with pytest.raises(SystemExit) as ended:
        main(["store", "gc", *words])
    assert isinstance(ended.value.code, int)
    return ended.value.code


@pytest.fixture
def used(tmp_path: Path) -> Store:
    """A store, and a working folder beside it, that were used long ago, and a checkpoint of today."""
    store = opened(tmp_path / "store")
    add_others(store)
    half = tmp_path / "store" / "jobs" / "pretrain" / ".x.1.1.partial"
    half.write_bytes(b"half")
    make_old(store)
    os.utime(half, (0, 0))
    store.write("checkpoints/pretrain/young.safetensors", b"")
    for day in (1, 2):
        machine.make_run(tmp_path / ".gleaner", f"pets-2026010{day}-000000")
    machine.make_old(tmp_path / ".gleaner")
    return store


def test_it_lists_and_removes(tmp_path: Path, capsys: pytest.CaptureFixture[str], used: Store) -> None:
    before = contents(used)
    files = sorted(path for path in tmp_path.rglob("*"))
    assert call("store") == 0
    said = capsys.readouterr()
    assert said.err == ""
    near, totals = said.out.splitlines()[4:6], said.out.splitlines()[11:14]
    assert near[0].endswith("cache/pets-20260101-000000.json  (its run is none to keep)")
    assert near[1].endswith("runs/pets-20260101-000000  (no later run uses it)")
    assert [line.split()[:-2] for line in totals] == [["cache", "entry", "1"], ["run", "1"], ["all", "5"]]
    assert said.out.splitlines() == [
        "KIND              SIZE    AGE  WHAT",
        f"candidates       148 B   60 d  {CANDIDATES[1]}  (no labels name it)",
        f"embeddings        74 B   60 d  {EMBEDDINGS}  (joined long ago)",
        f"checkpoint        74 B   60 d  checkpoints/pretrain/{'1' * 64}.safetensors  (its training did not go on)",
        *near,
        "",
        "KIND            NUMBER      SIZE",
        "candidates           1     148 B",
        "embeddings           1      74 B",
        "checkpoint           1      74 B",
        *totals,
        "jobs/pretrain: something was in flight less than 14 d ago, so 1 unnamed things stay",
        "1 unnamed things are younger than 14 d, and stay",
        "nothing was removed: --delete does",
        "unfinished uploads older than 14 d: 1",
    ]
    assert sorted(path for path in tmp_path.rglob("*")) == files
    assert contents(used) == before
    assert call("store", "--delete") == 0
    said = capsys.readouterr()
    assert said.out.splitlines()[-2:] == ["removed", "unfinished uploads older than 14 d: 1, removed"]
    assert before.keys() - contents(used).keys() == {
        f"{CANDIDATES[1]}/candidates.csv",
        f"{CANDIDATES[1]}/contact_sheet.html",
        EMBEDDINGS,
        f"checkpoints/pretrain/{'1' * 64}.safetensors",
    }
    assert machine.left(tmp_path / ".gleaner") == ["pets-20260102-000000", "pets-20260102-000000.json"]
    assert list(tmp_path.rglob("*.partial")) == []
    assert call("store", "--keep-days", "90") == 0
    assert capsys.readouterr().out.splitlines()[-1] == "nothing to remove"


def test_a_run_in_flight_keeps_all_that_is_on_this_machine(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    add_others(opened("store"))
    for day in (1, 2):
        machine.make_run(tmp_path / "work", f"pets-2026010{day}-000000")
    machine.make_old(tmp_path / "work")
    with in_use(tmp_path / "work"):
        for words in ((), ("--delete",)):
            assert call("store", "--workdir", "work", *words) == 0
            assert capsys.readouterr().err == "work: a run is in flight, so all runs and cache entries stay\n"
    assert len(machine.left(tmp_path / "work")) == 4


def test_the_store_of_a_demo(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """On the S3 server that keeps its objects in a folder, in a process of its own, as its environment is changed."""
    (tmp_path / "objects").mkdir()
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    write = (
        "from components.common.storage import open_store; s = open_store('s3://pets/a'); s.make_bucket(); "
        "s.write('checkpoints/pretrain/1', b'')"
    )
    program = [sys.executable, "-m", "pipelines", "store"]
    subprocess.run([*program, "objects", sys.executable, "-c", write], env=environment, check=True)
    for words in ([], ["--delete"]):
        command = [*program, "gc", "--object-store", "objects", "s3://pets/a", *words]
        done = subprocess.run(command, env=environment, capture_output=True, text=True)
        assert (done.returncode, done.stderr) == (0, "")
        assert done.stdout == "1 unnamed things are younger than 14 d, and stay\nnothing to remove\n"
    assert call("objects") == 2
    assert capsys.readouterr().err == (
        "error: objects: keeps an object store; give --object-store objects and the store in it, s3://bucket/prefix\n"
    )


@pytest.mark.parametrize(
    ("words", "line"),
    [
        (["nowhere"], "error: nowhere: no such folder; expected the `store` of a run configuration"),
        (["gs://pets"], "error: 'gs://pets' is not a place that is known; expected s3://bucket/prefix or a folder"),
        (
            ["--object-store", "nowhere", "s3://pets"],
            "error: nowhere: no such folder; expected the one that `object_store` names in a run configuration",
        ),
        (
            ["store", "--workdir", "nowhere"],
            "error: --workdir nowhere: no such folder; expected the one that `gleaner run` keeps its runs in",
        ),
        (
            ["store", "--keep-days", "0"],
            "gleaner store gc: error: argument --keep-days: got '0'; expected a whole number, 1 at least",
        ),
        (
            ["store", "--keep-versions", "many"],
            "gleaner store gc: error: argument --keep-versions: got 'many'; expected a whole number, 1 at least",
        ),
        ([], "gleaner store gc: error: the following arguments are required: STORE"),
    ],
)
def test_a_mistake_is_one_line(capsys: pytest.CaptureFixture[str], words: list[str], line: str) -> None:
    add_others(opened("store"))
    assert call(*words) == 2
    assert capsys.readouterr().err.splitlines()[-1] == line


def test_a_bucket_that_is_not_there(s3_bucket: str, capsys: pytest.CaptureFixture[str]) -> None:
    for words in ((), ("--delete",)):
        assert call("s3://no-such-bucket/a", *words) == 2
        assert capsys.readouterr().err == (
            "error: s3://no-such-bucket/a: there is no bucket 'no-such-bucket'; create it, or correct the address\n"
        )
    assert call(f"{s3_bucket}/empty", "--delete") == 0
    assert capsys.readouterr().out == "nothing to remove\n"


def test_help_has_examples_and_the_other_command_is_still_there(capsys: pytest.CaptureFixture[str]) -> None:
    assert call("--help") == 0
    said = capsys.readouterr().out
    assert "gleaner store gc s3://bucket/prefix --delete" in said
    assert max(map(len, said.splitlines())) <= 120
    with pytest.raises(SystemExit):
        main(["store", "./gc"])
    assert capsys.readouterr().err.startswith("error: gc: no such folder; expected the one that `object_store` names")


def test_sizes() -> None:
    assert [_bytes(size) for size in (0, 999, 1000, 99_499, 99_500, 1.5e9, 2e12, 2e15)] == [
        "0 B", "999 B", "1.0 kB", "99.5 kB", "100 kB", "1.5 GB", "2.0 TB", "2000.0 TB",
    ]  # fmt: skip
