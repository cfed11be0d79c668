"""The weak classifier: right on classes that lie apart, at chance where labels are noise, equal from run to run."""

import numpy as np
import optuna
import pytest
from sklearn.svm import SVC
from threadpoolctl import threadpool_limits

from components.sample import weak as module
from components.sample.strategies.pool import BLOCK, Pool
from components.sample.weak import Weak, fit, folds, inputs, predict, weak_classifier


def world(count: int, classes: int, noise: float, seed: int = 0) -> tuple[np.ndarray, np.ndarray]:
    """Images of unit length around one centre for each class, float16 (count, 16), and their classes."""
    centres = np.random.default_rng(99).normal(size=(classes, 16))
    y = np.arange(count) % classes
    x = centres[y] + noise * np.random.default_rng(seed).normal(size=(count, 16))
    return (x / np.linalg.norm(x, axis=1, keepdims=True)).astype(np.float16), y


def pool_of(x: np.ndarray, threads: int = 1) -> Pool:
    n = len(x)
    return Pool(x, np.arange(n), np.empty(0, np.int64), np.ones(n, bool), threads=threads)


def same(one: Weak, other: Weak) -> bool:
    arrays = ("classes", "weights", "bias", "support")
    return all(np.array_equal(getattr(one, name), getattr(other, name)) for name in arrays) and (
        (one.parameters, one.score, one.gamma) == (other.parameters, other.score, other.gamma)
    )


def test_classes_that_lie_apart_are_told_apart():
    x, y = world(40, 4, 0.2)
    weak = weak_classifier(x, y * 10, seed=0)  # class indices need not be dense
    others, truth = world(400, 4, 0.2, seed=1)
    assert np.array_equal(predict(weak, pool_of(others)), truth * 10)
    assert weak.score is not None
    assert (weak.score.images, weak.score.folds, weak.score.accuracy, weak.score.spread) == (40, 5, 1.0, 0.0)
    assert weak.score.majority == weak.score.chance == 0.25
    assert weak.score.recall == {0: 1.0, 10: 1.0, 20: 1.0, 30: 1.0}


def test_the_score_is_what_new_images_give():
    x, y = world(150, 5, 1.5)
    weak = weak_classifier(x, y, seed=0)
    others, truth = world(3000, 5, 1.5, seed=1)
    assert weak.score is not None
    assert weak.score.low < (predict(weak, pool_of(others)) == truth).mean() < weak.score.high
    assert weak.score.accuracy == pytest.approx((predict(weak, pool_of(others)) == truth).mean(), abs=0.1)


def test_labels_that_are_noise_score_no_better_than_guessing(monkeypatch):
    monkeypatch.setattr(module, "TRIALS", 8)
    scores = []
    for seed in range(8):
        x, _ = world(30, 3, 1.0, seed)
        found = weak_classifier(x, np.random.default_rng(seed).permutation(30) % 3, seed).score
        assert found is not None
        scores.append(found.accuracy)
    assert np.mean(scores) == pytest.approx(1 / 3, abs=0.1)


@pytest.mark.parametrize("kind", ["logistic", "linear", "rbf"])
@pytest.mark.parametrize("classes", [2, 3])
def test_every_kind_predicts_what_scikit_learn_does(kind, classes, monkeypatch):
    """Scores unscaled into float32 weights, and by blocks, against the machines themselves on the scaled images."""
    parameters = {"kind": kind, "C": 3.0, "balanced": True, **({"gamma": 0.7} if kind == "rbf" else {})}
    monkeypatch.setattr(module, "search", lambda *_: parameters)
    x, y = world(30, classes, 0.8)
    others, _ = world(BLOCK + 100, classes, 0.8, seed=1)
    weak = weak_classifier(x, y, 0)
    exact = x.astype(np.float64)
    mean = exact.mean(axis=0)
    scale = np.sqrt(((exact - mean) ** 2).sum(axis=1).mean())
    a, b = (exact - mean) / scale, (others.astype(np.float64) - mean) / scale
    if kind == "logistic":
        scores = b @ (fitted := fit(a, y, parameters))[0] + fitted[1]
    else:
        machines = [
            SVC(C=3.0, kernel=kind, gamma=0.7).fit(a, y == place, sample_weight=np.ones(30)) for place in range(classes)
        ]
        scores = np.stack([machine.decision_function(b) for machine in machines], axis=1)
    assert (predict(weak, pool_of(others)) == scores.argmax(axis=1)).mean() > 0.999


def test_equal_classifiers_from_run_to_run_and_at_one_and_two_threads():
    x, y = world(60, 3, 1.2)
    others, _ = world(2 * BLOCK + 5, 3, 1.2, seed=1)
    found = []
    for threads in (1, 2, 2):
        with threadpool_limits(threads):
            weak = weak_classifier(x, y, seed=3)
            found.append((weak, predict(weak, pool_of(others, threads))))
    for weak, said in found[1:]:
        assert same(weak, found[0][0])
        assert np.array_equal(said, found[0][1])


def test_optuna_is_silent_and_its_loudness_stays(capfd):
    before = optuna.logging.get_verbosity()
    weak_classifier(*world(12, 2, 1.0), seed=0)
    assert optuna.logging.get_verbosity() == before
    assert capfd.readouterr() == ("", "")


def test_a_class_of_one_label_is_known_and_never_scored():
    x, y = world(31, 3, 0.2)
    y = np.where(y == 2, 0, y)
    y[5] = 2
    weak = weak_classifier(x, y, seed=0)
    assert weak.classes.tolist() == [0, 1, 2]
    assert weak.score is not None
    assert weak.score.images == 30
    assert set(weak.score.recall) == {0, 1}
    assert weak.score.chance == 0.5


def test_one_label_of_each_class_is_enough_to_guess_and_too_little_to_judge():
    x, y = world(4, 4, 0.1)
    weak = weak_classifier(x, y, seed=0)
    assert weak.score is None
    assert np.array_equal(predict(weak, pool_of(x)), y)


def test_one_class_alone_is_all_there_is():
    x, _ = world(4, 1, 0.1)
    weak = weak_classifier(x, np.full(4, 7), seed=0)
    assert weak.score is None
    assert predict(weak, pool_of(x)).tolist() == [7] * 4


def test_folds_are_as_many_as_the_rarest_class_allows_and_hold_every_class():
    y = np.array([0] * 9 + [1] * 3 + [2])
    scored = np.arange(12)
    parts = folds(y, scored, 0)
    assert len(parts) == 3
    assert sorted(np.concatenate([tested for _, tested in parts]).tolist()) == scored.tolist()
    for fitted, tested in parts:
        assert set(y[tested]) == {0, 1}
        assert set(y[fitted]) == {0, 1, 2}
        assert not set(fitted) & set(tested)


def test_many_labels_are_thinned_evenly(monkeypatch):
    monkeypatch.setattr(module, "FIT_AT_MOST", 20)
    x, y = world(90, 3, 0.1)
    y = np.where((y == 2) & (np.arange(90) > 10), 0, y)  # three images of class 2
    sizes = []

    def watched(_: np.ndarray, y: np.ndarray, *__: object) -> dict[str, object]:
        sizes.append(np.bincount(y).tolist())
        return dict(module.START)

    monkeypatch.setattr(module, "search", watched)
    assert set(predict(weak_classifier(x, y, 0), pool_of(x))) == {0, 1, 2}
    assert sizes == [[8, 9, 3]]


def test_balanced_weights_count_every_class_the_same():
    """Closed form: with classes that cannot be told apart, logistic regression answers their weights."""
    x, y = np.zeros((10, 2)), np.array([0] * 8 + [1] * 2)
    for balanced, share in ((True, 0.5), (False, 0.2)):
        weights, bias = fit(inputs(x, {"kind": "logistic"}), y, {"kind": "logistic", "C": 1.0, "balanced": balanced})
        scores = x @ weights + bias
        assert 1 / (1 + np.exp(scores[0, 0] - scores[0, 1])) == pytest.approx(share, abs=1e-3)
