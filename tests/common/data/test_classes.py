"""Which classes a model can predict, and what becomes of the others."""

from pathlib import Path

import numpy as np
import pytest

from components.common.artifacts import load_about, load_labels
from components.common.data.classes import Classes, check_trained, classes_of
from components.common.errors import BadInputError
from components.common.metrics import softmax

PETS = Classes(["ant", "bee", "cat", "dog"], ["bee", "dog"])


def test_only_a_training_label_teaches_a_class(partial_world):
    table, about = load_labels(partial_world.labels)
    assert {"3", "7"} < set(table.column("label").to_pylist())  # held-out labels of them there are
    classes = classes_of(table, about["classes"])
    assert classes.trained == list("01245689")
    assert classes.missing == ["3", "7"]
    assert classes.columns.tolist() == [0, 1, 2, 4, 5, 6, 8, 9]


def test_a_class_that_the_model_cannot_predict_has_probability_0():
    logits = np.array([[1.0, 2.0], [3.0, -1.0]], dtype=np.float32)
    wide = PETS.spread(logits)
    assert wide.dtype == np.float32
    assert wide.argmax(axis=1).tolist() == [3, 1]
    for temperature in (0.5, 1.0, 3.0):
        probabilities = softmax(wide, temperature)
        np.testing.assert_array_equal(probabilities[:, [0, 2]], 0)
        np.testing.assert_array_equal(probabilities[:, [1, 3]], softmax(logits, temperature))
    assert PETS.spread(np.empty((0, 2), np.float32)).shape == (0, 4)


def test_where_every_class_is_known_nothing_changes():
    all_known = Classes(["a", "b"], ["a", "b"])
    logits = np.array([[0.5, -2.0]])
    np.testing.assert_array_equal(all_known.spread(logits), logits)
    assert all_known.missing == []


def test_a_thousand_names_are_cut():
    assert PETS.told() == "2 of 4 (ant, cat)"
    names = [f"c{number:04d}" for number in range(1500)]
    assert Classes(names, names[1200:]).told() == f"1,200 of 1,500 ({', '.join(names[:10])} and 1,190 more)"


def test_a_model_of_other_labels_is_refused(tiny_world, partial_world):
    table, labels = load_labels(partial_world.labels)
    classes = classes_of(table, labels["classes"])
    check_trained(classes, load_about(partial_world.warm, "classifier")[1], Path("warm"))
    with pytest.raises(BadInputError, match=r"warm: knows the classes .*, the labels teach .*; train on these labels"):
        check_trained(classes, load_about(tiny_world.warm, "classifier")[1], Path("warm"))
