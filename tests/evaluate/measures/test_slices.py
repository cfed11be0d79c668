"""Slices of the test images, confused pairs, and clusters of mistakes."""

import numpy as np
import pytest

from components.common.metrics import confusion_matrix, wilson_interval
from components.evaluate.measures.mistakes import clusters, confused
from components.evaluate.measures.slices import OTHERS, QUARTERS, Compared, quarters, slices


def test_quarters_hold_a_quarter_each_and_equal_values_together():
    values = np.random.default_rng(0).permutation(400) / 400
    names = quarters(values, QUARTERS["brightness"])
    for place, name in enumerate(QUARTERS["brightness"]):
        inside = values[names == name]
        assert len(inside) == 100
        assert place / 4 <= inside.min() <= inside.max() <= (place + 1) / 4
    assert set(quarters(np.full(9, 28.0), QUARTERS["size"])) == {"smallest"}
    tied = quarters(np.array([1.0] * 6 + [2.0, 3.0]), QUARTERS["size"])
    assert tied.tolist() == ["smallest"] * 6 + ["largest"] * 2
    assert quarters(np.empty(0), QUARTERS["size"]).shape == (0,)


def test_a_slice_tells_both_models_on_its_images():
    names = np.array(["x"] * 30 + ["y"] * 10, dtype=object)
    right = np.array([True] * 27 + [False] * 3 + [True] * 4 + [False] * 6)
    there = np.array([True] * 30 + [True] * 8 + [False] * 2)
    where = np.array([True] * 38 + [False] * 2)
    lines = slices({"folder": names, "all": np.full(40, "z", object)}, right, 20, Compared(where, there))
    assert [(line["by"], line["name"], line["images"], line["small"]) for line in lines] == [
        ("folder", "y", 10, True),
        ("folder", "x", 30, False),
    ]
    y, x = lines
    assert (x["accuracy"], x["champion_accuracy"], x["forgotten"]) == (0.9, 1.0, 3)
    assert (x["low"], x["high"]) == wilson_interval(27, 30)
    assert (y["accuracy"], y["champion_accuracy"], y["forgotten"]) == (0.4, 1.0, 4)
    alone = slices({"folder": names}, right, 20)
    assert {(line["champion_accuracy"], line["forgotten"]) for line in alone} == {(None, None)}


def test_the_numbers_behind_a_slice_are_told_and_missing_names_make_none():
    values = np.arange(8.0)
    kinds = {"size": quarters(values, QUARTERS["size"]), "camera": np.array([None] * 3 + ["a"] * 3 + ["b"] * 2, object)}
    lines = slices(kinds, np.ones(8, bool), 1, bounds={"size": values})
    told = {(line["by"], line["name"]): (line["images"], line["from"], line["to"]) for line in lines}
    assert told[("size", "smaller")] == (2, 2, 3)
    assert told[("camera", "a")] == (3, None, None)
    assert sum(line["images"] for line in lines if line["by"] == "camera") == 5


def test_of_very_many_names_the_smallest_are_joined():
    names = np.array([f"f{n}" for n in range(100)] + ["big"] * 50, dtype=object)
    lines = slices({"folder": names}, np.ones(150, bool), 20)
    assert len(lines) == 30
    assert {line["name"]: line["images"] for line in lines}["big"] == 50
    assert {line["name"]: line["images"] for line in lines}[OTHERS] == 72
    assert sum(line["images"] for line in lines) == 150


def test_the_most_confused_pairs_come_first():
    true, said = np.array([0, 0, 0, 1, 1, 2, 2, 2]), np.array([0, 1, 1, 1, 0, 1, 1, 1])
    pairs = confused(["a", "b", "c"], confusion_matrix(true, said, 3))
    assert pairs == [
        {"label": "c", "predicted": "b", "images": 3},
        {"label": "a", "predicted": "b", "images": 2},
        {"label": "b", "predicted": "a", "images": 1},
    ]
    assert confused(["a", "b", "c"], confusion_matrix(true, said, 3), 1) == pairs[:1]
    assert confused(["a"], np.array([[4]])) == []


def test_mistakes_that_look_alike_lie_in_one_cluster():
    rng = np.random.default_rng(0)
    x = np.concatenate([rng.normal(place, 0.1, (count, 4)) for place, count in ((0, 9), (5, 14))])
    ids = np.array([f"{n:02d}" for n in range(23)])
    labels = np.array(["a"] * 9 + ["b"] * 14, dtype=object)
    predicted = np.array(["b"] * 9 + ["c"] * 10 + ["a"] * 4, dtype=object)
    found = clusters(x, ids, labels, predicted, seed=0)
    assert sum(group["images"] for group in found) == 23
    assert [group["number"] for group in found] == [1, 2, 3]
    for group in found:
        assert len({image < "09" for image in group["ids"]}) == 1, "of one place"
        assert len(group["ids"]) == group["images"] <= 24
        assert group["share"] == pytest.approx(group["images"] / 23)
    assert sorted((group["label_most"], group["predicted_most"])[0] for group in found) == ["a", "b", "b"]
    assert found == clusters(x, ids, labels, predicted, seed=0)


def test_no_mistake_one_mistake_and_the_same_mistake_make_clusters_too():
    one = np.array(["a"], object)
    assert clusters(np.empty((0, 4)), one[:0], one[:0], one[:0], 0) == []
    assert [group["images"] for group in clusters(np.ones((1, 4)), one, one, one, 0)] == [1]
    same = clusters(np.ones((40, 4)), np.repeat(one, 40), np.repeat(one, 40), np.repeat(one, 40), 0)
    assert [(group["images"], len(group["ids"])) for group in same] == [(40, 24)]
