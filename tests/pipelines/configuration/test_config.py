"""Configurations: what is merged over what, and what a person reads who made a mistake."""

import json
from pathlib import Path

import pytest
import yaml
from hypothesis import given, settings
from hypothesis import strategies as st
from pydantic import ValidationError

from components.common.check import keys_of
from components.common.errors import BadInputError
from components.evaluate.rules import DEFAULT
from components.plan.settings import STAGES
from pipelines.configuration import files
from pipelines.configuration.config import RunConfig, load_config, schema, show

CONFIGS = Path(__file__).parents[3] / "pipelines" / "configs"
LEAST = "version: 2\nname: cats\nsource: in\nstore: out\n"


@pytest.fixture
def write(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)

    def write(text: str, name: str = "a.yaml") -> Path:
        Path(name).parent.mkdir(exist_ok=True)
        Path(name).write_text(text, encoding="utf-8")
        return Path(name)

    return write


def mistake(path: Path, *overrides: str) -> str:
    with pytest.raises(BadInputError) as raised:
        load_config(path, list(overrides))
    assert "\n" not in str(raised.value)
    return str(raised.value)


def test_defaults_then_base_then_file_then_overrides(write):
    write(
        LEAST + "seed: 1\nthreads: 1\npretrain: {epochs: 1, batch_size: 8, augment: {crop: 0.1, blur: 0.1}}\n",
        "base/base.yaml",
    )
    write(
        "version: 2\nextends: base.yaml\nthreads: 2\npretrain: {batch_size: 16, augment: {crop: 0.2}}\n",
        "base/middle.yaml",
    )
    path = write("version: 2\nextends: base/middle.yaml\npretrain: {augment: {crop: 0.3}}\n")
    config = load_config(path, ["pretrain.augment.crop=0.4", "name=dogs"])
    assert (config.name, config.seed, config.threads) == ("dogs", 1, 2)
    assert (config.pretrain.epochs, config.pretrain.batch_size, config.pretrain.augment.blur) == (1, 16, 0.1)
    assert config.pretrain.augment.crop == 0.4
    assert config.warmup == RunConfig.model_fields["warmup"].default
    with pytest.raises(ValidationError):
        config.seed = 3  # type: ignore[misc]


def test_values_mean_what_people_mean(write):
    path = write(
        LEAST + "pretrain:\n  learning_rate: 1e-3\nwarmup:\nsample: {label_access: file, labels_file: 2026-11-22}\n"
    )
    config = load_config(
        path,
        [
            "source_version=20261122",
            "evaluate.gates.max_ece=null",
            "release.promote=no",
            "pretrain.augment={crop: 1, blur: .5}",
        ],
    )
    assert config.pretrain.learning_rate == 0.001
    assert config.sample.labels_file == "2026-11-22"
    assert config.source_version == "20261122"
    assert config.evaluate.gates == [*DEFAULT[1:]]
    assert config.release.promote == "approval"
    assert (config.pretrain.augment.crop, config.pretrain.augment.blur) == (1, 0.5)


def test_references_inside_a_configuration(write):
    path = write(
        "version: 2\nname: cats\nsource: data/${name}\nstore: out\n"
        "pretrain: {augment: {blur: 0.5}}\nwarmup: {augment: '${pretrain.augment}'}\n"
    )
    config = load_config(path, ["name=dogs", "warmup.batch_size=${pretrain.batch_size}"])
    assert config.source == "data/dogs"
    assert config.warmup.batch_size == config.pretrain.batch_size  # which only the defaults name
    assert config.warmup.augment.blur == 0.5


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("pretrain:\n  epoch: 5\n", "a.yaml:6: unknown key 'pretrain.epoch'; did you mean 'pretrain.epochs'?"),
        ("epochs: 5\n", "a.yaml:5: unknown key 'epochs'; did you mean 'pretrain.epochs'?"),
        (
            "release:\n  zebra: 5\n",
            "a.yaml:6: unknown key 'release.zebra'; expected one of promote, gitops, registry, sign_key, run, run_key",
        ),
        (
            "pretrain:\n  augment:\n    crops: 1\n",
            "a.yaml:7: unknown key 'pretrain.augment.crops'; did you mean 'pretrain.augment.crop'?",
        ),
        ("pretrain:\n  epochs: many\n", "a.yaml:6: pretrain.epochs: got 'many', expected a valid integer"),
        ("pretrain:\n  epochs: 4.5\n", "a.yaml:6: pretrain.epochs: got 4.5, expected a valid integer"),
        ("pretrain:\n  epochs: yes\n", "a.yaml:6: pretrain.epochs: got True, expected a valid integer"),
        ("pretrain:\n  epochs: '5'\n", "a.yaml:6: pretrain.epochs: got '5', expected a valid integer"),
        ("pretrain:\n  epochs: -1\n", "a.yaml:6: pretrain.epochs: got -1, expected greater than or equal to 0"),
        ("pretrain:\n  learning_rate: .inf\n", "a.yaml:6: pretrain.learning_rate: got inf, expected a finite number"),
        ("pretrain:\n  loader: DALI\n", "a.yaml:6: pretrain.loader: got 'DALI', expected 'auto', 'dali' or 'torch'"),
        ("pretrain: 5\n", "a.yaml:5: pretrain: got 5, expected a section of `key: value` lines"),
        ("pretrain:\n  epochs: {a: 1}\n", "a.yaml:6: pretrain.epochs: got {'a': 1}, expected a valid integer"),
        ("pretrain:\n  epochs: [1]\n", "a.yaml:6: pretrain.epochs: got [1], expected a valid integer"),
        ("pseudolabel:\n  t1: 0.5\n", "a.yaml:5: pseudolabel: t1 (0.5) must not exceed t2 (0.4)"),
        ("seed: 1\nseed: 2\n", "a.yaml:6: key 'seed' stands here a second time; the first is at a.yaml:5"),
        ("pretrain:\n  no: 5\n", "a.yaml:6: key 'no' is not text; quote it"),
        ("pretrain: {<<: {epochs: 5}}\n", "a.yaml:5: merge keys (<<) are not read; use `extends` or ${key}"),
        ("pretrain:\n  epochs: [5\nseed: 1\n", "a.yaml:7: is not YAML: expected ',' or ']', but got ':'"),
        ("pretrain: &a\n  augment: *a\n", "a.yaml:6: nested more than 10 keys deep"),
        ("source_version: ${nobody}\n", "a.yaml:5: source_version: Interpolation key 'nobody' not found"),
        ("source_version: ${source_version}\n", "a.yaml:5: source_version: Recursive interpolation detected"),
        ("source_version: ${name\n", "a.yaml:5: source_version: no viable alternative at input '${name'"),
        (
            "source_version: ${oc.env:HOME}\n",
            "a.yaml:5: source_version: got '${oc.env:HOME}', expected a plain ${key}: a configuration reads "
            "nothing but itself",
        ),
        ("extends: b.yaml\n", "a.yaml:5: extends 'b.yaml': no such file (b.yaml)"),
        ("extends: a.yaml\n", "a.yaml:5: extends goes in a circle: a.yaml -> a.yaml"),
        ("extends: [a]\n", "a.yaml:5: extends: got ['a'], expected the path of one file, relative to ./"),
        ("seed: -1\nthreads: 0\n", "a.yaml:5: seed: got -1, expected greater than or equal to 0 (and 1 more)"),
    ],
)
def test_a_mistake_names_file_and_line(write, text, expected):
    assert mistake(write(LEAST + text)) == expected


@pytest.mark.parametrize(
    ("override", "expected"),
    [
        (
            "pretrain.epoch=5",
            "override 'pretrain.epoch=5': unknown key 'pretrain.epoch'; did you mean 'pretrain.epochs'?",
        ),
        ("pretrain.epochs=x", "override 'pretrain.epochs=x': pretrain.epochs: got 'x', expected a valid integer"),
        (
            "pretrain={epoch: 5}",
            "override 'pretrain={epoch: 5}': unknown key 'pretrain.epoch'; did you mean 'pretrain.epochs'?",
        ),
        ("pretrain.epochs", "override 'pretrain.epochs': expected key=value, such as pretrain.epochs=5"),
        ("pretrain..epochs=5", "override 'pretrain..epochs=5': expected key=value, such as pretrain.epochs=5"),
        ("seed={", "override 'seed={': is not YAML: expected the node content, but found '<stream end>'"),
        (
            "name=Big Cats",
            "override 'name=Big Cats': name: got 'Big Cats', expected text that matches "
            "^[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?$",
        ),
    ],
)
def test_a_mistake_in_an_override_names_it(write, override, expected):
    assert mistake(write(LEAST), override) == expected


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("name: cats\n", "a.yaml: does not say its version; expected a line `version: 2`"),
        (
            "name: cats\nversion: 3\n",
            "a.yaml:2: version 3 is newer than this gleaner, which reads [1, 2]; install a newer gleaner",
        ),
        ("version: one\n", "a.yaml:1: version 'one' is not one that this gleaner reads ([1, 2])"),
        ("version: true\n", "a.yaml:1: version True is not one that this gleaner reads ([1, 2])"),
        ("- a\n- b\n", "a.yaml: expected `key: value` lines at the top"),
        (
            "version: 2\nname: cats\nstore: out\n",
            "a.yaml: lacks 'source'; expected: Folder of images (relative to where gleaner is started), s3:// "
            "prefix, archive or table of URIs",
        ),
        ("", "a.yaml: does not say its version; expected a line `version: 2`"),
    ],
)
def test_a_file_that_is_no_configuration(write, text, expected):
    assert mistake(write(text)) == expected


def test_a_missing_file_and_one_that_is_not_text(write, tmp_path):
    assert (
        mistake(Path("none.yaml"))
        == "none.yaml: no such file; expected a run configuration such as pipelines/configs/mnist.yaml"
    )
    (tmp_path / "b.yaml").write_bytes(b"\xff\xfe")
    assert mistake(Path("b.yaml")).startswith("b.yaml: cannot be read as text: 'utf-8' codec can't decode byte 0xff")
    assert (
        mistake(tmp_path)
        == f"{tmp_path}: cannot be read as text: Is a directory; expected a run configuration such as "
        "pipelines/configs/mnist.yaml"
    )


def test_circles_over_several_files(write):
    write("version: 2\nextends: ../a.yaml\n", "sub/b.yaml")
    assert (
        mistake(write("version: 2\nextends: sub/b.yaml\n"))
        == "sub/b.yaml:2: extends goes in a circle: a.yaml -> b.yaml -> a.yaml"
    )


def test_a_mistake_in_the_base_names_the_base(write):
    write(LEAST + "seed: x\n", "base.yaml")
    assert mistake(write("version: 2\nextends: base.yaml\n")) == "base.yaml:5: seed: got 'x', expected a valid integer"


def test_older_versions_are_migrated(write, monkeypatch):
    def rename(values):
        return {("name" if key == "title" else key): value for key, value in values.items()}

    monkeypatch.setitem(files.MIGRATIONS, 0, rename)
    write("version: 0\ntitle: cats\n", "base.yaml")
    path = write("version: 2\nextends: base.yaml\nsource: in\nstore: out\n")
    assert load_config(path).name == "cats"
    assert (
        mistake(write("version: -1\n", "c.yaml"))
        == "c.yaml:1: version -1 is not one that this gleaner reads ([0, 1, 2])"
    )


RUNS = sorted(path for path in CONFIGS.glob("*.yaml") if path.name != "schedules.yaml")


@pytest.mark.parametrize("path", RUNS, ids=lambda path: path.name)
def test_our_own_configurations(path, tmp_path):
    config = load_config(path)
    shown = tmp_path / "shown.yaml"
    shown.write_text(show(config), encoding="utf-8")
    assert load_config(shown) == config
    lines = path.read_text(encoding="utf-8").splitlines()
    assert lines[0] == "# yaml-language-server: $schema=schema.json"
    given_keys = set(yaml.safe_load(path.read_text(encoding="utf-8"))) - {"version", "extends"}
    assert given_keys <= {key[0] for key in keys_of(RunConfig)}


def test_schema_describes_every_key():
    about = json.loads(schema())
    assert about["required"] == ["version"]
    assert {*STAGES, "extends", "name"} <= about["properties"].keys()
    assert about["$defs"]["PretrainSettings"]["properties"]["epochs"]["description"].startswith(
        "Passes over the train split"
    )
    assert about["$defs"]["PretrainSettings"]["additionalProperties"] is False


@settings(deadline=None)
@given(st.text(st.sampled_from("ab:=.{}[]$&*!|>'\"\\-#, \n\t0e"), max_size=30))
def test_no_text_is_a_traceback(text):
    for attempt in (lambda: files.read_override(text), lambda: files._parse(text, "a.yaml")):
        try:
            attempt()
        except BadInputError as error:
            assert "\n" not in str(error)  # noqa: PT017
