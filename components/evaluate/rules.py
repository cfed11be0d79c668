"""Gates in words, such as `recall[rare] >= 0.8`: what may be said, and what it means.

    METRIC[WHERE] >= VALUE          or >, <=, <; a share may be a percentage: `ece <= 3 %`
    METRIC[WHERE] not below OTHER [by more than VALUE points] [at LEVEL %]          OTHER: warmup or champion

WHERE is a class (`recall[rare]`) or a slice of the test split (`accuracy[folder=scans]`). Imports nothing heavy: a
configuration is checked before a pod starts.
"""

import re
from dataclasses import dataclass
from decimal import Decimal
from difflib import get_close_matches
from typing import Any, Literal, NamedTuple

Place = Literal["whole", "class", "slice"]
WHOLE: tuple[Place, ...] = ("whole",)
CLASS: tuple[Place, ...] = ("class",)
ANY: tuple[Place, ...] = ("whole", "class", "slice")


class Metric(NamedTuple):
    """A figure that a gate may name."""

    words: str  # what it is, in a sentence
    unit: Literal["share", "number", "ms", "images"]
    at: tuple[str, ...] = ()  # where it stands in metrics.json, for the whole test split
    where: tuple[Place, ...] = WHOLE  # what it is known of
    compared: Literal["", "below", "above"] = ""  # "not below" or "not above" another model, where that is known


METRICS = {
    "accuracy": Metric("the test accuracy", "share", ("accuracy",), ANY, "below"),
    "macro_f1": Metric("the mean F1 of the classes", "share", ("macro_f1",)),
    "recall": Metric("the recall", "share", (), CLASS, "below"),
    "precision": Metric("the precision", "share", (), CLASS),
    "f1": Metric("the F1", "share", (), CLASS),
    "ece": Metric("the calibration error on the test split", "share", ("ece_after",), WHOLE, "above"),
    "nll": Metric("the negative log-likelihood of the test labels", "number", ("nll",)),
    "brier": Metric("the Brier score", "number", ("brier",)),
    "images": Metric("the number of test images", "images", ("images",), ANY),
    "forgotten": Metric(
        "the share forgotten of what the champion knew", "share", ("forgotten", "share"), ANY
    ),  # right then and wrong now
    "aurc": Metric("the area under the risk-coverage curve", "number", ("risk_coverage", "aurc")),
    "sure_precision": Metric(
        "the precision above the abstention threshold", "share", ("thresholds", "precision", "precision_test")
    ),
    "abstained": Metric(
        "the share of images that goes to a person", "share", ("thresholds", "precision", "abstained_test")
    ),
    "coverage": Metric(
        "the share of conformal sets that hold the true class", "share", ("thresholds", "conformal", "coverage_test")
    ),
    "set_size": Metric("the mean size of a conformal set", "number", ("thresholds", "conformal", "mean_size")),
    "int8_drop": Metric("the accuracy that 8-bit weights lose", "share", ("onnx", "int8", "drop")),
    "onnx_difference": Metric("the largest difference between ONNX and torch", "number", ("onnx", "max_difference")),
    "agreement": Metric("the agreement with the second opinion", "share", ("precise", "agreement")),
    "latency_ms_p50": Metric("the median latency of one image", "ms", ("latency", "ms_p50")),
    "latency_ms_p95": Metric("the 95th percentile of the latency of one image", "ms", ("latency", "ms_p95")),
}
"""Every figure that a gate may name, by name."""
OTHERS = ("warmup", "champion")
DEFAULT = ("ece <= 0.1", "accuracy not below warmup", "accuracy not below champion at 95 %")
"""What a model must reach where a configuration says nothing."""
EXAMPLE = "`accuracy >= 0.9` or `accuracy not below champion by more than 0.5 points at 95 %`"

_NUMBER = r"[-+]?(?:\d+\.?\d*|\.\d+)(?:[eE][-+]?\d+)?"
_HEAD = r"(?P<metric>\w+)\s*(?:\[(?P<where>.*)\])?\s*"
_LIMIT = re.compile(rf"{_HEAD}(?P<relation>>=|<=|>|<)\s*(?P<value>{_NUMBER})\s*(?P<unit>%)?")
_AGAINST = re.compile(
    rf"{_HEAD}(?P<relation>not\s+(?:below|above))\s+(?P<other>\w+)"
    rf"(?:\s+by\s+more\s+than\s+(?P<value>{_NUMBER})\s*(?P<unit>points?|%)?)?(?:\s+at\s+(?P<level>{_NUMBER})\s*%)?"
)


@dataclass(frozen=True)
class Rule:
    """A gate that was understood."""

    text: str
    metric: str
    where: str  # a class or `kind=name` of a slice; empty for the whole test split
    relation: str  # >=, >, <=, <, or `not below` or `not above` the other model
    value: float  # the limit, or by how much it may be worse than the other
    other: str = ""  # warmup or champion
    level: float | None = None  # confidence of "significantly"; None compares the figures

    @property
    def name(self) -> str:
        """What it is about: `recall[rare]`, `accuracy against champion`."""
        what = f"{self.metric}[{self.where}]" if self.where else self.metric
        return f"{what} against {self.other}" if self.other else what


def parse(text: str) -> Rule:
    """The gate that a text says; raises ValueError, in one line, where it is none."""
    text = " ".join(text.split())
    found = _LIMIT.fullmatch(text) or _AGAINST.fullmatch(text)
    if found is None:
        raise ValueError(f"{text!r} is no gate; expected one such as {EXAMPLE}")
    said = found.groupdict()
    metric, where = said["metric"], (said["where"] or "").strip()
    if metric not in METRICS:
        raise ValueError(f"{text!r}: unknown metric {metric!r}; {nearest(metric, METRICS)}")
    _check_where(text, metric, said["where"])
    relation = " ".join(said["relation"].split())
    if "other" not in said:
        return Rule(text, metric, where, relation, _limit(text, metric, said))
    _check_against(text, metric, relation, said["other"])
    level = _level(text, metric, said["level"])
    return Rule(text, metric, where, relation, _margin(text, metric, said), said["other"], level)


def nearest(word: str, known: Any) -> str:
    """What may have been meant by a word that is not known."""
    close = get_close_matches(word, list(known), n=1, cutoff=0.6)
    return f"did you mean {close[0]!r}?" if close else f"expected one of {', '.join(known)}"


def _check_where(text: str, metric: str, where: str | None) -> None:
    allowed = METRICS[metric].where
    if where is None and "whole" not in allowed:
        raise ValueError(f"{text!r}: {metric} is that of one class; expected it named, such as {metric}[rare]")
    if where is not None and not where.strip():
        raise ValueError(f"{text!r}: nothing stands in the brackets; expected a class or a slice such as folder=scans")
    if where is not None and allowed == WHOLE:
        raise ValueError(f"{text!r}: {metric} is known of the whole test split alone; expected it without [{where}]")


def _check_against(text: str, metric: str, relation: str, other: str) -> None:
    side = METRICS[metric].compared
    if not side:
        can = [name for name, known in METRICS.items() if known.compared]
        raise ValueError(f"{text!r}: {metric} is not compared with another model; {', '.join(can)} are")
    if relation != f"not {side}":
        raise ValueError(f"{text!r}: expected `{metric} not {side} {other}`, since that is the worse side")
    if other not in OTHERS:
        raise ValueError(f"{text!r}: unknown model {other!r}; {nearest(other, OTHERS)}")


def _limit(text: str, metric: str, said: dict[str, str]) -> float:
    unit = METRICS[metric].unit
    if said["unit"] and unit != "share":
        known = {"ms": "milliseconds", "images": "a number of images", "number": "a plain number"}[unit]
        raise ValueError(f"{text!r}: {metric} is {known}; expected it without %")
    value = _number(said)
    negative = value < 0 and metric != "int8_drop"
    if unit == "share" and (value > 1 or negative):
        raise ValueError(f"{text!r}: {metric} is a share; expected 0 to 1, or a percentage such as 90 %")
    if negative:
        raise ValueError(f"{text!r}: {metric} is never negative")
    return value


def _margin(text: str, metric: str, said: dict[str, str]) -> float:
    if said["value"] is None:
        return 0.0
    if not said["unit"]:
        raise ValueError(f"{text!r}: expected the difference in points, such as `by more than 0.5 points`")
    value = float(Decimal(said["value"]) / 100)
    if not 0 <= value <= 1:
        raise ValueError(f"{text!r}: expected 0 to 100 points")
    return value


def _level(text: str, metric: str, level: str | None) -> float | None:
    if level is None:
        return None
    if metric == "ece":
        raise ValueError(f"{text!r}: no interval of {metric} is known; expected it without `at {level} %`")
    if not 50 <= float(level) < 100:
        raise ValueError(f"{text!r}: expected a confidence of 50 to under 100 %, such as `at 95 %`")
    return float(Decimal(level) / 100)


def _number(said: dict[str, str]) -> float:
    return float(Decimal(said["value"]) / (100 if said["unit"] else 1))


OLD = ("min_accuracy", "max_ece", "max_drop")
"""Settings of version 1, each a share, or null for no such gate."""


def changed(rules: Any, old: dict[str, Any]) -> list[str]:
    """The gates with those replaced that settings of version 1 speak of: `{min_accuracy: 0.9, max_ece: null}`. Raises
    ValueError for one that is unknown or no share.
    """
    result = list(rules)
    for name, value in old.items():
        if name not in OLD:
            raise ValueError(f"unknown key {name!r}; {nearest(name, OLD)}")
        if value == "null":  # as a parameter of a pipeline says it
            value = None
        if value is not None and (isinstance(value, bool) or not isinstance(value, int | float)):
            raise ValueError(f"{name}: got {value!r}, expected a valid number")
        if value is not None and not 0 <= value <= 1:
            expected = "less than or equal to 1" if value > 1 else "greater than or equal to 0"
            raise ValueError(f"{name}: got {value!r}, expected {expected}")
        places = [place for place, text in enumerate(result) if _speaks_of(name, text)]
        if value is not None:
            result.insert(places[0] if places else 0, _in_words(name, value))
            places = [place + 1 for place in places]
        result = [text for place, text in enumerate(result) if place not in places]
    return result


def _speaks_of(name: str, text: Any) -> bool:
    try:
        rule = parse(text)
    except (ValueError, AttributeError):
        return False  # told where it stands
    if rule.where:
        return False
    shape = (rule.metric, rule.relation[:1], rule.other)
    return shape == {"min_accuracy": ("accuracy", ">", ""), "max_ece": ("ece", "<", "")}.get(
        name, ("accuracy", "n", "warmup")
    )


def _in_words(name: str, value: float) -> str:
    if name == "max_drop":
        points = f"{(Decimal(repr(value)) * 100).normalize():f}"
        return "accuracy not below warmup" + (f" by more than {points} points" if value else "")
    return f"accuracy >= {value!r}" if name == "min_accuracy" else f"ece <= {value!r}"
