"""The promises hold on fresh draws, also where the temperature was fitted on the same labels; where they cannot be
given, the reason says what it would take.
"""

from math import comb

import numpy as np
import pytest

from components.calibrate.temperature import fit_temperature
from components.calibrate.thresholds import (
    GRID,
    LEVEL,
    conformal_quantile,
    images_needed,
    lower_bound,
    precision_threshold,
    starts,
    thresholds,
)
from components.common.metrics import abstains, conformal_sets, softmax

DRAWS = 200
CLASSES = 10
SHARPENED = 1.7  # how overconfident the model is


def drawn(n: int, rng: np.random.Generator) -> tuple[np.ndarray, np.ndarray]:
    """Overconfident logits (n, classes) of a model that is sure of four images in five, and true classes."""
    logits = rng.normal(size=(n, CLASSES)) * 2
    logits[np.arange(n), rng.integers(0, CLASSES, n)] += 12 * (rng.random(n) < 0.8)
    true = (np.cumsum(softmax(logits), axis=1) < rng.random((n, 1))).sum(axis=1).clip(max=CLASSES - 1)
    return logits * SHARPENED, true


@pytest.fixture(scope="module")
def population() -> tuple[np.ndarray, np.ndarray]:
    return drawn(40_000, np.random.default_rng(99))


@pytest.mark.parametrize(("n", "wanted"), [(600, 0.95), (400, 0.99)])
def test_the_promises_hold_on_fresh_draws(population, n, wanted):
    """Printed here, of 200 calibration sets each: 0.95 of 600 labels promised by 200, broken by 1, and the sets hold
    89.85 %; 0.99 of 400 promised by 190, broken by 1, and the sets hold 89.97 %.
    """
    logits, true = population
    rng = np.random.default_rng(n)
    promised, broken, covered = 0, 0, []
    for _ in range(DRAWS):
        z, y = drawn(n, rng)
        T = fit_temperature(z, y)
        made = thresholds(softmax(z, T), y, wanted, 0.9)
        p = softmax(logits, T)
        covered.append(conformal_sets(p, made["conformal"]["quantile"])[np.arange(len(true)), true].mean())
        if (threshold := made["precision"]["threshold"]) is not None:
            kept = ~abstains(p, threshold)
            promised += 1
            broken += bool((p.argmax(axis=1) == true)[kept].mean() < wanted)
    print(f"{wanted} of {n}: promised {promised}, broken {broken} of {DRAWS}, covered {np.mean(covered):.4f}")
    spread = 3 * np.std(covered) / DRAWS**0.5 + 3 * (0.9 * 0.1 / len(true)) ** 0.5
    assert 0.9 - spread <= np.mean(covered) <= 0.9 + 1 / (n + 1) + spread
    assert promised > 0.7 * DRAWS
    assert broken <= (1 - LEVEL) * DRAWS


def test_a_model_whose_precision_is_just_too_low_is_promised_in_at_most_a_tenth_of_the_draws():
    """The hardest case: one confidence, one start, and answers that are right a hair less often than wanted."""
    rng = np.random.default_rng(5)
    for n in (60, 500):
        made = [precision_threshold(np.full(n, 0.97), rng.random(n) < 0.9499, 0.95)["threshold"] for _ in range(1000)]
        broken = sum(threshold is not None for threshold in made)
        assert broken <= 100 + 3 * (1000 * 0.1 * 0.9) ** 0.5


def test_images_needed_is_the_first_number_whose_binomial_tail_is_small_enough():
    def tail(errors: int, n: int, precision: float) -> float:  # at most so many errors, were the precision only that
        return sum(comb(n, k) * (1 - precision) ** k * precision ** (n - k) for k in range(errors + 1))

    for errors, wanted in ((0, 0.99), (3, 0.95), (15, 0.9)):
        n = images_needed(errors, wanted, LEVEL)
        assert tail(errors, n, wanted) <= 1 - LEVEL < tail(errors, n - 1, wanted)
    assert images_needed(0, 0.99, 0.9) == 230  # 0.99 ** 230 < 0.1


def test_the_threshold_is_the_last_of_a_row_of_exact_tests():
    """The slow way: every threshold from the top, by the Clopper-Pearson bound."""
    rng = np.random.default_rng(1)
    confidence = rng.beta(5, 1, 400)
    right = rng.random(400) < np.where(confidence > 0.7, 0.995, 0.5)
    made = precision_threshold(confidence, right, 0.95)
    sizes, level = starts(400, 0.95, LEVEL)
    found = []
    for size in sizes:
        for threshold in GRID:
            above = confidence >= threshold
            if above.sum() < size:
                continue
            if lower_bound(int(right[above].sum()), int(above.sum()), level) < 0.95:
                break
            found.append(threshold)
    assert made["threshold"] == min(found)
    kept = confidence >= made["threshold"]
    assert made["abstained"] == pytest.approx(np.mean(~kept))
    assert made["low"] == pytest.approx(lower_bound(int(right[kept].sum()), int(kept.sum()), level))
    assert made["low"] >= 0.95
    assert f"{right[kept].sum()} of {kept.sum()} calibration images are right" in made["why"]


def test_a_model_that_is_always_right_need_not_abstain():
    made = precision_threshold(np.linspace(0.2, 1, 300), np.ones(300, bool), 0.99)
    assert (made["threshold"], made["abstained"]) == (0.0, 0.0)
    assert made["low"] == pytest.approx(0.1 ** (1 / 300))


def test_too_few_labels_or_too_many_mistakes_give_null_and_the_reason():
    few = precision_threshold(np.full(100, 0.99), np.ones(100, bool), 0.99)
    assert (few["threshold"], few["abstained"], few["low"]) == (None, None, None)
    assert "100 calibration labels are too few: even if all are right, 99.0% takes 230; raise" in few["why"]
    poor = precision_threshold(np.full(300, 0.99), np.arange(300) % 2 == 0, 0.99)
    assert poor["threshold"] is None
    assert "of the 300 surest calibration images 150 are wrong, too many to promise 99.0%" in poor["why"]
    none = thresholds(np.empty((0, 3)), np.empty(0, int), 0.99, 0.9)
    assert (none["precision"]["threshold"], none["conformal"]["quantile"]) == (None, None)


@pytest.mark.parametrize(("n", "place"), [(8, None), (9, 9), (10, 10), (99, 90), (100, 91)])
def test_the_quantile_is_that_of_the_finite_sample(n, place):
    scores = np.random.default_rng(0).permutation(n) / (n + 1)
    made = conformal_quantile(scores, 0.9)
    if place is None:
        assert made["quantile"] is None
        assert "8 calibration labels are too few: 90.0% takes 9" in made["why"]
    else:
        assert made["quantile"] == (place - 1) / (n + 1)


def test_images_of_classes_that_the_model_does_not_know_cannot_be_covered():
    made = conformal_quantile(np.array([1.0] * 15 + [0.2] * 85), 0.9)
    assert made["quantile"] is None
    assert "15 of 100 calibration images are of classes that the model does not know" in made["why"]
    assert conformal_quantile(np.array([1.0] * 5 + [0.2] * 95), 0.9)["quantile"] == 0.2
