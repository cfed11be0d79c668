"""The temperature against a fine grid, a closed form, scikit-learn's, and the truth that generated the labels."""

from math import exp, log

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from components.calibrate.temperature import LOG_BOUND, choose_temperature, fit_temperature
from components.common.metrics import nll, softmax


def drawn(
    images: int, classes: int, temperature: float, seed: int, spread: float = 3.0
) -> tuple[np.ndarray, np.ndarray]:
    """Logits of a model that is right about its confidence at `temperature`, and labels drawn from them."""
    rng = np.random.default_rng(seed)
    logits = rng.normal(size=(images, classes)) * spread
    draws = rng.random((images, 1))
    true = (np.cumsum(softmax(logits, temperature), axis=1) < draws).sum(axis=1).clip(max=classes - 1)
    return logits.astype(np.float32), true


@settings(max_examples=20, deadline=None)
@given(st.integers(0, 10_000), st.sampled_from([0.3, 1.0, 2.665]), st.integers(20, 200), st.sampled_from([0.0, 2.0]))
def test_no_temperature_on_a_fine_grid_is_better(seed, temperature, images, prior):
    logits, true = drawn(images, 5, temperature, seed)
    fitted = fit_temperature(logits, true, prior)

    def cost(t: float) -> float:
        return nll(softmax(logits, t), true) * images + prior * (1 / t - 1 + log(t))

    assert cost(fitted) <= min(cost(t) for t in np.exp(np.linspace(-3, 3, 601))) + 1e-9


@pytest.mark.parametrize(("right", "margin"), [(90, 8.0), (70, 0.5), (55, 1.0)])
def test_one_margin_and_two_classes_have_a_closed_form(right, margin):
    """`right` of 100 images are right, all by one margin m: the best confidence is the accuracy p, so T = m / log(p /
    (1-p)).
    """
    logits = np.tile([margin, 0.0], (100, 1))
    true = np.array([0] * right + [1] * (100 - right))
    assert fit_temperature(logits, true, prior=0) == pytest.approx(margin / log(right / (100 - right)), rel=1e-10)


def test_the_temperature_that_made_the_labels_is_found():
    for truth in (0.4, 1.0, 2.665):
        assert fit_temperature(*drawn(20_000, 10, truth, seed=1)) == pytest.approx(truth, rel=0.03)


@pytest.mark.filterwarnings("ignore::DeprecationWarning", "ignore::FutureWarning")
def test_scikit_learn_finds_the_same():
    from sklearn.base import BaseEstimator, ClassifierMixin
    from sklearn.calibration import CalibratedClassifierCV
    from sklearn.frozen import FrozenEstimator

    class Logits(ClassifierMixin, BaseEstimator):
        """A fitted classifier whose inputs are its logits."""

        def fit(self, x, y):
            self.classes_ = np.unique(y)
            return self

        def decision_function(self, x):
            return x

        def predict(self, x):
            return x.argmax(axis=1)

    logits, true = drawn(3_000, 4, 2.665, seed=2)
    logits = logits.astype(np.float64)
    peer = CalibratedClassifierCV(FrozenEstimator(Logits().fit(logits, true)), method="temperature").fit(logits, true)
    assert fit_temperature(logits, true, prior=0) == pytest.approx(
        1 / peer.calibrated_classifiers_[0].calibrators[0].beta_, rel=1e-3
    )


def test_labels_that_are_all_right_sharpen_but_never_to_certainty():
    logits = np.tile([2.0, 0.0], (100, 1))
    true = np.zeros(100, dtype=int)
    assert fit_temperature(logits, true, prior=0) == exp(-LOG_BOUND)
    assert fit_temperature(logits, 1 - true, prior=0) == exp(LOG_BOUND)
    choice = choose_temperature(logits, true)
    confidence = softmax(logits, choice.temperature)[0, 0]
    assert choice.helped
    assert 1 - 5 / 100 < confidence < 1 - 1 / 1000


def test_an_overconfident_model_is_softened_and_a_calibrated_one_left_alone():
    helped = [choose_temperature(*drawn(200, 10, 2.665, seed)).helped for seed in range(20)]
    assert all(helped)
    left = [choose_temperature(*drawn(200, 10, 1.0, seed)) for seed in range(20)]
    assert sum(not choice.helped for choice in left) >= 12
    assert all(choice.temperature == 1.0 for choice in left if not choice.helped)
    assert all(0.7 < choice.temperature < 1.4 for choice in left)


@pytest.mark.parametrize("images", [0, 1, 9])
def test_few_labels_keep_one_and_say_so(images):
    choice = choose_temperature(*drawn(images, 3, 2.0, seed=0))
    assert choice.temperature == 1.0
    assert not choice.helped
    assert f"{images} calibration labels" in choice.why
