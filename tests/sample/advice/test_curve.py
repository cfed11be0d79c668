"""The learning curve: exact without noise, as good as a slow search with it, and intervals that cover known curves."""

import numpy as np
import pytest

from components.sample.advice.curve import SAMPLES, Belief, Curve, belief, fit

LABELS = np.round(100 / np.sqrt(2) ** np.arange(6)[::-1])


@pytest.mark.parametrize(
    "true", [Curve(2.0, 0.7, 0.05), Curve(0.9, 0.25, 0.0), Curve(8.0, 1.4, 0.2), Curve(0.0, 1.0, 0.1)]
)
def test_without_noise_the_curve_itself_is_found(true):
    found = fit(LABELS, true.at(LABELS), np.full(6, 0.01))
    assert found.at(LABELS) == pytest.approx(true.at(LABELS), abs=1e-6)
    if true.a:
        assert found == pytest.approx(true, rel=1e-3, abs=1e-4)


def test_no_curve_of_a_slow_search_fits_better():
    rng = np.random.default_rng(0)
    for _ in range(5):
        error = Curve(2.0, 0.7, 0.05).at(LABELS) + rng.normal(0, 0.02, 6)

        def loss(values: np.ndarray, error: np.ndarray = error) -> np.ndarray:
            return np.sum(np.sqrt(1 + ((values - error) / 0.02) ** 2) - 1, axis=-1)

        b, c, last = np.meshgrid(np.linspace(0.01, 2, 80), np.linspace(0, 0.2, 41), np.linspace(0, 0.3, 61))
        grid = last[..., None] * (LABELS / 100) ** -b[..., None] + c[..., None]
        found = fit(LABELS, error, np.full(6, 0.02))
        assert loss(found.at(LABELS)) <= loss(grid).min() + 1e-9
        assert found.a >= 0 <= found.c
        assert 0 < found.b <= 2


def known_curve(rng: np.random.Generator) -> Curve:
    """Half of them go down to 0; all are measured where they are below 85 % error."""
    while True:
        b = rng.uniform(0.2, 1.2)
        curve = Curve(rng.uniform(0.03, 0.4) * 100**b, b, rng.uniform(0, 0.1) * rng.integers(2))
        if curve.at(LABELS[0]) < 0.85:
            return curve


def test_the_interval_covers_nine_known_curves_in_ten():
    rng = np.random.default_rng(7)
    inside = np.zeros((2, 3))
    for images in (60, 300):
        for number in range(200):
            true = known_curve(rng)
            wrong = rng.binomial(images, true.at(LABELS))
            share = (wrong + 0.5) / (images + 1)
            known = belief(LABELS, wrong / images, np.diag(share * (1 - share) / images), number)
            for place, times in enumerate((1, 2, 5)):
                low, high = np.quantile(known.at(times * 100), (0.05, 0.95))
                inside[int(images > 60), place] += low <= true.at(times * 100) <= high
    print(f"covered of 200 known curves, now / at 2x / at 5x labels: {inside[0]} (60 images), {inside[1]} (300 images)")
    assert (inside >= 0.85 * 200).all()


def test_what_is_measured_exactly_is_known_exactly():
    true = Curve(2.0, 0.7, 0.05)
    known = belief(LABELS, true.at(LABELS), np.eye(6) * 1e-7, 0)
    low, high = np.quantile(known.at(200), (0.05, 0.95))
    assert low == pytest.approx(true.at(200), abs=3e-3)
    assert high == pytest.approx(true.at(200), abs=3e-3)
    assert known.at(100).shape == (SAMPLES,)


def test_labels_for_a_gain_solve_the_curve():
    known = Belief(100.0, np.array([0.1, 0.1, 0.004]), np.array([0.5, 1.0, 0.5]), np.array([0.0, 0.2, 0.2]))
    more = known.labels_for(100, 0.01)
    assert known.at(100)[:2] - [known.at(100 + cost)[i] for i, cost in enumerate(more[:2])] == pytest.approx(0.01)
    assert more[2] == np.inf  # the curve is flat before that
