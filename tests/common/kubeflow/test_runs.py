"""A run is started once, though answers get lost, and doubles are ended."""

import time

import pytest

from components.common.kubeflow import runs
from components.common.kubeflow.objects import find_version, provide_experiment
from components.common.kubeflow.server import TransientError, connect
from tests.pipelines.kubeflow.kfp_server import serve
from tests.pipelines.kubeflow.kfp_state import FAULTS, Fault


def body(client, name="drift-1", description=""):
    version = find_version(client, "digits-1", "digits")
    assert version is not None
    return runs.body(name, {"seed": 7}, version, provide_experiment(client, "watch"), "robot", description)


def test_a_run_has_what_it_is_told():
    with serve() as server:
        server.add_version("digits", "digits-1")
        client = connect(server.url)
        run_id = runs.start(client, body(client, description="the inputs have changed"))
        [run] = server.runs
        assert (run.run_id, run.display_name, run.description) == (run_id, "drift-1", "the inputs have changed")
        assert (run.service_account, run.runtime_config.parameters) == ("robot", {"seed": 7})
        assert [found.run_id for found in runs.named(client, "drift-1")] == [run_id]
        assert runs.named(client, "drift-2") == []


@pytest.mark.parametrize("fault", FAULTS)
def test_a_lost_answer_starts_no_second_run(kfp_hurry, fault):
    with serve() as server:
        server.add_version("digits", "digits-1")
        client = connect(server.url)
        run = body(client)
        faults = [fault]
        server.fault = lambda method, path: faults.pop() if method == "POST" and faults else None
        assert [runs.start(client, run)] == [each.run_id for each in server.runs]


def test_after_its_time_nothing_is_asked_for(kfp_hurry):
    with serve() as server:
        server.add_version("digits", "digits-1")
        client = connect(server.url)
        run = body(client)
        with pytest.raises(TransientError, match="did not answer in time whether it has started drift-1"):
            runs.start(client, run, until=time.monotonic())
        assert server.runs == []


def test_a_server_that_stays_away(kfp_hurry):
    with serve() as server:
        server.add_version("digits", "digits-1")
        client = connect(server.url)
        run = body(client)
        server.fault = lambda method, path: Fault(503) if method == "POST" else None
        with pytest.raises(TransientError, match="answers 503"):
            runs.start(client, run)


def test_doubles_are_ended():
    with serve() as server:
        server.add_version("digits", "digits-1")
        client = connect(server.url)
        for _ in range(3):
            runs.start(client, body(client))
        first, second, third = runs.named(client, "drift-1")
        server.runs[[run.run_id for run in server.runs].index(third.run_id)].state = "SUCCEEDED"
        said: list[str] = []
        runs.end_doubles(client, "drift-1", said.append)
        states = {run.run_id: run.state for run in server.runs}
        assert states == {first.run_id: "PENDING", second.run_id: "CANCELING", third.run_id: "SUCCEEDED"}
        assert said == [f"ended {server.url}/#/runs/details/{second.run_id}, a second run of the name drift-1"]
        server.fault = lambda method, path: Fault(503) if method == "POST" else None
        server.runs.append(type(server.runs[0])(display_name="drift-1", run_id="z", created_at=server.now()))
        runs.end_doubles(client, "drift-1", said.append)
        assert "is a second run of the name drift-1, end it by hand: " in said[1]
