"""Gates in configurations: of version 1 and 2 in one chain, in overrides, and mistakes where they stand."""

import pytest
import yaml

from components.evaluate.rules import DEFAULT
from pipelines.configuration.config import load_config, show
from tests.pipelines.configuration.test_config import LEAST, mistake
from tests.pipelines.configuration.test_config import write as write_file

write = write_file  # a fixture
MARGIN = "accuracy not below warmup by more than 1 points"


@pytest.mark.parametrize(
    ("layers", "gates"),
    [
        (["1 {min_accuracy: 0.9}"], ["accuracy >= 0.9", *DEFAULT]),
        (["1 {min_accuracy: 0.9}", "1 {max_ece: 0.05}"], ["accuracy >= 0.9", "ece <= 0.05", *DEFAULT[1:]]),
        (["1 {min_accuracy: 0.9}", "1 {min_accuracy: null}"], [*DEFAULT]),
        (["1 {min_accuracy: 0.9}", "2 [images >= 9]"], ["images >= 9"]),
        (["2 [images >= 9, ece <= 5 %]", "1 {max_ece: null, max_drop: 0.01}"], [MARGIN, "images >= 9"]),
        (["2 [images >= 9]", "2 []"], []),
        (["1 {max_ece: null}", "2"], [*DEFAULT[1:]]),
        (["2", "1 {max_ece: null}", "1"], [*DEFAULT[1:]]),
    ],
)
def test_gates_of_version_1_in_a_chain_with_those_of_version_2(write, layers, gates):
    for number, layer in enumerate(layers):
        version, _, said = layer.partition(" ")
        text = LEAST.replace("version: 2", f"version: {version}")
        text += f"extends: {number - 1}.yaml\n" if number else ""
        path = write(text + (f"evaluate: {{gates: {said}}}\n" if said else ""), f"{number}.yaml")
    config = load_config(path)
    assert config.evaluate.gates == gates
    assert yaml.safe_load(show(config))["version"] == 2
    assert load_config(path, ["evaluate.gates={max_ece: 0.02}"]).evaluate.gates.count("ece <= 0.02") == 1


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        (
            "evaluate:\n  gates:\n    min_accuracy: 90\n",
            "a.yaml:7: evaluate.gates: min_accuracy: got 90, expected less than or equal to 1",
        ),
        (
            "evaluate:\n  gates: {min_acuracy: 0.9}\n",
            "a.yaml:6: evaluate.gates: unknown key 'min_acuracy'; did you mean 'min_accuracy'?",
        ),
        (
            "evaluate:\n  gates:\n    - accuracy >= 0.9\n    - acuracy >= 0.9\n",
            "a.yaml:8: evaluate.gates: 'acuracy >= 0.9': unknown metric 'acuracy'; did you mean 'accuracy'?",
        ),
        ("evaluate:\n  gates: [ece <= 0.1,\n 5]\n", "a.yaml:7: evaluate.gates: got 5, expected text"),
        (
            "evaluate:\n  gates: accuracy >= 1\n",
            "a.yaml:6: evaluate.gates: got 'accuracy >= 1', expected a list of gates such as `accuracy >= 0.9` or "
            "`accuracy not below champion by more than 0.5 points at 95 %`",
        ),
        (
            "evaluate:\n  gates:\n",
            "a.yaml:6: evaluate.gates: got None, expected a list of gates such as `accuracy >= 0.9` or "
            "`accuracy not below champion by more than 0.5 points at 95 %`",
        ),
        (
            "evaluate:\n  gates: ['ece <= ${seed}', 'accuracy >= ${threads}']\n",
            "a.yaml:6: evaluate.gates.1: 'accuracy >= 2': accuracy is a share; expected 0 to 1, or a percentage such "
            "as 90 %",
        ),
        (
            "evaluate:\n  gates:\n    - accuracy >= ${oc.env:HOME}\n",
            "a.yaml:7: evaluate.gates.0: got 'accuracy >= ${oc.env:HOME}', expected a plain ${key}: a configuration "
            "reads nothing but itself",
        ),
        ("evaluate: &a\n  gates: [*a]\n", "a.yaml:5: nested more than 10 keys deep"),
    ],
)
def test_a_mistake_names_file_and_line(write, text, expected):
    assert mistake(write(LEAST + text)) == expected
