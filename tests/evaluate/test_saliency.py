"""Of which images the report shades what counted: half mistakes, half right answers, the surest first."""

import numpy as np

from components.evaluate.pages.saliency import chosen


def test_mistakes_and_right_answers_are_chosen_by_halves():
    right = np.array([True, False, True, False, True])
    sure = np.array([0.9, 0.8, 0.7, 0.95, 0.99])
    assert list(chosen(right, sure, 4)) == [3, 1, 4, 0]
    assert list(chosen(right, sure, 3)) == [3, 1, 4]
    assert list(chosen(np.zeros(5, bool), sure, 3)) == [4, 3, 0]
    assert list(chosen(np.ones(5, bool), sure, 2)) == [4, 3]
