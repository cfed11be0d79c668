"""Each kind of gate at its limit, beyond it, without its figure, and the decision that follows."""

from typing import Any

import numpy as np
import pytest

from components.evaluate.gates import decision, judge
from components.evaluate.measures.paired import difference_interval
from components.evaluate.rules import DEFAULT
from components.evaluate.sought import UNMEASURED, Answers

IMAGES = 400


def pair(mended: int, made: int, images: int = IMAGES, **more: Any) -> dict[str, Any]:
    """How the model stands to another, as metrics.json has it under `against`."""
    low, high = difference_interval(mended, made, images, 0)
    return {
        "version": "v7",
        "images": images,
        "mended": mended,
        "made": made,
        "difference": (mended - made) / images,
        "low": low,
        "high": high,
        "level": 0.95,
        "ece_here": 0.03,
        "ece_there": 0.02,
        "why": "compared on all test images",
        **more,
    }


def measured(**more: Any) -> dict[str, Any]:
    """A metrics.json."""
    return {
        "images": IMAGES,
        "accuracy": 0.96,
        "macro_f1": 0.95,
        "ece_after": 0.05,
        "nll": 0.2,
        "brier": 0.1,
        "per_class": [
            {"class": "cat", "precision": 0.9, "recall": 0.8, "f1": 0.85, "support": 30},
            {"class": "emu", "precision": None, "recall": 0.0, "f1": 0.0, "support": 4},
            {"class": "yak", "precision": 0.0, "recall": None, "f1": 0.0, "support": 0},
        ],
        "against": {"warmup": pair(12, 4), "champion": None},
        **more,
    }


def judged(rule: str, about: dict[str, Any] | None = None, **more: Any) -> dict[str, Any]:
    (row,) = judge([rule], about or measured(), **more)
    return row


@pytest.mark.parametrize(
    ("rule", "passed", "shown", "why"),
    [
        ("accuracy >= 0.96", True, "96.00 %", "the test accuracy is 96.00 %, and at least 96.00 % is demanded"),
        ("accuracy > 96 %", False, "96.00 %", "the test accuracy is 96.00 %, and more than 96.00 % is demanded"),
        (
            "ece <= 0.05",
            True,
            "5.00 %",
            "the calibration error on the test split is 5.00 %, and at most 5.00 % is allowed",
        ),
        ("ece < 5 %", False, "5.00 %", "less than 5.00 % is allowed"),
        ("nll <= 0.19", False, "0.2", "the negative log-likelihood of the test labels is 0.2, and at most 0.19 is"),
        ("images >= 400", True, "400", "the number of test images is 400, and at least 400 is demanded"),
        ("recall[cat] >= 0.8", True, "80.00 %", "the recall of the class 'cat' (30 test images) is 80.00 %"),
        ("accuracy[cat] >= 0.81", False, "80.00 %", "the test accuracy of the class 'cat' (30 test images) is 80.00 %"),
        ("f1[cat] >= 0.85", True, "85.00 %", "the F1 of the class 'cat'"),
        ("images[emu] >= 5", False, "4", "the number of test images of the class 'emu' (4 test images) is 4"),
    ],
)
def test_a_figure_against_its_limit(rule, passed, shown, why):
    row = judged(rule)
    assert (row["passed"], row["shown"], row["rule"], row["against"]) == (passed, shown, rule, "")
    assert why in row["why"]


@pytest.mark.parametrize(
    ("rule", "why"),
    [
        ("recall[caat] >= 0.8", "there is no class 'caat'; did you mean 'cat'?"),
        ("recall[zzz] >= 0.8", "there is no class 'zzz'; there are 'cat', 'emu', 'yak'"),
        ("precision[emu] >= 0.8", "the class 'emu' was never predicted"),
        ("recall[yak] >= 0.8", "the class 'yak' has no test image"),
        ("recall[folder=a] >= 0.8", "there is no class 'folder=a'"),
        ("accuracy[folder=a] >= 0.8", "there is no kind of slice 'folder'; there is none"),
        ("int8_drop <= 1 %", "no model of 8-bit weights was made: evaluate.int8_max_drop is null"),
        ("agreement >= 0.9", "no second opinion was asked for"),
        ("latency_ms_p95 <= 20", "the latency was not measured"),
        ("aurc <= 0.1", "metrics.json has no risk_coverage.aurc"),
        ("coverage >= 0.9", "too few labels"),
    ],
)
def test_without_its_figure_a_gate_fails_and_says_why(rule, why):
    thresholds = {"conformal": {"coverage_test": None, "why": "too few labels"}}
    row = judged(rule, measured(thresholds=thresholds))
    assert (row["figure"], row["passed"], row["shown"]) == (None, False, "no figure")
    assert why in row["why"]


@pytest.mark.parametrize(
    ("rule", "about", "figure"),
    [
        ("forgotten <= 1 %", {"against": {"champion": pair(0, 0)}, "forgotten": {"share": 0.01}}, 0.01),
        ("aurc <= 0.1", {"risk_coverage": {"aurc": 0.05}}, 0.05),
        ("sure_precision >= 0.9", {"thresholds": {"precision": {"precision_test": 0.99}}}, 0.99),
        ("abstained <= 0.9", {"thresholds": {"precision": {"abstained_test": 0.12}}}, 0.12),
        ("set_size <= 9", {"thresholds": {"conformal": {"mean_size": 1.2}}}, 1.2),
        (
            "int8_drop <= 0.9",
            {"onnx": {"int8": {"drop": 0.002}, "max_difference": 0.0, "tolerance": 1, "images": 1}},
            0.002,
        ),
        ("agreement <= 0.9", {"precise": {"agreement": 0.85}}, 0.85),
    ],
)
def test_where_other_figures_are_found(rule, about, figure):
    row = judge([rule], measured(**about))[0]
    assert (row["figure"], row["passed"]) == (figure, True)


def test_the_latency_is_measured_only_where_a_gate_names_it():
    asked = []

    def timing() -> dict[str, float]:
        asked.append(1)
        return {"ms_p50": 3.0, "ms_p95": 18.24}

    judge(DEFAULT, measured(), timing=timing)
    assert not asked
    rows = judge(["latency_ms_p95 <= 18", "latency_ms_p50 <= 3"], measured(), timing=timing)
    assert [(row["passed"], row["shown"]) for row in rows] == [(False, "18.2 ms"), (True, "3.0 ms")]
    assert len(asked) == 1


@pytest.mark.parametrize(
    ("mended", "made", "plain", "significant"),
    [(4, 4, True, True), (5, 4, True, True), (4, 5, False, True), (0, 12, False, False), (12, 0, True, True)],
)
def test_significantly_worse_is_a_whole_interval_below(mended, made, plain, significant):
    about = measured(against={"champion": pair(mended, made)})
    row = judged("accuracy not below champion", about)
    assert (row["passed"], row["figure"], row["limit"]) == (plain, (mended - made) / IMAGES, 0)
    row = judged("accuracy not below champion at 95 %", about)
    known = about["against"]["champion"]
    assert (row["passed"], row["low"], row["high"]) == (significant, known["low"], known["high"])
    assert row["against"] == "champion"
    assert "champion v7" in row["why"]
    assert row["why"].endswith(": not significantly worse" if significant else ": significantly worse")


def test_a_margin_and_a_level_move_what_is_allowed():
    about = measured(against={"champion": pair(0, 12)})  # 3 points below, some 1.2 to 4.8
    assert not judged("accuracy not below champion by more than 2.9 points", about)["passed"]
    assert judged("accuracy not below champion by more than 3 points", about)["passed"]
    assert not judged("accuracy not below champion by more than 0.5 points at 95 %", about)["passed"]
    assert judged("accuracy not below champion by more than 2 points at 95 %", about)["passed"]
    sure, bold = (judged(f"accuracy not below champion at {level} %", about) for level in (99, 80))
    assert sure["low"] < bold["low"] < bold["high"] < sure["high"]


def test_a_calibration_error_is_compared_by_its_figure():
    assert not judged("ece not above warmup")["passed"]
    assert judged("ece not above warmup by more than 1 point")["passed"]


def answers() -> Answers:
    """200 cats, which the champion knew all and the model half; 200 emus, the other way round. Every tenth image was
    seen by the champion, which is not compared there; folder `b` has the last hundred.
    """
    label = np.array(["cat"] * 200 + ["emu"] * 200, dtype=object)
    half = np.arange(400) % 2 == 0
    predicted = np.where((label == "cat") & half, "emu", label)
    champion = np.where((label == "emu") & half, "cat", label).astype(object)
    champion[::10] = None
    folder = np.array(["a"] * 300 + ["b"] * 100, dtype=object)
    return Answers(label, predicted.astype(object), {"champion": champion}, {"folder": folder})


@pytest.mark.parametrize(
    ("rule", "passed", "figure"),
    [
        ("accuracy[folder=b] >= 1", True, 1.0),
        ("accuracy[folder=a] >= 0.7", False, 2 / 3),
        ("images[folder=b] >= 100", True, 100),
        ("recall[cat] not below champion at 95 %", False, -80 / 180),
        ("accuracy[cat] not below champion by more than 50 points", True, -80 / 180),
        ("recall[emu] not below champion at 95 %", True, 80 / 180),
        ("accuracy[folder=b] not below champion at 99 %", True, 40 / 90),
        ("forgotten[cat] <= 40 %", False, 80 / 180),
        ("forgotten[folder=b] <= 0", True, 0),
    ],
)
def test_classes_and_slices_are_judged_on_the_answers(rule, passed, figure):
    about = measured(against={"champion": pair(80, 80, 360)}, forgotten={"share": 0.3})
    row = judged(rule, about, answers=answers())
    assert row["passed"] is passed
    assert row["figure"] == pytest.approx(figure)
    assert row["images"] in (90, 100, 180, 300)


@pytest.mark.parametrize(
    ("rule", "why"),
    [
        ("accuracy[folder=c] >= 1", "no test image has folder=c; there are 'a', 'b'"),
        ("accuracy[foldr=a] >= 1", "there is no kind of slice 'foldr'; did you mean 'folder'?"),
        ("accuracy[folder=a] not below warmup", "the answers of the warm-up model are not known"),
        ("recall[yak] not below champion", "no test image of the class 'yak' is compared with the champion v7"),
    ],
)
def test_a_slice_that_is_not_there(rule, why):
    about = measured(against={"champion": pair(80, 80, 360), "warmup": pair(1, 1)})
    row = judged(rule, about, answers=answers())
    assert not row["passed"]
    assert why in row["why"]


def test_without_a_champion_its_gates_pass_and_say_so():
    for rule in ("accuracy not below champion at 95 %", "recall[cat] not below champion", "forgotten <= 1 %"):
        row = judged(rule)
        assert (row["passed"], row["figure"], row["shown"]) == (True, None, "no champion yet")


def test_a_champion_that_cannot_be_compared_fails_its_gate():
    about = measured(against={"champion": {**pair(0, 0), "images": 0, "why": "it learned from all of them"}})
    row = judged("accuracy not below champion at 95 %", about)
    assert not row["passed"]
    assert row["why"] == "not compared with the champion v7: it learned from all of them"


def test_without_test_labels_every_gate_fails_and_says_why():
    rows = judge(["accuracy >= 0.5", *DEFAULT], {"images": 0, "against": {"warmup": None, "champion": None}})
    assert [row["name"] for row in rows] == ["accuracy", "ece", "accuracy against warmup", "accuracy against champion"]
    assert all(row["figure"] is None and not row["passed"] and row["why"] == UNMEASURED for row in rows)
    assert judge([], {"images": 0}) == []


@pytest.mark.parametrize(("difference", "passed"), [(1e-6, True), (1e-4, True), (2e-4, False)])
def test_a_model_file_that_answers_otherwise_is_a_gate_of_its_own(difference, passed):
    onnx = {"images": 200, "max_difference": difference, "tolerance": 1e-4, "int8": None}
    (row,) = judge([], measured(onnx=onnx))
    assert (row["name"], row["passed"]) == ("onnx", passed)
    assert row["why"].endswith("and at most 0.0001 is allowed, over 200 test images")


def test_a_model_file_whose_answers_are_no_numbers_fails():
    onnx = {"images": 200, "max_difference": None, "tolerance": 1e-4, "int8": None}
    (row,) = judge([], measured(onnx=onnx))
    assert (row["name"], row["passed"]) == ("onnx", False)
    assert "its answers are no numbers" in row["why"]


def test_the_decision_says_why_and_against_what():
    about = measured(against={"warmup": pair(12, 4), "champion": pair(12, 4, why="2.0 points above the champion v7")})
    told = decision(judge(DEFAULT, about), about)
    assert told == {
        "ship": True,
        "title": "Ship, all 3 gates passed",
        "why": "2.0 points above the champion v7",
        "against": "the champion v7",
    }
    told = decision(judge(["accuracy >= 0.99", *DEFAULT], about), about)
    assert (told["ship"], told["title"]) == (False, "Do not ship, 1 of 4 gates failed")
    assert told["why"].startswith("accuracy >= 0.99: the test accuracy is 96.00 %")
    alone = measured(against={"warmup": None, "champion": None})
    told = decision([], alone)
    assert (told["title"], told["why"]) == ("Ship, no gate is set", "right on 96.0 % of 400 test images")
    assert "no champion yet" in told["against"]
