"""Find the figure that a gate is about, in metrics.json or in the answers to the test images."""

from collections.abc import Mapping
from difflib import get_close_matches
from typing import Any, NamedTuple

import numpy as np

from components.evaluate.measures.paired import difference_interval
from components.evaluate.rules import METRICS, Rule

UNMEASURED = "no test labels to measure on: set sample.test_budget, and answer its picks"
UNTIMED = "the latency was not measured"
ABSENT = {
    "int8_drop": "no model of 8-bit weights was made: evaluate.int8_max_drop is null",
    "onnx_difference": "the ONNX file was not made, or its answers are no numbers",
    "agreement": "no second opinion was asked for: pseudolabel.precise and evaluate.precise are off",
    "latency_ms_p50": UNTIMED,
    "latency_ms_p95": UNTIMED,
}
"""Why a figure is missing, where more can be said than that it is."""
LABEL_FREE = {"latency_ms_p50", "latency_ms_p95", "onnx_difference", "images", "agreement"}
COLUMNS = {"accuracy": "recall", "recall": "recall", "precision": "precision", "f1": "f1", "images": "support"}
"""The column of `per_class` in metrics.json."""
LISTED = 12  # names that a reason lists
ROUNDED = 12  # decimals: equal figures must not differ by the last bit


class NoFigureError(Exception):
    """A gate's figure is not known; the message says why."""


class Answers(NamedTuple):
    """Every test image with its label, and what the models said of it: arrays of names, (images,)."""

    label: np.ndarray
    predicted: np.ndarray
    others: Mapping[str, np.ndarray]  # by `warmup` or `champion`; None where that one is not compared
    kinds: Mapping[str, np.ndarray]  # by kind of slice the name of each image's slice, or None


class Figure(NamedTuple):
    """The figure, of what part of the test split in words, and how many images that is where it is a part."""

    value: float
    of: str = ""
    images: int | None = None


class Difference(NamedTuple):
    """The figure here minus that of the other model, and the interval of that where it is known."""

    value: float
    low: float
    high: float
    other: str  # in words
    of: str
    images: int | None


def figure(rule: Rule, about: dict[str, Any], answers: Answers | None) -> Figure:
    """The figure of an absolute gate; raises NoFigureError."""
    if not about["images"] and rule.metric not in LABEL_FREE:
        raise NoFigureError(UNMEASURED)
    if not rule.where:
        return Figure(_whole(rule.metric, about))
    if rule.metric == "forgotten":
        return _forgotten(rule, about, answers)
    if _is_class(rule, about):
        (line,) = (line for line in about["per_class"] if line["class"] == rule.where)
        value, images = line[COLUMNS[rule.metric]], line["support"]
        if value is None:
            why = "was never predicted" if images else "has no test image"
            raise NoFigureError(f"the class {rule.where!r} {why}")
        return Figure(float(value), f" of the class {rule.where!r} ({_counted(images)})", images)
    inside, of = _slice(rule, answers)
    images = int(inside.sum())
    assert answers is not None
    right = float(np.mean(answers.predicted[inside] == answers.label[inside]))
    return Figure(right if rule.metric == "accuracy" else float(images), of, images)


def against(rule: Rule, about: dict[str, Any], answers: Answers | None, seed: int) -> Difference:
    """The difference of a gate that compares with another model, on the images where both are; raises NoFigureError."""
    if not about["images"]:
        raise NoFigureError(UNMEASURED)
    pair = about.get("against", {}).get(rule.other)
    if not pair:
        raise NoFigureError(f"metrics.json compares with no {rule.other} model")
    other = "the warm-up model" if rule.other == "warmup" else f"the champion {pair['version']}"
    if not pair["images"]:
        raise NoFigureError(f"not compared with {other}: {pair['why']}")
    if rule.metric == "ece":
        if pair.get("ece_here") is None or pair.get("ece_there") is None:
            raise NoFigureError(f"the calibration error of {other} is not known")
        change = round(pair["ece_here"] - pair["ece_there"], ROUNDED)
        return Difference(change, change, change, other, "", None)
    if not rule.where:
        mended, made, images, of = pair["mended"], pair["made"], pair["images"], ""
    else:
        both, of = _compared_images(rule, about, answers, other)
        assert answers is not None
        right, there = (said[both] == answers.label[both] for said in (answers.predicted, answers.others[rule.other]))
        mended, made, images = int(np.sum(right & ~there)), int(np.sum(~right & there)), int(both.sum())
    change = round((mended - made) / images, ROUNDED)
    low, high = (
        (pair["low"], pair["high"])
        if not rule.where and rule.level == pair["level"]
        else difference_interval(mended, made, images, seed, rule.level or pair["level"])
    )
    return Difference(change, low, high, other, of, images if rule.where else None)


def _whole(metric: str, about: dict[str, Any]) -> float:
    value: Any = about
    why = ABSENT.get(metric, f"metrics.json has no {'.'.join(METRICS[metric].at)}")
    for key in METRICS[metric].at:
        if not isinstance(value, Mapping) or value.get(key) is None:
            told = value.get("why") if isinstance(value, Mapping) and value is not about else None
            raise NoFigureError(told or why)
        value = value[key]
    return float(value)


def _forgotten(rule: Rule, about: dict[str, Any], answers: Answers | None) -> Figure:
    """Of what the champion got right in a class or a slice, the share that is wrong now; 0 where that is nothing."""
    both, of = _compared_images(rule, about, answers, "the champion")
    assert answers is not None
    right, there = (said[both] == answers.label[both] for said in (answers.predicted, answers.others["champion"]))
    return Figure(float(np.sum(there & ~right) / max(1, there.sum())), of, int(both.sum()))


def _compared_images(rule: Rule, about: dict[str, Any], answers: Answers | None, other: str) -> tuple[np.ndarray, str]:
    """Which images of the class or the slice both models are compared on, boolean (images,), and the part in words."""
    name = rule.other or "champion"
    if answers is None or name not in answers.others:
        raise NoFigureError(f"the answers of {other} are not known")
    if _is_class(rule, about):
        inside, part = answers.label == rule.where, f" of the class {rule.where!r}"
    else:
        inside, part = _slice(rule, answers)
        part = part.rpartition(" (")[0]
    both = inside & np.array([said is not None for said in answers.others[name]], bool)
    if not both.any():
        raise NoFigureError(f"no test image{part} is compared with {other}")
    return both, f"{part} ({_counted(int(both.sum()))})"


def _is_class(rule: Rule, about: dict[str, Any]) -> bool:
    """Whether a gate is on a class; raises NoFigureError where it is on nothing that there is."""
    names = [line["class"] for line in about["per_class"]]
    if rule.where in names:
        return True
    if "=" in rule.where and "slice" in METRICS[rule.metric].where:
        return False
    raise NoFigureError(f"there is no class {rule.where!r}; {_nearest(rule.where, names)}")


def _slice(rule: Rule, answers: Answers | None) -> tuple[np.ndarray, str]:
    """Which images are in the slice, boolean (images,), and the slice in words."""
    by, _, name = (part.strip() for part in rule.where.partition("="))
    kinds = answers.kinds if answers else {}
    if by not in kinds:
        raise NoFigureError(f"there is no kind of slice {by!r}; {_nearest(by, list(kinds))}")
    inside = kinds[by] == name
    if not inside.any():
        there = sorted({str(each) for each in kinds[by] if each is not None})
        raise NoFigureError(f"no test image has {by}={name}; {_nearest(name, there)}")
    return inside, f" where {by} is {name!r} ({_counted(int(inside.sum()))})"


def _nearest(word: str, known: list[str]) -> str:
    close = get_close_matches(word, known, n=1, cutoff=0.6)
    if close:
        return f"did you mean {close[0]!r}?"
    more = f" and {len(known) - LISTED:,} more" if len(known) > LISTED else ""
    return f"there are {', '.join(map(repr, known[:LISTED]))}{more}" if known else "there is none"


def _counted(images: int) -> str:
    return f"{images:,} test image{'' if images == 1 else 's'}"
