"""The local runner over toy stages: kfp's real orchestrator, real processes."""

import contextlib
import io
import json
import logging
import os
import re
import signal
import stat
import subprocess
import sys
import textwrap
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from kfp import dsl
from kfp.local import cache, config, executor_input_utils, subprocess_task_handler

from pipelines.local.progress import Lines
from pipelines.local.record import Run, StageError, new_run
from pipelines.local.run import run_pipeline
from tests.processes import children, descendants, gone


def toy(settings: Any, after: str, figures: str, before: str = "") -> dsl.ContainerSpec:
    return dsl.ContainerSpec(
        image="toy",
        command=["python", "-m", "tests.toy"],
        args=[
            "--executor-input",
            dsl.PIPELINE_TASK_EXECUTOR_INPUT_PLACEHOLDER,
            "--before",
            before,
            "--settings",
            settings,
            "--after",
            after,
            "--figures",
            figures,
        ],
    )


@dsl.container_component
def first(settings: dict, after: dsl.Output[dsl.Artifact], figures: dsl.Output[dsl.Metrics]):
    return toy(settings, after.path, figures.path)


@dsl.container_component
def second(
    before: dsl.Input[dsl.Artifact], settings: dict, after: dsl.Output[dsl.Artifact], figures: dsl.Output[dsl.Metrics]
):
    return toy(settings, after.path, figures.path, before.path)


@dsl.pipeline(name="toy")
def toys(one: dict, two: dict) -> None:
    second(before=first(settings=one).outputs["after"], settings=two)


class Bench:
    """A workdir, the journal of executions, and the text on the display."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.journal = folder / "journal"
        self.screen = io.StringIO()

    def run(self, one: Any = "alpha", two: str = "beta", do: str = "work", code: str = "1", fresh: bool = False) -> Run:
        run = new_run(self.folder, "toy", Lines(self.screen), threads=1)
        os.environ["TOY_JOURNAL"] = str(self.journal)
        arguments = {"one": {"say": one}, "two": {"say": two, "do": do}}
        run_pipeline(
            toys.pipeline_spec,
            arguments,
            run,
            self.folder / "cache",
            fresh,
            digest_of=lambda module: f"{module}-{code}",
        )
        return run

    def executed(self) -> list[str]:
        """What ran since the last call."""
        lines = self.journal.read_text().split() if self.journal.exists() else []
        self.journal.unlink(missing_ok=True)
        return lines


@pytest.fixture
def bench(tmp_path: Path) -> Bench:
    return Bench(tmp_path)


def test_stages_run_once_and_hand_on_their_artifacts(bench, capfd):
    run = bench.run()
    assert bench.executed() == ["alpha", "beta"]
    assert Path(run.stages[1].outputs["after"]["uri"]).read_text() == "ab"
    assert run.stages[1].outputs["figures"]["metadata"]["letters"] == 1
    assert bench.screen.getvalue().splitlines()[0] == "first: started"
    assert "second: done in" in bench.screen.getvalue()
    assert (run.folder / "first" / "after").is_file()
    assert '"progress": "steps"' in run.log("first").read_text()
    assert "finished with status" in run.log("kfp").read_text()
    assert json.loads((run.folder / "run.json").read_text())["stages"][0]["name"] == "first"
    assert capfd.readouterr() == ("", "")  # all that kfp says is in its log

    again = bench.run()
    assert bench.executed() == []
    assert [stage.seconds for stage in again.stages] == [None, None]
    assert again.stages[1].outputs["after"]["metadata"] == run.stages[1].outputs["after"]["metadata"]
    bench.run(fresh=True)
    assert bench.executed() == ["alpha", "beta"]


def test_what_runs_again_is_what_changed_and_what_reads_it(bench):
    bench.run()
    bench.executed()
    bench.run(two="gamma")
    assert bench.executed() == ["gamma"]
    bench.run(code="2")
    assert bench.executed() == ["alpha", "beta"]
    bench.run(one="omega", code="2")
    assert bench.executed() == ["omega", "beta"]  # other bytes from the first
    bench.run(one="aleph", code="2")
    assert bench.executed() == ["aleph"]  # equal bytes ("a"): the second need not know
    bench.run(one="alpha", code="1")
    assert bench.executed() == []  # older entries stay


@pytest.mark.parametrize("damage", ["gone", "changed"])
def test_a_damaged_output_is_made_again(bench, damage):
    first_output = Path(bench.run().stages[0].outputs["after"]["uri"])
    bench.executed()
    if damage == "gone":
        first_output.unlink()
    else:
        first_output.write_text("a!")
    bench.run()
    assert bench.executed() == ["alpha"]


def test_a_file_that_settings_name_counts_by_its_bytes(bench, monkeypatch):
    monkeypatch.chdir(bench.folder)
    answers = bench.folder / "answers.csv"
    answers.write_text("id,label\n")
    bench.run(two="answers.csv")
    bench.executed()
    bench.run(two="answers.csv")
    assert bench.executed() == []
    answers.write_text("id,label\n1,cat\n")
    bench.run(two="answers.csv")
    assert bench.executed() == ["answers.csv"]


@pytest.mark.parametrize(
    ("do", "code", "line"),
    [
        ("bad", 2, "error: toy: labels.csv:17: class 'catt' is not one of ['cat', 'dog']"),
        ("bug", 1, "error: second: KeyError: 'a bug' (exit code 1, a bug: please report it with the log)"),
        ("die", 1, "error: second: ended by SIGKILL, most likely for memory"),
        ("typo", 2, None),
    ],
)
def test_a_failing_stage_says_why_and_where(bench, do, code, line):
    if do == "typo":
        with pytest.raises(StageError) as failed:
            bench.run(two="beta", one=5)
        assert failed.value.line.startswith("error: toy: toy.say: ")
    else:
        with pytest.raises(StageError) as failed:
            bench.run(do=do)
        assert re.sub(r" \(it held [^)]*\)", "", failed.value.line) == line
        assert "second: failed after" in bench.screen.getvalue()
        assert bench.executed() == ["alpha", "beta"]
    assert failed.value.code == code
    assert failed.value.log.is_file()
    if do != "typo":
        bench.run()
        assert bench.executed() == ["beta"]  # what succeeded before the failure is kept, the failure is not


@dsl.pipeline(name="again")
def tried_again(one: dict) -> None:
    first(settings=one).set_retry(2, backoff_duration="0s")


def test_bad_input_is_not_tried_again(bench):
    """As on a cluster, where an exit code is not tried again whatever `retries` says."""
    run = new_run(bench.folder, "again", Lines(bench.screen), threads=1)
    os.environ["TOY_JOURNAL"] = str(bench.journal)
    with pytest.raises(StageError, match="class 'catt'") as failed:
        run_pipeline(
            tried_again.pipeline_spec,
            {"one": {"say": "alpha", "do": "bad"}},
            run,
            bench.folder / "cache",
            digest_of=lambda module: module,
        )
    assert failed.value.code == 2
    assert bench.executed() == ["alpha"]


def test_kfp_is_left_as_it_was(bench):
    def state():
        return (
            subprocess_task_handler.SubprocessTaskHandler,
            cache.get_local_cache,
            config.LocalExecutionConfig.instance,
            executor_input_utils.get_local_pipeline_resource_name,
            sys.stdout,
            list(logging.getLogger().handlers),
        )

    before = state()
    with contextlib.suppress(StageError):
        bench.run(do="bad")
    assert state() == before


def test_two_runs_side_by_side_keep_apart(tmp_path):
    script = textwrap.dedent("""
        import sys
        from pathlib import Path
        from tests.pipelines.local.test_run import Bench
        bench = Bench(Path(sys.argv[1]))
        bench.journal = Path(sys.argv[1], f"journal-{sys.argv[2]}")
        run = bench.run()
        assert [Path(stage.outputs["after"]["uri"]).read_text() for stage in run.stages] == ["a", "ab"]
        print(run.folder)
    """)
    command = [sys.executable, "-c", script, str(tmp_path)]
    runs = [subprocess.Popen([*command, str(number)], stdout=subprocess.PIPE, text=True) for number in range(2)]
    folders = [run.communicate(timeout=60)[0] for run in runs]
    assert [run.returncode for run in runs] == [0, 0]
    assert folders[0] != folders[1]


@contextlib.contextmanager
def asleep(folder: Path, interrupts: str) -> Iterator[tuple["subprocess.Popen[bytes]", list[int]]]:
    """A run in whose second stage something sleeps, and the processes of the stage."""
    script = (
        f"import signal, sys; signal.signal(signal.SIGINT, signal.{interrupts});"
        "from pathlib import Path; from tests.pipelines.local.test_run import Bench; "
        "from pipelines.local.commands import _terminated; signal.signal(signal.SIGTERM, _terminated);"
        "Bench(Path(sys.argv[1])).run(do='sleep')"
    )
    command = [sys.executable, "-c", script, str(folder)]
    with subprocess.Popen(command, stderr=subprocess.PIPE) as run:
        try:
            deadline = time.monotonic() + 60
            while not any("asleep" in log.read_text() for log in folder.glob("runs/*/logs/second.log")):
                assert time.monotonic() < deadline
                assert run.poll() is None
                time.sleep(0.05)
            started = children(run.pid)
            assert len(started) == 1
            assert [stat.S_IMODE(path.stat().st_mode) for path in Path(os.environ["TMPDIR"]).iterdir()] == [0o700]
            yield run, descendants(run.pid)
        finally:
            run.kill()


@pytest.mark.parametrize(
    ("number", "interrupts"),
    [(signal.SIGINT, "default_int_handler"), (signal.SIGTERM, "default_int_handler"), (signal.SIGTERM, "SIG_IGN")],
)
def test_an_interrupt_ends_the_stage_in_good_order(tmp_path, temporary, number, interrupts):
    with asleep(tmp_path, interrupts) as (run, inside):  # SIG_IGN: as in the background of a shell
        run.send_signal(number)
        _, error = run.communicate(timeout=20)
        assert gone(inside)
    assert (b"KeyboardInterrupt" in error) == (number == signal.SIGINT)
    assert "KeyboardInterrupt" in next(tmp_path.glob("runs/*/logs/second.log")).read_text()
    assert list(temporary.iterdir()) == []


@pytest.mark.parametrize("interrupts", ["default_int_handler", "SIG_IGN"])
def test_a_stage_ends_with_a_killed_run_and_leaves_nothing(tmp_path, temporary, interrupts):
    with asleep(tmp_path, interrupts) as (run, inside):
        run.kill()
        assert gone(inside)
    assert "KeyboardInterrupt" in next(tmp_path.glob("runs/*/logs/second.log")).read_text()
    assert list(temporary.iterdir()) == []
