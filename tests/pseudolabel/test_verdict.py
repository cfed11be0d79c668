"""When the new model is handed on: the table of cases."""

import numpy as np
import pytest

from components.pseudolabel.verdict import RARE, vanished, verdict

CLASSES = ["ant", "bee", "cat"]
EVEN = np.repeat([0, 1, 2], 100)


def right(text: str) -> np.ndarray:
    return np.array([letter == "+" for letter in text], bool)


@pytest.mark.parametrize(
    ("warm", "new", "handed_on", "why"),
    [
        ("++--", "++--", True, "the new model holds: of 4 validation images it corrects 0 and spoils 0"),
        ("++--", "++++", True, "it corrects 2 and spoils 0"),
        ("++--", "+-+-", True, "it corrects 1 and spoils 1"),
        (
            "++--",
            "+---",
            False,
            "the new model is worse: of 4 validation images it corrects 0 and spoils 1; the warm-up model is handed on",
        ),
        ("+++-", "---+", False, "it corrects 1 and spoils 3"),
        ("", "", True, "no validation label to compare with"),
    ],
)
def test_validation_labels_decide_by_pairs(warm, new, handed_on, why):
    better, said = verdict(right(warm), right(new), EVEN, EVEN, CLASSES)
    assert better == handed_on
    assert why in said


@pytest.mark.parametrize("labels", ["", "--------"])
def test_a_vanished_class_outweighs_any_gain(labels):
    better, why = verdict(right(labels), right("+" * len(labels)), EVEN, np.repeat([0, 0, 2], 100), CLASSES)
    assert not better
    assert why == "the new model all but stopped predicting 'bee'; the warm-up model is handed on"


@pytest.mark.parametrize(
    ("before", "after", "gone"),
    [
        ((100, 100, 100), (150, 24, 126), ["bee"]),
        ((100, 100, 100), (150, 25, 125), []),  # a quarter is left
        ((100, RARE, 100), (220, 0, 0), ["bee", "cat"]),
        ((100, RARE - 1, 100), (219, 0, 0), ["cat"]),  # too rare to tell
        ((0, 0, 300), (300, 0, 0), ["cat"]),
        ((0, 0, 0), (0, 0, 0), []),
    ],
)
def test_a_class_has_vanished_below_a_quarter_of_what_it_was(before, after, gone):
    assert vanished(np.repeat([0, 1, 2], before), np.repeat([0, 1, 2], after), CLASSES) == gone
