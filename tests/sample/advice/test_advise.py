"""Advice on the labels at hand: probes against plain formulas, verdicts on data whose answer is known, equal bytes."""

import numpy as np
import pytest
from sklearn.datasets import load_digits
from sklearn.linear_model import Ridge

from components.common.files import json_text
from components.sample.advice import probes
from components.sample.advice.advise import CANNOT_TELL, GO_ON, STOP, advise


@pytest.fixture(scope="module")
def digits() -> tuple[np.ndarray, np.ndarray]:
    """Unit-length vectors in a random order, float16, and the names of their classes."""
    data = load_digits()
    order = np.random.default_rng(0).permutation(len(data.data))
    x = data.data[order] / np.linalg.norm(data.data[order], axis=1, keepdims=True)
    return x.astype(np.float16), data.target[order].astype(str)


def asked(digits: tuple[np.ndarray, np.ndarray], labels: int, validation: int, threads: int = 1) -> dict:
    x, y = digits
    train, held_out = np.arange(labels), np.arange(labels, labels + validation)
    return advise(x, train, y[train], held_out, y[held_out], 0, threads)


def test_the_probe_is_ridge_regression(digits):
    x, names = digits
    x, y = x[:90].astype(np.float64), names[:90].astype(int)
    for rows in (30, 90):  # fewer and more than features
        ridge = Ridge(alpha=probes.PENALTY, fit_intercept=False).fit(x[:rows], np.eye(10)[y[:rows]])
        assert probes.fit(x[:rows], y[:rows], 10) == pytest.approx(ridge.coef_.T, abs=1e-8)
    few, other = probes._reduced(x[:30], x[30:])
    assert few.shape == (30, 30)
    whole = probes.fit(np.hstack([x[:30], np.ones((30, 1))]), y[:30], 10)
    assert other @ probes.fit(few, y[:30], 10) == pytest.approx(np.hstack([x[30:], np.ones((60, 1))]) @ whole, abs=1e-8)


def test_measured_on_validation_labels_or_by_cross_validation(digits):
    x, names = digits
    x, y = x.astype(np.float64), names.astype(int)
    held_out = probes.tried(x[:100], y[:100], x[100:140], y[100:140], 10, 0)
    assert held_out is not None
    assert (held_out.by, held_out.sizes[-1], held_out.wrong.shape) == ("validation", 100, (20, 6, 40))
    few, other = probes._reduced(x[:100], x[100:140])
    said = (other @ probes.fit(few, y[:100], 10)).argmax(axis=1)
    assert (held_out.wrong[:, -1] == (said != y[100:140])).all()  # all labels: every draw is the same
    crossed = probes.tried(x[:100], y[:100], x[100:110], y[100:110], 10, 0)
    assert crossed is not None
    assert (crossed.by, crossed.sizes[-1], crossed.wrong.shape) == ("cross-validation", 80, (10, 6, 100))


def test_no_image_is_tried_on_by_a_probe_that_learned_from_it():
    rng = np.random.default_rng(0)
    x = rng.normal(size=(100, 200))
    x /= np.linalg.norm(x, axis=1, keepdims=True)
    found = probes.tried(x, np.arange(100) % 2, x[:0], np.zeros(0, int), 2, 0)  # nothing can be learned from these
    assert found is not None
    assert 0.4 < found.wrong.mean() < 0.6


def test_few_labels_of_a_learnable_set_go_on_and_many_stop(digits):
    few = asked(digits, 60, 100)
    assert (few["verdict"], few["labels"]) == (GO_ON, 60)
    assert few["now"]["low"] < few["now"]["error"] < few["now"]["high"]
    assert few["now"]["error"] > few["twice"]["error"] > few["five_times"]["error"]
    assert few["said"].startswith("go on: 60 more would take a linear probe's error from ")
    assert 0 < few["point"]["low"] <= few["point"]["labels"] <= few["point"]["high"]
    many = asked(digits, 1000, 500)
    assert many["verdict"] == STOP
    assert "point of accuracy would cost" in many["point"]["said"]
    assert many["point"]["high"] is None


def test_too_few_labels_tell_nothing(digits):
    for labels in (0, 1, 8):
        told = asked(digits, labels, 50)
        assert told["verdict"] == CANNOT_TELL
        assert "too few for a curve" in told["said"]
        assert "measured" not in told
    x, y = digits
    ones = np.flatnonzero(y == "1")[:60]
    assert advise(x, ones, y[ones], ones[:0], y[:0], 0, 1)["verdict"] == CANNOT_TELL


def test_classes_without_a_training_label_count_as_wrong(digits):
    x, y = digits
    train = np.flatnonzero(y[:400] < "5")[:100]
    told = advise(x, train, y[train], np.arange(400, 600), y[400:600], 0, 1)
    share = np.mean(y[400:600] >= "5")
    assert all(point["error"] >= share for point in told["measured"]["points"])
    assert told["five_times"]["error"] > 0.8 * share  # more of the same classes do not help


def test_equal_bytes_from_a_memory_map_and_on_two_threads(digits, tmp_path):
    np.save(tmp_path / "x.npy", digits[0])
    mapped = np.load(tmp_path / "x.npy", mmap_mode="r")
    first = json_text(asked(digits, 80, 60))
    assert json_text(asked((mapped, digits[1]), 80, 60, threads=2)) == first
