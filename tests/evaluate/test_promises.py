"""What the thresholds give on test images, by hand; and how long an answer takes."""

from typing import Any

import numpy as np
import pytest

from components.common.learning.models import load_classifier
from components.common.learning.onnx_file import export
from components.common.metrics import wilson_interval
from components.evaluate.latency import latency
from components.evaluate.promises import kept

P = np.array([[0.9, 0.1, 0.0], [0.7, 0.2, 0.1], [0.6, 0.3, 0.1], [0.5, 0.3, 0.2], [0.4, 0.35, 0.25]])
TRUE = np.array([0, 1, 0, 2, 1])
PROMISED: dict[str, Any] = {
    "precision": {"wanted": 0.9, "threshold": 0.6, "abstained": 0.3, "low": 0.91, "images": 80, "why": "so"},
    "conformal": {"coverage": 0.9, "score": "…", "quantile": 0.7, "images": 80, "why": "so"},
}


def told(promised: dict[str, Any], images: int = 5) -> dict[str, Any]:
    found = kept(promised, P[:images], TRUE[:images])
    assert found is not None
    return found


def test_the_shares_are_those_counted_by_hand():
    found = told(PROMISED)
    low, high = wilson_interval(2, 3)
    assert found["precision"] == {
        "wanted": 0.9,
        "threshold": 0.6,
        "abstained": 0.3,
        "guaranteed": 0.91,
        "images": 80,
        "why": "so",
        "precision_test": pytest.approx(2 / 3),  # of 0.9, 0.7 and 0.6 the second is wrong
        "low": low,
        "high": high,
        "abstained_test": pytest.approx(0.4),
    }
    held = [0.9 >= 0.3, 0.2 >= 0.3, 0.6 >= 0.3, 0.2 >= 0.3, 0.35 >= 0.3]
    low, high = wilson_interval(sum(held), 5)
    assert found["conformal"] == {
        **PROMISED["conformal"],
        "coverage_test": pytest.approx(0.6),
        "low": low,
        "high": high,
        "mean_size": pytest.approx((1 + 1 + 2 + 2 + 2) / 5),
    }


def test_nothing_is_said_without_thresholds_or_without_test_labels():
    assert kept(None, P, TRUE) is None
    none = {
        "precision": {**PROMISED["precision"], "threshold": None, "low": None},
        "conformal": {**PROMISED["conformal"], "quantile": None},
    }
    for found in (told(none), told(PROMISED, 0)):
        for part, names in (
            ("precision", ("precision_test", "low", "high", "abstained_test")),
            ("conformal", ("coverage_test", "low", "high", "mean_size")),
        ):
            assert [found[part][name] for name in names] == [None] * 4
            assert found[part]["why"] == "so"
    certain = {**PROMISED, "precision": {**PROMISED["precision"], "threshold": 0.95}}
    assert told(certain)["precision"]["precision_test"] is None
    assert told(certain)["precision"]["abstained_test"] == 1


def test_latency_is_that_of_one_image_at_a_time(tiny_world):
    network, spec, _ = load_classifier(tiny_world.classifier)
    found = latency(export(network, spec), threads=1, images=30)
    assert (found["images"], found["threads"]) == (30, 1)
    assert 0 < found["ms_p50"] <= found["ms_p95"] < 5000
