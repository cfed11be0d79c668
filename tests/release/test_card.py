"""The model card: every figure is that of metrics.json, in words that hold for any data set."""

import re
from typing import Any

import pytest

from components.release.card import card
from components.release.contents import describe_run, parts_of
from components.release.settings import ReleaseSettings
from tests import tiny

CHAMPION = {
    "version": "c" * 16,
    "images": 61,
    "accuracy_here": 0.8123,
    "accuracy_there": 0.8011,
    "difference": 0.0112,
    "low": -0.0234,
    "high": 0.0457,
    "level": 0.95,
    "only_here": ["new"],
    "only_there": ["old"],
    "why": "…",
}
PRECISION = {
    "wanted": 0.99,
    "threshold": 0.97001,
    "abstained": 0.1234,
    "level": 0.9,
    "images": 77,
    "why": "",
    "precision_test": 0.9876,
    "low": 0.9345,
    "high": 0.9989,
    "abstained_test": 0.1357,
}
CONFORMAL = {
    "coverage": 0.9,
    "quantile": 0.75557,
    "images": 77,
    "why": "",
    "coverage_test": 0.9182,
    "low": 0.8293,
    "high": 0.9694,
    "mean_size": 1.2345,
}


class Made:
    """A card, and what it was made from."""

    def __init__(self, world: tiny.World, done: tiny.Evaluated, **changes: Any) -> None:
        parts = parts_of(world.classifier, done.calibration, done.evaluation)
        self.metrics = {**parts.metrics, **changes}
        self.release = describe_run(parts, "digits", ReleaseSettings())
        self.fitted, self.gate = parts.fitted, parts.gate

    def text(self) -> str:
        return card(self.release, self.metrics, self.fitted, self.gate, ["model.onnx"])

    def section(self, title: str) -> str:
        return self.text().partition(f"## {title}\n")[2].partition("\n## ")[0]


@pytest.fixture
def full(tiny_world, tiny_evaluated) -> Made:
    thresholds = {"precision": PRECISION, "conformal": CONFORMAL}
    forgotten = {"images": 3, "share": 0.0612, "of": 49}
    return Made(tiny_world, tiny_evaluated, thresholds=thresholds, against={"champion": CHAMPION}, forgotten=forgotten)


def percent(share: float) -> str:
    return f"{100 * share:.2f} %"


def test_the_figures_are_those_of_the_metrics(full):
    said, m = full.section("How good it is"), full.metrics
    assert f"On {m['images']} test images" in said
    between = f"{percent(m['accuracy_low'])} to {percent(m['accuracy_high'])}"
    assert f"| accuracy | {percent(m['accuracy'])} | {between} |" in said
    between = f"{percent(m['warmup_accuracy_low'])} to {percent(m['warmup_accuracy_high'])}"
    assert f"| accuracy of the warm-up model | {percent(m['warmup_accuracy'])} | {between} |" in said
    assert f"| macro F1 | {percent(m['macro_f1'])} | |" in said
    assert f"| calibration error, after the temperature | {percent(m['ece_after'])} | |" in said
    assert "champion cccccccccccccccc on 61 of these images: 81.23 % here, 80.11 % there" in said
    assert "+1.12 points (95 % interval -2.34 to +4.57)" in said
    assert "Of 49 that the champion had right, 3 are wrong now (6.12 %)." in said


def test_every_class_has_its_row(full):
    rows = re.findall(r"(?m)^\| (.*) \|$", full.section("By class"))[1:]
    assert len(rows) == len(full.metrics["per_class"])
    for text, row in zip(rows, full.metrics["per_class"], strict=True):
        figures = ["–" if row[key] is None else percent(row[key]) for key in ("recall", "precision", "f1")]
        assert text.split(" | ") == [row["class"], *figures, f"{row['support']:g}"]


def test_thresholds_are_told_in_words_rounded_to_the_side_on_which_they_hold(full):
    said = full.section("How far to trust it")
    assert "A confidence of 0.9701 or above is right 99 times in 100 or more (with a certainty of 90 %)" in said
    assert "12.34 % of the 77 calibration images lie below it and would go to a person" in said
    assert "right in 98.76 % (95 % interval 93.45 % to 99.89 %), and 13.57 % went to a person" in said
    assert "all classes of probability 0.2444 or above holds the true one 90 times in 100" in said
    assert "it did in 91.82 % (95 % interval 82.93 % to 96.94 %), with 1.23 classes on average" in said


def test_thresholds_that_there_are_not_say_why(full):
    nothing = {"threshold": None, "quantile": None, "why": "too few labels"}
    full.metrics["thresholds"] = {"precision": {**PRECISION, **nothing}, "conformal": {**CONFORMAL, **nothing}}
    said = full.section("How far to trust it")
    assert "no threshold above which it is right 99 times in 100: too few labels." in said
    assert "no set of classes that holds the true one 90 times in 100: too few labels." in said


def test_gates_data_and_limits_are_told(full):
    rows = re.findall(r"(?m)^\| (.*) \| (passed|\*\*failed\*\*) \| (.*) \|$", full.section("What was demanded"))
    assert [(verdict == "passed", why) for _, verdict, why in rows] == [
        (gate["passed"], gate["why"]) for gate in full.gate["gates"]
    ]
    data, provenance = full.section("What it learned from"), full.metrics["provenance"]
    assert full.release["digests"]["dataset"] in data
    for split in ("train", "validation", "calibration", "test"):
        counts = [provenance[what]["counts"][split] for what in ("dataset", "labels")]
        assert f"| {split} | {counts[0]} | {counts[1]} |" in data
    limits, onnx = full.section("Limits"), full.metrics["onnx"]
    assert f"at most {onnx['max_difference']:.2g} in a logit, on {onnx['images']} test images" in limits
    assert "new: new, gone: old" in limits
    small = [row["class"] for row in full.metrics["per_class"] if row["support"] < 20]
    assert f"so that their figures say little: {', '.join(small)}." in limits
    full.release["unlabelled_classes"] = ["7"]
    full.metrics["suspects"] = [{}] * 4
    full.metrics["onnx"] = {**onnx, "int8": {"released": True, "accuracy": 0.9012, "drop": 0.0034}}
    assert "It never answers 7:" in full.section("Limits")
    assert "4 labels look wrong" in full.section("Limits")
    assert "has an accuracy of 90.12 %, a loss of +0.34 points" in full.section("Limits")


def test_without_test_labels_nothing_is_claimed(tiny_world, tiny_evaluated):
    nothing = dict.fromkeys(("accuracy", "warmup_accuracy", "macro_f1", "ece_after"))
    made = Made(tiny_world, tiny_evaluated, images=0, per_class=[], thresholds=None, **nothing)
    assert "Not measured: there were no test labels." in made.section("How good it is")
    assert "None" not in made.text()


def test_names_of_classes_are_text_whatever_they_hold(full):
    full.release["classes"] = ["a|b", "<script>", "c*d*"]
    assert r"a\|b, \<script>, c\*d\*." in full.text()


def test_no_number_stands_on_the_card_that_nothing_told(full):
    """All numbers of the sections of figures, against those of their sources in the forms that the card has."""
    told = {f"{sign}{value}" for value in _forms([full.metrics, full.gate, full.release]) for sign in ("", "+", "-")}
    for title in ("How good it is", "By class", "How far to trust it"):
        for number in re.findall(r"[+-]?\d+\.\d+|\b\d+\b", re.sub(r"\b[0-9a-f]{16}\b", "", full.section(title))):
            assert number in told | {"95", "99", "100", "90", "1"}, (title, number)


def _forms(value: Any) -> set[str]:
    if isinstance(value, dict):
        return set().union(*map(_forms, value.values()), *map(_forms, value))
    if isinstance(value, list):
        return set().union(*map(_forms, value))
    if isinstance(value, str):
        return {value}
    if isinstance(value, bool) or not isinstance(value, int | float):
        return set()
    edge = {f"{round(value + 0.00005, 4):.4f}", f"{int((1 - value) * 1e4) / 1e4:.4f}"}
    return {f"{100 * value:.2f}", f"{value:.2f}", f"{value:g}", f"{abs(100 * value):.2f}", f"{value:.4g}", *edge}
