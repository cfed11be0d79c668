"""The grammar of gates: what is understood, what is refused and with which words, and settings of version 1."""

from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pydantic import ValidationError

from components.evaluate.rules import DEFAULT, METRICS, Rule, changed, parse
from components.evaluate.settings import EvaluateSettings
from components.release.settings import ReleaseSettings

ROOT = Path(__file__).parents[2]


@pytest.mark.parametrize(
    ("text", "rule"),
    [
        ("accuracy >= 0.9", ("accuracy", "", ">=", 0.9, "", None)),
        ("accuracy>=90%", ("accuracy", "", ">=", 0.9, "", None)),
        ("  ece  <=  3 % ", ("ece", "", "<=", 0.03, "", None)),
        ("recall[rare] >= 0.8", ("recall", "rare", ">=", 0.8, "", None)),
        ("recall[a [b]] > .8", ("recall", "a [b]", ">", 0.8, "", None)),
        ("precision[great tit] > 99.5 %", ("precision", "great tit", ">", 0.995, "", None)),
        ("accuracy[folder=scans] >= 1", ("accuracy", "folder=scans", ">=", 1.0, "", None)),
        ("forgotten[folder=a>=b] <= 1 %", ("forgotten", "folder=a>=b", "<=", 0.01, "", None)),
        ("latency_ms_p95 < 2e1", ("latency_ms_p95", "", "<", 20.0, "", None)),
        ("int8_drop <= -0.5 %", ("int8_drop", "", "<=", -0.005, "", None)),
        ("images >= 200", ("images", "", ">=", 200.0, "", None)),
        ("accuracy not below warmup", ("accuracy", "", "not below", 0.0, "warmup", None)),
        ("accuracy not below champion at 95 %", ("accuracy", "", "not below", 0.0, "champion", 0.95)),
        (
            "accuracy not  below champion by more than 0.5 points at 99%",
            ("accuracy", "", "not below", 0.005, "champion", 0.99),
        ),
        (
            "recall[rare] not below champion by more than 1 point",
            ("recall", "rare", "not below", 0.01, "champion", None),
        ),
        ("ece not above warmup by more than 0.7 %", ("ece", "", "not above", 0.007, "warmup", None)),
    ],
)
def test_what_is_understood(text, rule):
    assert parse(text) == Rule(" ".join(text.split()), *rule)


@pytest.mark.parametrize(
    ("text", "line"),
    [
        ("acuracy >= 0.9", "unknown metric 'acuracy'; did you mean 'accuracy'?"),
        ("zebra >= 0.9", "unknown metric 'zebra'; expected one of accuracy, macro_f1, recall,"),
        ("accuracy", "is no gate; expected one such as `accuracy >= 0.9` or `accuracy not below champion"),
        ("accuracy = 0.9", "is no gate"),
        ("accuracy > = 0.9", "is no gate"),
        ("accuracy >= many", "is no gate"),
        ("", "is no gate"),
        ("accuracy >= 90", "accuracy is a share; expected 0 to 1, or a percentage such as 90 %"),
        ("accuracy >= -1 %", "accuracy is a share"),
        ("nll <= -1", "nll is never negative"),
        ("nll <= 5 %", "nll is a plain number; expected it without %"),
        ("latency_ms_p95 <= 5 %", "latency_ms_p95 is milliseconds; expected it without %"),
        ("recall >= 0.9", "recall is that of one class; expected it named, such as recall[rare]"),
        ("recall[ ] >= 0.9", "nothing stands in the brackets"),
        ("ece[rare] <= 0.1", "ece is known of the whole test split alone; expected it without [rare]"),
        ("accuracy not below champoin", "unknown model 'champoin'; did you mean 'champion'?"),
        ("accuracy not above champion", "expected `accuracy not below champion`, since that is the worse side"),
        ("ece not below champion", "expected `ece not above champion`"),
        ("nll not above champion", "nll is not compared with another model; accuracy, recall, ece are"),
        ("accuracy not below champion by more than 0.5", "expected the difference in points, such as"),
        ("accuracy not below champion by more than 101 points", "expected 0 to 100 points"),
        ("accuracy not below champion at 100 %", "expected a confidence of 50 to under 100 %"),
        ("ece not above champion at 95 %", "no interval of ece is known; expected it without `at 95 %`"),
    ],
)
def test_what_is_refused_is_told_in_a_line(text, line):
    with pytest.raises(ValueError) as told:  # noqa: PT011
        parse(text)
    assert line in str(told.value)
    assert str(told.value).startswith(repr(text))
    assert "\n" not in str(told.value)


def test_every_metric_can_be_said_and_the_readme_lists_it():
    readme = (ROOT / "README.md").read_text(encoding="utf-8")
    for name, metric in METRICS.items():
        where = "" if "whole" in metric.where else "[rare]"
        assert parse(f"{name}{where} >= 1").metric == name
        assert f"`{name}" in readme, name


@settings(deadline=None)
@given(st.text(st.sampled_from("acuryce[]<>=% .0159notbelwhampi"), max_size=40))
def test_any_text_is_a_gate_or_a_line(text):
    try:
        assert parse(text).text == " ".join(text.split())
    except ValueError as error:
        assert "\n" not in str(error)  # noqa: PT017


@pytest.mark.parametrize(
    ("old", "rules"),
    [
        ({}, [*DEFAULT]),
        ({"min_accuracy": 0.9}, ["accuracy >= 0.9", *DEFAULT]),
        ({"min_accuracy": None}, [*DEFAULT]),
        ({"max_ece": 0.07}, ["ece <= 0.07", *DEFAULT[1:]]),
        ({"max_ece": None}, [*DEFAULT[1:]]),
        ({"max_ece": "null", "max_drop": "null"}, [DEFAULT[2]]),
        ({"max_drop": 0.0}, [*DEFAULT]),
        ({"max_drop": 0.07}, [DEFAULT[0], "accuracy not below warmup by more than 7 points", DEFAULT[2]]),
        ({"max_drop": 1}, [DEFAULT[0], "accuracy not below warmup by more than 100 points", DEFAULT[2]]),
        ({"max_drop": 1e-05}, [DEFAULT[0], "accuracy not below warmup by more than 0.001 points", DEFAULT[2]]),
    ],
)
def test_settings_of_version_1_change_the_gates(old, rules):
    assert changed(DEFAULT, old) == rules
    assert EvaluateSettings.model_validate({"gates": old}).gates == rules
    assert changed(rules, old) == rules


def test_a_figure_of_version_1_is_the_same_to_the_bit():
    for share in (0.07, 0.29, 1 / 3, 1e-7):
        rules = changed([], dict.fromkeys(("min_accuracy", "max_ece", "max_drop"), share))
        assert [parse(text).value for text in rules] == [share] * 3


@pytest.mark.parametrize(
    ("old", "line"),
    [
        ({"min_acuracy": 0.9}, "unknown key 'min_acuracy'; did you mean 'min_accuracy'?"),
        ({"min_accuracy": 90}, "min_accuracy: got 90, expected less than or equal to 1"),
        ({"max_ece": -0.1}, "max_ece: got -0.1, expected greater than or equal to 0"),
        ({"max_ece": True}, "max_ece: got True, expected a valid number"),
        ({"max_ece": "0.1"}, "max_ece: got '0.1', expected a valid number"),
    ],
)
def test_a_mistake_in_settings_of_version_1(old, line):
    with pytest.raises(ValueError) as told:  # noqa: PT011
        changed(DEFAULT, old)
    assert str(told.value) == line


@pytest.mark.parametrize(
    ("said", "meant"),
    [(True, "auto"), (False, "approval"), ("yes", "auto"), ("no", "approval"), ("auto", "auto"), ("false", "approval")],
)
def test_promotion_of_version_1_was_a_yes_or_no(said, meant):
    assert ReleaseSettings.model_validate({"promote": said}).promote == meant


@pytest.mark.parametrize("said", ["maybe", 2, None, ["yes"]])
def test_promotion_is_nothing_else(said):
    with pytest.raises(ValidationError):
        ReleaseSettings.model_validate({"promote": said})
