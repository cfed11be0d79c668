"""decide: when an alarm starts a training run, with how many labels, and what is said where it starts none."""

import json
import subprocess
import sys
from pathlib import Path

import pytest

from components.common.errors import BadInputError, FailedError
from components.monitor import claims
from components.monitor.decide.stage import run
from components.monitor.settings import MonitorSettings
from components.monitor.training import DESCRIPTION, description, with_overrides
from components.plan.form import fill, read
from pipelines.configuration.config import load_config
from tests.monitor.decisions import (
    LOCAL,
    MODEL,
    PINNED,
    TRAINING,
    at,
    decided,
    look,
    mistake,
    store_in,
    verdict,
    write_drift,
)
from tests.pipelines.kubeflow.kfp_server import serve
from tests.pipelines.kubeflow.kfp_state import FAULTS, Fault

ROOT = Path(__file__).parents[2]


def test_an_alarm_starts_a_run_with_its_reason(tmp_path, kubeflow, monkeypatch):
    at(monkeypatch, "2026-03-07")
    store = store_in(tmp_path)
    found = decided(tmp_path, look(store, 7))
    [run] = kubeflow.runs
    assert run.display_name.startswith("digits-drift-000007-")
    assert run.description.startswith("The inputs have changed. Embeddings have moved (p 0.00002). 12 % of the images")
    assert run.description.endswith("/drift.html")
    assert run.service_account == "robot"
    assert run.pipeline_version_reference.pipeline_version_id == kubeflow.versions[0].pipeline_version_id
    assert kubeflow.experiments[0].display_name == "watch"
    parameters = run.runtime_config.parameters
    assert parameters["sample_train_budget"] == 40  # nobody has labelled yet, and 40 images are new
    [table] = (tmp_path / "store").rglob("candidates.parquet")
    assert parameters["settings"] == {"seed": 7, "sample": {"test_budget": 40, "candidates_from": str(table)}}
    assert {name: parameters[name] for name in ("name", "source")} == {"name": MODEL, "source": "s3://bucket/images"}
    assert found["train"] is True
    assert found["started"]["run_id"] == run.run_id
    assert found["started"]["link"] == f"{kubeflow.url}/#/runs/details/{run.run_id}"
    assert found["overrides"] == ["sample.train_budget=40", f"sample.candidates_from={table}"]
    assert (found["labels"], found["claim"], found["cool_down_until"]) == (40, 1, "2026-03-21T06:00:00+00:00")
    [claim] = claims.claims(store, MODEL)
    assert (claim.look, claim.labels, claim.name) == (7, 40, run.display_name)
    assert claims.started(store, MODEL, 1) == found["started"]


def test_of_a_pipeline_the_newest_version_may_be_meant(tmp_path, kubeflow):
    latest = {**TRAINING, "kubeflow": {**TRAINING["kubeflow"], "version": "latest"}}
    decided(tmp_path, look(store_in(tmp_path), 7), latest)
    assert kubeflow.runs[0].pipeline_version_reference.pipeline_version_id is None


def test_what_a_role_must_allow(tmp_path, kubeflow):
    decided(tmp_path, look(store_in(tmp_path), 7))
    assert kubeflow.rights() == {
        "experiments: create", "experiments: list", "pipelines: get", "pipelines: list", "runs: create", "runs: list"
    }  # fmt: skip


@pytest.mark.parametrize(
    ("settings", "training", "why"),
    [
        ({"train": False}, None, "monitor.train is false"),
        ({}, {}, "the watch was started without a word on how one is started"),
    ],
)
def test_who_asks_for_no_training_gets_none(tmp_path, kubeflow, settings, training, why):
    found = decided(tmp_path, look(store_in(tmp_path), 7), training, **settings)
    assert (found["train"], found["started"], found["claim"]) == (False, None, None)
    assert found["why"].startswith(f"an alarm, and no training run: {why}")
    assert kubeflow.log == []


def test_nothing_to_do(tmp_path, kubeflow):
    assert decided(tmp_path, look(store_in(tmp_path), 7, alarm=False))["why"] == "no alarm: nothing to do"
    unsure = {**look(store_in(tmp_path), 8), "verdict": verdict(False, cannot_tell=True)}
    assert decided(tmp_path, unsure)["why"] == "it cannot be told yet: nothing to do"
    nowhere = {**look(store_in(tmp_path), 9), "store": None}
    assert "lies in no store, where it would be claimed" in decided(tmp_path, nowhere)["why"]
    assert kubeflow.log == []


def test_a_look_that_the_store_does_not_have_starts_nothing(tmp_path, kubeflow):
    quiet = look(store_in(tmp_path), 7, alarm=False)
    found = decided(tmp_path, {**quiet, "verdict": verdict()})  # of a monitor that was slower
    assert found["why"] == "no training run: look 7 of the store is another one, and raised no alarm"
    assert decided(tmp_path, {**quiet, "number": 8, "verdict": verdict()})["train"] is False
    assert kubeflow.log == []


def test_a_claim_that_was_broken(tmp_path, kubeflow):
    store = store_in(tmp_path)
    store.write("monitor/digits/trainings/000001.json", b'{"format": 1}')
    assert "000001.json: is no claim that this version of Gleaner reads" in mistake(tmp_path, look(store, 7))


def test_the_server_is_away(tmp_path, kubeflow, monkeypatch):
    store = store_in(tmp_path)
    kubeflow.fault = lambda *_: Fault(503)
    with pytest.raises(FailedError) as told:
        decided(tmp_path, look(store, 7))
    assert "answers 503 (upstream connect error); training digits-drift-000007-" in str(told.value)
    assert "is claimed and not started: the next look of any monitor starts it" in str(told.value)
    assert "\n" not in str(told.value)
    assert kubeflow.runs == []
    kubeflow.fault = lambda *_: None
    found = decided(tmp_path, look(store, 8, alarm=False))
    assert found["train"] is True
    assert found["why"].startswith("training 1, of look 7 and 40 labels, is started: http")
    assert [run.display_name for run in kubeflow.runs] == [claims.claims(store, MODEL)[0].name]
    assert decided(tmp_path, look(store, 9, alarm=False))["why"] == "no alarm: nothing to do"


def test_a_claim_on_a_version_that_was_replaced_is_left(tmp_path, kubeflow):
    store = store_in(tmp_path)
    kubeflow.fault = lambda *_: Fault(503)
    with pytest.raises(FailedError):
        decided(tmp_path, look(store, 7))
    kubeflow.fault = lambda *_: None
    assert decided(tmp_path, look(store, 8, alarm=False, version="f" * 16))["train"] is False
    assert kubeflow.runs == []


@pytest.mark.parametrize("fault", FAULTS)
def test_a_bad_moment_of_the_server_is_outlasted(tmp_path, kubeflow, fault):
    seen = set()

    def first(method, path):
        is_new = (method, path) not in seen
        seen.add((method, path))
        return fault if is_new else None

    kubeflow.fault = first
    decided(tmp_path, look(store_in(tmp_path), 7))
    kubeflow.fault = lambda *_: None
    assert len(kubeflow.runs) == 1


@pytest.mark.parametrize("fault", [Fault(0, after=True), Fault(502, after=True)])
def test_the_answer_of_a_start_is_lost(tmp_path, kubeflow, fault):
    kubeflow.fault = lambda method, path: fault if method == "POST" and path.endswith("/runs") else None
    found = decided(tmp_path, look(store_in(tmp_path), 7))
    assert [run.run_id for run in kubeflow.runs] == [found["started"]["run_id"]]


def test_a_version_that_the_server_does_not_have(tmp_path, kubeflow):
    other = {**TRAINING, "kubeflow": {**TRAINING["kubeflow"], "version": f"{PINNED[:-1]}c"}}
    assert (
        "pipeline gleaner-training-digits has no version gleaner-training-digits-0123456789ac; expected one"
        in mistake(tmp_path, look(store_in(tmp_path), 7), other)
    )


@pytest.mark.parametrize(
    ("training", "where"),
    [
        ({"kubeflow": {"pipelines": "x"}, "parameters": {}}, "training.kubeflow.pipeline"),
        ({"parameters": {}}, "training: Value error, expected either kubeflow or local"),
        ({"local": {"config": "my.yaml"}}, "training.parameters"),
        (
            {"local": {"config": "my.yaml"}, "parameters": {}},
            "training: Value error, expected the form of the training",
        ),
    ],
)
def test_a_wrong_word_on_how_to_train(tmp_path, training, where):
    assert mistake(tmp_path, look(store_in(tmp_path), 7), training).startswith(where)


def test_what_is_no_drift(tmp_path):
    with pytest.raises(BadInputError, match=r"holds no drift.json; expected the output of components.monitor.compare"):
        run("s3://bucket/store/releases/digits", tmp_path, MonitorSettings(), {}, tmp_path / "decision")


def test_on_a_laptop_it_is_said_what_to_run(tmp_path):
    store = store_in(tmp_path)
    found = decided(tmp_path, look(store, 7), LOCAL)
    assert (found["train"], found["started"], found["claim"]) == (True, None, 1)
    assert found["overrides"][0] == "sample.train_budget=40"
    assert found["why"].startswith("training 1, of look 7 and 40 labels, is to be run here. The inputs have changed.")
    assert decided(tmp_path, look(store, 8, alarm=False), LOCAL)["claim"] == 1  # nobody has run it
    claims.record(store.uri, MODEL, 1, {"name": "gleaner run my.yaml"})
    assert decided(tmp_path, look(store, 9, alarm=False), LOCAL)["train"] is False


def test_as_a_pod_runs_it(tmp_path, kubeflow):
    drift = write_drift(tmp_path / "drift", look(store_in(tmp_path), 7))
    words = [
        sys.executable, "-m", "components.monitor.decide", "--release", "s3://bucket/store/releases/digits",
        "--drift", str(drift), "--settings", json.dumps(MonitorSettings(train=True).model_dump(mode="json")),
        "--training", json.dumps(TRAINING), "--decision", str(tmp_path / "decision"),
    ]  # fmt: skip
    ended = subprocess.run(words, capture_output=True, text=True, check=False)
    assert (ended.returncode, ended.stderr) == (0, "")
    assert ended.stdout.startswith("training 1, of look 7 and 40 labels, is started: http")
    assert len(kubeflow.runs) == 1
    ended = subprocess.run([*words, "--train", "maybe"], capture_output=True, text=True, check=False)
    assert ended.returncode == 0  # the JSON goes before single settings


def test_a_description_fits(tmp_path):
    [claim] = [claims.Claim(1, 7, "v", "n", "2026-03-07T06:00:00+00:00", 5, "word " * 100, {})]
    page = "s3://bucket/store/monitor/digits/looks/000007/0123456789abcdef/drift.html"
    told = description(claim, page)
    assert (len(told), told.endswith(f"… {page}")) == (DESCRIPTION, True)


def test_overrides_go_where_the_form_has_them():
    form = {"sample_train_budget": 60, "settings": {"sample": {"test_budget": 40}}}
    made = with_overrides(form, {"sample.train_budget": 90, "sample.candidates_from": "x", "seed": 3})
    assert made == {
        "sample_train_budget": 90,
        "settings": {"sample": {"test_budget": 40, "candidates_from": "x"}, "seed": 3},
    }
    assert form == {"sample_train_budget": 60, "settings": {"sample": {"test_budget": 40}}}


def test_a_real_form_is_still_one():
    form = fill(load_config(ROOT / "pipelines" / "configs" / "rounds.yaml"))
    asked = read(with_overrides(form, {"sample.train_budget": 77, "sample.candidates_from": "s3://bucket/new.parquet"}))
    assert (asked.sample.train_budget, asked.sample.candidates_from) == (77, "s3://bucket/new.parquet")
    before = read(form)
    assert asked.model_copy(update={"sample": before.sample}) == before


def test_a_server_of_many_users(tmp_path, kubeflow, monkeypatch):
    with serve(multi_user=True, tokens={"robot"}) as server:
        server.add_version("gleaner-training-digits", PINNED, "team")
        monkeypatch.setenv("KF_PIPELINES_ENDPOINT", server.url)
        monkeypatch.setenv("KF_PIPELINES_NAMESPACE", "team")
        (tmp_path / "token").write_text("robot")
        monkeypatch.setenv("KF_PIPELINES_SA_TOKEN_PATH", str(tmp_path / "token"))
        decided(tmp_path, look(store_in(tmp_path), 7))
        assert len(server.runs) == 1
