"""Cohen's kappa: its closed form, its edges, and the same figures as scikit-learn's."""

from math import isnan

import numpy as np
import pytest
from hypothesis import assume, given
from hypothesis import strategies as st
from sklearn.metrics import cohen_kappa_score

from components.labels.agreement import Agreement, agreements, kappa
from components.labels.store import NONE, SKIP
from tests.labels.test_store import answer


def test_kappa_of_cohens_table() -> None:
    """Of 50 cases both say yes in 20 and no in 15: p_o = 0.7, p_e = 0.5, kappa = 0.4."""
    table = {("yes", "yes"): 20, ("yes", "no"): 5, ("no", "yes"): 10, ("no", "no"): 15}
    first, second = zip(*(pair for pair, count in table.items() for _ in range(count)), strict=True)
    assert kappa(first, second) == pytest.approx(0.4, abs=1e-12)


def test_kappa_of_those_who_always_agree_and_never() -> None:
    assert kappa(["a", "b"], ["a", "b"]) == 1
    assert kappa(["a", "b"], ["b", "a"]) == -1


def test_kappa_is_not_defined_without_a_choice() -> None:
    assert kappa([], []) is None
    assert kappa(["a", "a"], ["a", "a"]) is None


@given(st.lists(st.tuples(st.sampled_from("abc"), st.sampled_from("abcd")), min_size=2, max_size=60))
def test_kappa_is_that_of_scikit_learn(pairs: list[tuple[str, str]]) -> None:
    first, second = zip(*pairs, strict=True)
    assume(len({*first, *second}) > 1)
    with np.errstate(invalid="ignore"):
        expected = cohen_kappa_score(first, second)
    found = kappa(first, second)
    assert isnan(expected) if found is None else found == pytest.approx(expected, abs=1e-12)


def test_every_two_people_are_compared_on_what_both_answered() -> None:
    images = ["a" * 64, "b" * 64, "c" * 64]
    none, skip = (answer("", "", 0, "bob")._replace(kind=kind, label=None) for kind in (NONE, SKIP))
    stands = {
        images[0]: [answer(images[0], "cat", 0, "ann"), none, answer(images[0], "cat", 0, "cy")],
        images[1]: [answer(images[1], "dog", 0, "ann"), answer(images[1], "dog", 0, "bob")],
        images[2]: [answer(images[2], "dog", 0, "ann"), skip],
    }
    assert agreements(stands) == [
        Agreement(("ann", "bob"), 2, 1, 1 / 3),
        Agreement(("ann", "cy"), 1, 1, None),
        Agreement(("bob", "cy"), 1, 0, 0.0),
    ]
