"""Tell classes apart in the embeddings by a classifier fitted to the few labels at hand: a linear or RBF support vector
machine or logistic regression, whichever cross-validates best.
"""

import warnings
from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np
import optuna
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import StratifiedKFold
from sklearn.svm import SVC
from threadpoolctl import threadpool_limits

from components.common.metrics import wilson_interval
from components.sample.shares import even_out
from components.sample.strategies.distances import spans, squares, workers
from components.sample.strategies.pool import BLOCK, Pool

TRIALS = 30  # of hyperparameters, at most
LEAST_TRIALS = 6
WORK = 60_000  # labels times classes times trials, beyond which there are fewer trials: some seconds
FOLDS = 5  # at most
REPEATS = 3  # of the winner's cross-validation, each with other folds
FIT_AT_MOST = 1000  # labels; of more, a part that is as even over the classes as can be
ITERATIONS = 200  # of logistic regression, where it does not converge before
START = {"kind": "logistic", "C": 1.0, "balanced": True}  # the first trial, and what is fitted where none can be judged


class Score(NamedTuple):
    """Repeated stratified cross-validation. Images of classes with a single label are fitted, never scored."""

    images: int  # scored in each repeat
    folds: int
    accuracy: float  # mean of the repeats
    low: float  # 95 % interval of the accuracy (Wilson) at so many images
    high: float
    spread: float  # standard deviation of the accuracy over the repeats
    balanced: float  # mean of the classes' recalls: guessing gives `chance`
    balanced_low: float  # 95 % interval of it
    balanced_high: float
    majority: float  # accuracy of whoever always says the most frequent class
    chance: float  # 1 / classes scored
    recall: dict[int, float]  # by class


@dataclass(frozen=True)
class Weak:
    """A fitted classifier: scores (images, classes) are x @ weights + bias, or kernel(x, support) @ weights + bias."""

    classes: np.ndarray  # (classes,) int64, ascending: what each column stands for
    parameters: dict[str, Any]  # kind, C, balanced (whether classes weigh the same), gamma of an RBF kernel
    weights: np.ndarray  # (features or support, classes) float32
    bias: np.ndarray  # (classes,) float32
    support: np.ndarray | None  # (support, features) float32, of an RBF kernel
    gamma: float  # exp(-gamma * squared distance)
    score: Score | None  # None where no class, or one alone, has two labels


def weak_classifier(vectors: np.ndarray, labels: np.ndarray, seed: int) -> Weak:
    """The classifier that cross-validates best, fitted to all labels.

    vectors: (n, features), of the labelled images; labels: (n,) class indices, of which at least one. Equal inputs give
    an equal classifier, however many threads there are. Kind, C, class weights and gamma are searched for by Optuna's
    TPE for the highest mean recall; the score is of folds that the search has not seen. A class of one label takes part
    but is never scored; where only one class is known, everything is of that class.
    """
    classes, y = np.unique(labels, return_inverse=True)
    kept = _even_part(y, seed)
    x, y = np.asarray(vectors, dtype=np.float64)[kept], y[kept]
    if len(classes) == 1:
        nothing = np.zeros((x.shape[1], 1), np.float32)
        return Weak(classes, {"kind": "constant"}, nothing, np.zeros(1, np.float32), None, 0.0, None)
    mean = x.mean(axis=0)
    scale = float(np.sqrt(((x - mean) ** 2).sum(axis=1).mean())) or 1.0
    x = (x - mean) / scale  # so that one range of C and of gamma serves all encoders
    with threadpool_limits(1), warnings.catch_warnings():
        warnings.simplefilter("ignore", UserWarning)  # not converged; more classes than half the images
        scored = np.flatnonzero(np.bincount(y)[y] >= 2)
        if len(np.unique(y[scored])) < 2:
            parameters, score = dict(START), None
        else:
            parameters = search(x, y, scored, seed)
            score = cross_validate(x, y, scored, parameters, seed, classes)
        weights, bias = fit(inputs(x, parameters), y, parameters)
    return _unscaled(classes, parameters, weights, bias, x, mean, scale, score)


def predict(weak: Weak, pool: Pool) -> np.ndarray:
    """The class that each image of the pool seems to be of, int64 (n,): one of `weak.classes`; by blocks."""

    def block(span: slice) -> np.ndarray:
        x = pool.take(span)
        if weak.support is not None:
            x = _kernel(x, weak.support, weak.gamma)
        return (x @ weak.weights + weak.bias).argmax(axis=1)

    with workers(pool.threads) as each:
        parts = list(each(block, spans(len(pool), BLOCK)))
    return weak.classes[np.concatenate(parts)] if parts else np.empty(0, np.int64)


def search(x: np.ndarray, y: np.ndarray, scored: np.ndarray, seed: int) -> dict[str, Any]:
    """The parameters of the highest mean recall in cross-validation; the first among equals."""
    parts = folds(y, scored, seed)

    def judge(trial: optuna.Trial) -> float:
        parameters = {
            "kind": trial.suggest_categorical("kind", ["logistic", "linear", "rbf"]),
            "C": trial.suggest_float("C", 1e-2, 1e3, log=True),
            "balanced": trial.suggest_categorical("balanced", [True, False]),
        }
        if parameters["kind"] == "rbf":
            parameters["gamma"] = trial.suggest_float("gamma", 0.05, 5, log=True)
        value = mean_recall(y, out_of_fold(x, y, parts, parameters), scored)
        if value == 1:
            trial.study.stop()  # nothing is better
        return value

    trials = max(LEAST_TRIALS, min(TRIALS, WORK // (len(y) * (int(y.max()) + 1))))
    loudness = optuna.logging.get_verbosity()
    optuna.logging.set_verbosity(optuna.logging.WARNING)
    try:
        study = optuna.create_study(direction="maximize", sampler=optuna.samplers.TPESampler(seed=seed))
        study.enqueue_trial(START)
        study.optimize(judge, n_trials=trials)
    finally:
        optuna.logging.set_verbosity(loudness)
    return dict(max(study.trials, key=lambda trial: (trial.value, -trial.number)).params)


def cross_validate(
    x: np.ndarray, y: np.ndarray, scored: np.ndarray, parameters: dict[str, Any], seed: int, classes: np.ndarray
) -> Score:
    """The score of these parameters, by folds other than those of the search."""
    accuracies, recalls = [], []
    for repeat in range(1, REPEATS + 1):
        said = out_of_fold(x, y, parts := folds(y, scored, seed + repeat), parameters)
        accuracies.append(float((said[scored] == y[scored]).mean()))
        recalls.append(_recalls(y, said, scored))
    n = len(scored)
    accuracy = float(np.mean(accuracies))
    recall = {place: float(np.mean([one[place] for one in recalls])) for place in recalls[0]}
    balanced, error = float(np.mean(list(recall.values()))), _error(recall, np.bincount(y[scored]))
    return Score(
        images=n,
        folds=len(parts),
        accuracy=accuracy,
        **dict(zip(("low", "high"), wilson_interval(round(accuracy * n), n), strict=True)),
        spread=float(np.std(accuracies)),
        balanced=balanced,
        balanced_low=max(0.0, balanced - error),
        balanced_high=min(1.0, balanced + error),
        majority=float(np.bincount(y[scored]).max() / n),
        chance=1 / len(recall),
        recall={int(classes[place]): share for place, share in recall.items()},
    )


def folds(y: np.ndarray, scored: np.ndarray, seed: int) -> list[tuple[np.ndarray, np.ndarray]]:
    """(fitted, tested) of each fold: as many as the rarest class with two labels allows, each with all classes in both.
    Images that are not scored are fitted in every fold.
    """
    counts = np.bincount(y[scored])
    splits = StratifiedKFold(min(FOLDS, int(counts[counts > 0].min())), shuffle=True, random_state=seed % 2**32)
    others = np.setdiff1d(np.arange(len(y)), scored)
    return [
        (np.sort(np.concatenate([scored[fitted], others])), scored[tested])
        for fitted, tested in splits.split(scored, y[scored])
    ]


def out_of_fold(
    x: np.ndarray, y: np.ndarray, parts: list[tuple[np.ndarray, np.ndarray]], parameters: dict[str, Any]
) -> np.ndarray:
    """The class that each image seems to be of to a classifier fitted without its fold, (n,); -1 where not tested."""
    matrix = inputs(x, parameters)
    said = np.full(len(y), -1)
    for fitted, tested in parts:
        columns = np.arange(x.shape[1]) if parameters["kind"] == "logistic" else fitted
        weights, bias = fit(matrix[np.ix_(fitted, columns)], y[fitted], parameters)
        said[tested] = (matrix[np.ix_(tested, columns)] @ weights + bias).argmax(axis=1)
    return said


def inputs(x: np.ndarray, parameters: dict[str, Any]) -> np.ndarray:
    """What the classifier is linear in: features (n, features), or the kernel between the images (n, n)."""
    if parameters["kind"] == "logistic":
        return x
    return _kernel(x, x, parameters["gamma"]) if parameters["kind"] == "rbf" else x @ x.T


def fit(matrix: np.ndarray, y: np.ndarray, parameters: dict[str, Any]) -> tuple[np.ndarray, np.ndarray]:
    """Weights (columns of `matrix`, classes) and bias (classes,), all classes being in y; a support vector machine has
    one class against the rest in each column.
    """
    counts = np.bincount(y)
    each = len(y) / (len(counts) * counts[y]) if parameters["balanced"] else np.ones(len(y))
    if parameters["kind"] == "logistic":
        model = LogisticRegression(C=parameters["C"], max_iter=ITERATIONS).fit(matrix, y, each)
        coefficients, bias = model.coef_, model.intercept_
        if len(counts) == 2:  # scikit-learn keeps one column of two
            coefficients, bias = (np.concatenate([-half, half]) for half in (coefficients / 2, bias / 2))
        return coefficients.T, bias
    weights, bias = np.zeros((len(y), len(counts))), np.zeros(len(counts))
    for place in range(len(counts)):
        machine = SVC(C=parameters["C"], kernel="precomputed").fit(matrix, y == place, each)
        weights[machine.support_, place] = machine.dual_coef_[0]
        bias[place] = machine.intercept_[0]
    return weights, bias


def mean_recall(y: np.ndarray, said: np.ndarray, scored: np.ndarray) -> float:
    return float(np.mean(list(_recalls(y, said, scored).values())))


def _recalls(y: np.ndarray, said: np.ndarray, scored: np.ndarray) -> dict[int, float]:
    """Of each class that is scored, the share of its images that are found."""
    truth, right = y[scored], said[scored] == y[scored]
    return {int(place): float(right[truth == place].mean()) for place in np.unique(truth)}


def _error(recall: dict[int, float], counts: np.ndarray) -> float:
    """Half the 95 % interval of the mean of the recalls, from those of each (Wilson); counts: images by class."""
    widths = [np.ptp(wilson_interval(round(share * counts[k]), int(counts[k]))) for k, share in recall.items()]
    return float(np.sqrt(np.square(widths).sum()) / 2 / len(widths))


def _even_part(y: np.ndarray, seed: int) -> np.ndarray:
    """Places of at most FIT_AT_MOST labels, ascending: all, or as many of each class as can be, drawn at random."""
    if len(y) <= FIT_AT_MOST:
        return np.arange(len(y))
    counts = np.bincount(y)
    wanted = np.bincount(even_out(FIT_AT_MOST, [0] * len(counts), counts.tolist()), minlength=len(counts))
    order = np.random.default_rng(seed).permutation(len(y))
    return np.sort(np.concatenate([order[y[order] == place][:count] for place, count in enumerate(wanted)]))


def _kernel(a: np.ndarray, b: np.ndarray, gamma: float) -> np.ndarray:
    """exp(-gamma |a - b|²) of each pair, (len(a), len(b))."""
    return np.exp(-gamma * np.maximum(squares(a)[:, None] + squares(b) - 2 * (a @ b.T), 0))


def _unscaled(
    classes: np.ndarray,
    parameters: dict[str, Any],
    weights: np.ndarray,
    bias: np.ndarray,
    x: np.ndarray,
    mean: np.ndarray,
    scale: float,
    score: Score | None,
) -> Weak:
    """The classifier of x, which is (vectors - mean) / scale, as one of the vectors."""
    if parameters["kind"] == "rbf":
        used = np.flatnonzero(weights.any(axis=1))
        support = (x[used] * scale + mean).astype(np.float32)
        gamma = parameters["gamma"] / scale**2
        return Weak(
            classes, parameters, weights[used].astype(np.float32), bias.astype(np.float32), support, gamma, score
        )
    if parameters["kind"] == "linear":
        weights = x.T @ weights
    weights = weights / scale
    bias = bias - mean @ weights
    return Weak(classes, parameters, weights.astype(np.float32), bias.astype(np.float32), None, 0.0, score)
