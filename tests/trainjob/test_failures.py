"""A job that fails, goes or has lost its outputs: one line that says why, and a next try that can go on."""

from typing import Any

import pytest

from tests.trainjob.scripts import fails, trains
from tests.trainjob.state import State

TORCHRUN = [
    "torch.distributed.elastic.multiprocessing.errors.ChildFailedError: ",
    "Root Cause (first observed failure):",
    "-" * 20,
]


@pytest.mark.parametrize(
    ("codes", "log", "exit_code", "said"),
    [
        (
            (1, 1),
            ["Traceback (most recent call last):", "  x", "[rank1]: ValueError: no such axis", *TORCHRUN],
            1,
            "exited with 1: ValueError: no such axis",
        ),
        (
            (1, 2),
            ["error: trainjob: dataset digits: 1 images; expected at least 2", *TORCHRUN],
            2,
            "exited with 2: dataset digits: 1 images; expected at least 2",
        ),
        ((143, 137), ["epoch 1"], 1, "exited with 137: epoch 1"),
    ],
)
def test_the_pod_that_failed_first_says_why(state, started, codes, log, exit_code, said):
    times = {0: "2026-11-24T10:00:05Z", 1: "2026-11-24T10:00:03Z"}
    state.script = fails(dict(enumerate(codes)), {0: ["error: trainjob: another went away"], 1: log}, times)
    pod = started()
    assert pod.end() == exit_code
    name = next(iter(state.objects["trainjobs"]))
    assert pod.lines[-1] == f"error: trainjob: TrainJob {name} failed: pod {name}-node-0-1-aaaaa (first of 2) {said}"
    assert "Traceback" not in pod.err


def test_a_death_by_memory_names_the_limit(state, started):
    state.script = fails({0: 1, 1: 1}, {0: [], 1: TORCHRUN}, {0: "", 1: ""}, "OOMKilled")
    pod = started()
    assert pod.end() == 1
    assert pod.lines[-1].endswith(
        "exited with 1: killed for want of memory: its limit is 32Gi (resources.trainjob.memory in the configuration); "
        "lower trainjob.batch_size or raise it"
    )


def test_a_job_that_failed_or_goes_makes_room(state, started, tmp_path):
    state.script = fails({0: 1, 1: 1}, {0: ["x"], 1: ["y"]}, {0: "", 1: ""})
    assert started("first").end() == 1
    state.script = trains(tmp_path / "node")
    second = started("second")
    assert second.end() == 0, second.err
    assert state.made == 2
    assert any("makes room for a new one" in line for line in second.lines)


def test_a_job_that_someone_deletes_ends_it(state, started):
    def script(state: State, job: dict[str, Any]) -> None:
        state.wait(lambda: "watch trainjobs" in state.requests)
        state.delete_job(job["metadata"]["name"])

    state.script = script
    pod = started()
    assert pod.end() == 1
    assert "was deleted by someone else; run it again: it goes on from its checkpoint" in pod.lines[-1]


def test_outputs_that_are_gone_are_made_again_by_another_try(state, started):
    state.script = lambda state, job: state.job(job, Complete="done")
    pod = started()
    assert pod.end() == 1
    assert "is complete, but its outputs are gone" in pod.lines[-1]
    assert state.objects["trainjobs"] == {}
