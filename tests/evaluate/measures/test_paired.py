"""Two models on the same images: the bootstrap against a slow one and on fresh draws, McNemar's test, forgetting."""

from math import comb

import numpy as np
import pytest
from scipy.stats import binomtest

from components.evaluate.measures.paired import difference_interval, forgotten, mcnemar, paired


def resampled(mended: int, made: int, images: int, draws: int) -> tuple[float, float]:
    """The same interval by drawing images: +1, -1 or 0 each, and half an image more of each of the four outcomes."""
    rng = np.random.default_rng(1)
    outcomes = np.array([1] * mended + [-1] * made + [0] * (images - mended - made) + [1, -1, 0, 0])
    weight = np.array([1.0] * images + [0.5] * 4) / (images + 2)
    drawn = [rng.choice(outcomes, images, p=weight).mean() for _ in range(draws)]
    low, high = np.quantile(drawn, [0.025, 0.975])
    return float(low), float(high)


@pytest.mark.parametrize(("mended", "made", "images"), [(9, 4, 120), (0, 0, 50), (30, 0, 60)])
def test_the_bootstrap_draws_images(mended, made, images):
    fast = difference_interval(mended, made, images, seed=0, draws=20_000)
    assert fast == pytest.approx(resampled(mended, made, images, draws=4000), abs=2.1 / images)


def test_of_many_images_the_interval_is_the_normal_one():
    n, mended, made = 40_000, 2400, 1600
    spread = 1.959964 * np.sqrt(((mended + made) / n - ((mended - made) / n) ** 2) / n)
    low, high = difference_interval(mended, made, n, seed=0, draws=50_000)
    assert (low, high) == pytest.approx((0.02 - spread, 0.02 + spread), abs=5e-5)
    again = difference_interval(mended, made, n, seed=0, draws=50_000)
    assert again == (low, high)
    narrower = difference_interval(mended, made, n, seed=0, level=0.8)
    assert low < narrower[0] < narrower[1] < high


@pytest.mark.parametrize(("better", "worse", "images"), [(0.06, 0.03, 150), (0.02, 0.02, 80), (0.2, 0.1, 400)])
def test_the_interval_holds_the_true_difference_as_often_as_it_says(better, worse, images):
    rng = np.random.default_rng(7)
    drawn = rng.multinomial(images, [better, worse, 1 - better - worse], size=600)
    held = 0
    for number, (mended, made, _) in enumerate(drawn):
        low, high = difference_interval(int(mended), int(made), images, seed=number, draws=1500)
        held += low - 1e-12 <= better - worse <= high + 1e-12
    assert 0.93 <= held / len(drawn) <= 0.995


def test_models_that_agree_on_every_image_are_not_known_to_be_equal():
    low, high = difference_interval(0, 0, 100, seed=0)
    assert -0.04 < low < 0 < high < 0.04


@pytest.mark.parametrize(("mended", "made"), [(0, 0), (1, 0), (5, 5), (2, 9), (130, 88)])
def test_mcnemar_is_a_coin_for_each_image_that_differs(mended, made):
    n = mended + made
    tail = sum(comb(n, k) for k in range(min(mended, made) + 1))
    assert mcnemar(mended, made) == pytest.approx(min(1.0, 2 * tail / 2**n), rel=1e-9)
    if n:
        assert mcnemar(mended, made) == pytest.approx(binomtest(mended, n).pvalue, rel=1e-9)


def test_a_pair_is_counted_image_by_image():
    here = np.array([True, True, False, True, False])
    there = np.array([True, False, True, False, False])
    found = paired(here, there, seed=0)
    assert (found.images, found.mended, found.made) == (5, 2, 1)
    assert found.difference == pytest.approx(here.mean() - there.mean())
    assert found.low < found.difference < found.high
    back = paired(there, here, seed=0)
    assert (back.mended, back.made, back.difference, back.p) == (1, 2, -found.difference, found.p)


def test_what_was_forgotten_is_what_was_right_and_is_wrong():
    there = np.array([True] * 8 + [False] * 2)
    here = np.array([False, True, True, True, False, True, True, True, False, True])
    labels = np.array(["a"] * 4 + ["b"] * 4 + ["c"] * 2, dtype=object)
    found = forgotten(here, there, labels)
    assert (found["images"], found["of"], found["share"]) == (2, 8, 0.25)
    assert found["low"] < 0.25 < found["high"]
    assert found["per_class"] == [
        {"class": "a", "images": 1, "share": 0.25, "of": 4},
        {"class": "b", "images": 1, "share": 0.25, "of": 4},
    ]
    nothing = forgotten(here, np.zeros(10, bool), labels)
    assert (nothing["images"], nothing["share"], nothing["of"], nothing["per_class"]) == (0, 0.0, 0, [])
