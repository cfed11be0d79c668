"""Bad input in a pod that is tried again: the second try says the same line at once, a new series of tries looks
again.
"""

from pathlib import Path

import pytest

from components.common.cli import main
from components.common.errors import BadInputError, FailedError
from components.common.settings import Settings
from components.common.storage import open_store

LINE = "error: common: labels.csv:17: class 'catt' is not one of ['cat', 'dog']\n"


class World(Settings):
    """What the stage finds; it knows how often it was really run."""


runs: list[str] = []
mended: list[str] = []


def run(store: str, part: str, settings: World, out: Path) -> None:
    """A stage that fails until its input is mended."""
    runs.append(part)
    if part == "elsewhere":
        raise FailedError("a pod was lost")
    if part == "a bug":
        raise KeyError(part)
    if part not in mended:
        raise BadInputError("labels.csv:17: class 'catt' is not one of ['cat', 'dog']")
    out.write_text("done", encoding="utf-8")


@pytest.fixture(autouse=True)
def forget() -> None:
    runs.clear()
    mended.clear()


@pytest.fixture
def attempt(monkeypatch, capsys, tmp_path):
    """Run the stage as a pod of Argo's node; its exit code and what it said."""

    def act(store: str, node: str, part: str = "0:1", run_id: str = "5c1f") -> tuple[int, str]:
        monkeypatch.setenv("GLEANER_RUN", run_id)
        monkeypatch.setenv("GLEANER_NODE", f"digits-x7k2p.root.{node}")
        try:
            main(run, ["--store", store, "--part", part, "--out", str(tmp_path / "out")])
        except SystemExit as ended:
            return int(str(ended.code)), capsys.readouterr().err
        return 0, capsys.readouterr().err

    return act


def test_the_second_try_says_the_same_at_once(s3_bucket, attempt):
    store = f"{s3_bucket}/store"
    assert attempt(store, "sample.executor(0)") == (2, LINE)
    assert attempt(store, "sample.executor(1)") == (2, LINE)
    assert attempt(store, "sample.executor(2)") == (2, LINE)
    assert runs == ["0:1"], "only the first try looked"
    (kept,) = open_store(store).list()
    assert kept.key.startswith("runs/5c1f/failures/common-")


def test_mended_input_is_seen_when_a_person_tries_again(tmp_path, attempt):
    store = str(tmp_path / "store")
    assert attempt(store, "sample.executor(0)") == (2, LINE)
    mended.append("0:1")
    assert attempt(store, "sample.executor(0)") == (0, "")
    assert attempt(store, "sample.executor(1)") == (0, ""), "nothing is left of the failure"


def test_parallel_tasks_and_other_runs_have_failures_of_their_own(tmp_path, attempt):
    store = str(tmp_path / "store")
    assert attempt(store, "for-loop-1.iteration(0:0).pack.executor(0)", "0:4") == (2, LINE)
    mended.append("4:8")
    assert attempt(store, "for-loop-1.iteration(1:1).pack.executor(1)", "4:8") == (0, "")
    assert attempt(store, "for-loop-1.iteration(0:0).pack.executor(1)", "4:8", "another") == (0, "")
    assert attempt(store, "for-loop-1.iteration(0:0).pack.executor(1)", "0:4") == (2, LINE)
    assert runs == ["0:4", "4:8", "4:8"]


def test_only_bad_input_is_remembered(tmp_path, attempt):
    store = str(tmp_path / "store")
    for number in range(2):
        assert attempt(store, f"sample.executor({number})", "elsewhere") == (1, "error: common: a pod was lost\n")
        with pytest.raises(KeyError):
            attempt(store, f"sample.executor({number})", "a bug")
    assert len(runs) == 4


@pytest.mark.parametrize("node", ["", "sample.executor"])
def test_nothing_is_kept_where_nothing_is_tried_again(tmp_path, attempt, monkeypatch, node):
    store = str(tmp_path / "store")
    assert attempt(store, node) == (2, LINE)
    monkeypatch.delenv("GLEANER_RUN")
    monkeypatch.delenv("GLEANER_NODE")
    with pytest.raises(SystemExit):
        main(run, ["--store", store, "--part", "0:1", "--out", str(tmp_path / "out")])
    assert not (tmp_path / "store").exists()


@pytest.mark.parametrize("store", ["gs://bucket/x", "/proc/no/such/folder", ""])
def test_a_store_that_cannot_be_used_hides_no_error(attempt, store):
    assert attempt(store, "sample.executor(0)") == (2, LINE)
    assert attempt(store, "sample.executor(1)") == (2, LINE)
    assert runs == ["0:1", "0:1"]
