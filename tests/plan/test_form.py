"""The form of Kubeflow's UI: what a configuration fills in comes back as it went, and what a person changes counts."""

import json
from typing import Any

import pytest
from google.protobuf import json_format, struct_pb2

from components.common.errors import BadInputError
from components.evaluate.rules import DEFAULT
from components.plan.form import FIELDS, choices, fill, read
from components.plan.settings import RunSettings
from pipelines.compiling.variants import CONFIGS
from pipelines.configuration.config import load_config

RUN = RunSettings(name="digits", source="s3://b/images", store="s3://b/store")
CHANGED: dict[str, Any] = {
    "name": "birds",
    "source": "s3://b/birds",
    "store": "s3://b/other",
    "pretrain_epochs": 7,
    "sample_strategy": "random",
    "sample_train_budget": 12,
    "sample_label_access": "file",
    "sample_labels_file": "s3://b/labels.csv",
    "release_promote": "approval",
}


def through_kubeflow(form: dict[str, Any]) -> dict[str, Any]:
    """As parameters travel: as protobuf values, in which every number has a point."""
    return json_format.MessageToDict(json_format.ParseDict(form, struct_pb2.Struct()))


def settings_of(form: dict[str, Any], **settings: Any) -> dict[str, Any]:
    return {**form, "settings": settings}


@pytest.mark.parametrize("path", sorted(CONFIGS.glob("*[!s].yaml")), ids=lambda path: path.stem)
@pytest.mark.parametrize(
    "overrides",
    [
        [],
        [
            "seed=3",
            "threads=1",
            "evaluate.gates=[images >= 9, 'recall[a] not below champion at 95 %']",
            "release.promote=approval",
        ],
        ["sample.label_access=file", "sample.labels_file=here.csv", "pretrain.augment={crop: 1, blur: .5}"],
    ],
)
def test_a_configuration_comes_back_as_it_went(path, overrides):
    config = load_config(path, overrides)
    form = fill(config)
    run = {name: getattr(config, name) for name in RunSettings.model_fields}
    assert read(form) == read(through_kubeflow(form)) == RunSettings(**run)
    assert None not in form["settings"].values()
    assert json.loads(json.dumps(form)) == form


def test_only_what_differs_is_told():
    assert fill(RUN)["settings"] == {}
    run = RunSettings.model_validate({**RUN.model_dump(), "seed": 2, "evaluate": {"gates": ["ece <= 0.2"]}})
    assert fill(run)["settings"] == {"seed": 2, "evaluate": {"gates": ["ece <= 0.2"]}}


@pytest.mark.parametrize(
    ("gates", "meant"),
    [({"min_accuracy": 0.9}, ["accuracy >= 0.9", *DEFAULT]), ({"max_ece": "null", "max_drop": 0}, [*DEFAULT[1:]])],
)
def test_a_clone_of_a_run_of_version_1_is_understood(gates, meant):
    """Kubeflow keeps the parameters that a run was started with, and its UI clones them."""
    form = through_kubeflow({**fill(RUN), "settings": {"evaluate": {"gates": gates}}})
    for word, promote in (("yes", "auto"), ("no", "approval"), ("true", "auto"), (False, "approval")):
        run = read({**form, "release_promote": word})
        assert run.evaluate.gates == meant
        assert run.release.promote == promote


@pytest.mark.parametrize("name", FIELDS)
def test_what_a_person_changes_takes_effect(name):
    """In a clone of a run that `gleaner submit` or a schedule made, with settings of every stage."""
    config = load_config(CONFIGS / "cluster.yaml")
    run = read({**fill(config), "sample_label_access": "file", name: CHANGED[name]})
    value: Any = run
    for key in FIELDS[name]:
        value = getattr(value, key)
    assert value == {"no": False}.get(CHANGED[name], CHANGED[name])
    assert value != RUN.model_dump()[name] if len(FIELDS[name]) == 1 else True


def test_choices_are_those_of_the_settings():
    assert choices("sample_label_access") == ("oracle", "source", "file", "store")
    assert choices("release_promote") == ("auto", "approval")
    assert [choices(name) for name in ("name", "pretrain_epochs", "settings")] == [(), (), ()]
    for name in FIELDS:
        for word in choices(name):
            read({**fill(RUN), name: word})


@pytest.mark.parametrize(
    ("change", "line"),
    [
        (
            {"sample_strategy": "typiclus"},
            "form: sample.strategy: got 'typiclus', expected 'typiclust', 'random', ",
        ),
        ({"name": "My Birds"}, "form: name: got 'My Birds', expected text that matches ^[a-z0-9]"),
        ({"pretrain_epochs": -1}, "form: pretrain.epochs: got -1, expected "),
        ({"release_promote": "maybe"}, "form: release.promote: got 'maybe', expected 'auto' or 'approval'"),
        ({"settings": []}, 'form: settings: got [], expected a JSON object such as {"seed": 1}'),
        (
            {"settings": {"pretrain": {"epoch": 3}}},
            "form: settings: unknown key 'pretrain.epoch'; did you mean 'pretrain.epochs'?",
        ),
        (
            {"settings": {"pretrain": {"epochs": 3}}},
            "form: settings: pretrain.epochs: got 3, and the field pretrain_epochs says 100; expected it in the field "
            "alone",
        ),
        ({"settings": {"release": {"promote": "auto"}}}, "form: settings: release.promote: got 'auto', and the field"),
        ({"settings": {"store": "s3://c"}}, "form: settings: store: got 's3://c', and the field store says"),
        (
            {"settings": {"pretrain": {"temperature": -1}}},
            "form: settings: pretrain.temperature: got -1, expected greater than 0",
        ),
        ({"settings": {"pretrain": 5}}, "form: settings: pretrain: got 5, expected a section of `key: value` lines"),
        ({"settings": {"resources": {"pretrain": {"cpu": 1}}}}, "form: settings: unknown key 'resources'"),
        (
            {"settings": {"evaluate": {"gates": ["acuracy >= 0.9"]}}},
            "form: settings: evaluate.gates: 'acuracy >= 0.9': unknown metric 'acuracy'; did you mean 'accuracy'?",
        ),
        (
            {"settings": {"evaluate": {"gates": {"min_accuracy": 90}}}},
            "form: settings: evaluate.gates: min_accuracy: got 90, expected less than or equal to 1",
        ),
        (
            {"sample_labels_file": "s3://b/labels.csv"},
            "form: sample: labels_file is read with label_access: file only, and it is 'oracle'",
        ),
    ],
    ids=str,
)
def test_a_mistake_is_one_line_that_names_the_field(change, line):
    with pytest.raises(BadInputError) as told:
        read({**fill(RUN), **change})
    assert str(told.value).startswith(line)
    assert "\n" not in str(told.value)
