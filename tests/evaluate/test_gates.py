"""Each gate at its limit, beyond it, switched off, and with nothing measured."""

import pytest

from components.evaluate.gates import UNMEASURED, judge
from components.evaluate.settings import Gates

MEASURED = {"accuracy": 0.96, "warmup_accuracy": 0.95, "ece_after": 0.02}


def test_a_figure_at_its_limit_passes_and_one_beyond_fails():
    for limit, passed in ((0.96, True), (0.9601, False)):
        gate = judge(Gates(min_accuracy=limit, max_ece=None, max_drop=None), MEASURED)
        assert [(g["name"], g["passed"], g["relation"]) for g in gate] == [("min_accuracy", passed, ">=")]
    for limit, passed in ((0.02, True), (0.0199, False)):
        assert judge(Gates(max_ece=limit, max_drop=None), MEASURED)[0]["passed"] is passed


def test_equal_accuracies_are_no_drop():
    for accuracy in (479 / 498, 0.1 + 0.2, 1.0):
        gate = judge(Gates(max_ece=None), {**MEASURED, "accuracy": accuracy, "warmup_accuracy": accuracy})[0]
        assert (gate["figure"], gate["passed"]) == (0, True)
    gate = judge(Gates(max_ece=None), {**MEASURED, "warmup_accuracy": 0.962})[0]
    assert gate["figure"] == pytest.approx(0.002)
    assert not gate["passed"]
    assert "0.20 points below the warm-up model" in gate["why"]


def test_without_test_labels_every_gate_fails_and_says_why():
    gates = judge(Gates(min_accuracy=0.5), {"images": 0})
    assert [gate["name"] for gate in gates] == ["min_accuracy", "max_ece", "max_drop"]
    assert all(gate["figure"] is None and not gate["passed"] and gate["why"] == UNMEASURED for gate in gates)
    assert judge(Gates(max_ece=None, max_drop=None), {"images": 0}) == []
