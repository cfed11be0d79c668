"""A classifier on frozen embeddings, fitted to the labels at hand, and what it says of a pool.

Multinomial logistic regression with a normal prior on every weight. Embeddings are centred and scaled first, so that
those with labels lie at a mean squared distance of 1 from their mean: an encoder may keep all images close together.
The fit minimises  sum of cross-entropies + |W|² / (2 PRIOR): a logit of such an image has a prior standard deviation of
about sqrt(PRIOR), whatever the number of features, and the more labels there are, the less the prior counts.
"""

import numpy as np
from scipy.optimize import minimize
from threadpoolctl import threadpool_limits

from components.common.metrics import softmax
from components.common.seeding import seeded
from components.sample.strategies.distances import spans, workers
from components.sample.strategies.pool import BLOCK, Pool

PRIOR = 100.0  # variance of a weight: logits of about 10, so that a probability may be near 1
DROPOUT = 0.5  # share of the features that a draw of MC-dropout leaves out
COPIES = 8  # of each labelled image, each with other features left out, that the classifier with dropout is fitted to
DRAWS = 20  # classifiers that MC-dropout asks


def fit(x: np.ndarray, labels: np.ndarray, classes: int, shares: float = 1.0) -> np.ndarray:
    """Weights, float64 (features + 1, classes), the last row for the constant.

    x: (m, features), unit length; labels: class indices (m,), from 0; shares: what each image counts. The same weights
    on any number of threads.
    """
    x = x.astype(np.float64)
    mean = x.mean(axis=0)
    scale = float(np.sqrt(((x - mean) ** 2).sum(axis=1).mean())) or 1.0
    x = np.hstack([(x - mean) / scale, np.ones((len(x), 1))])
    wanted = np.eye(classes)[labels]

    def loss(flat: np.ndarray) -> tuple[float, np.ndarray]:
        w = flat.reshape(-1, classes)
        z = x @ w
        z -= z.max(axis=1, keepdims=True)
        logs = z - np.log(np.exp(z).sum(axis=1, keepdims=True))
        value = -shares * float((wanted * logs).sum()) + float((w**2).sum()) / (2 * PRIOR)
        return value, (shares * x.T @ (np.exp(logs) - wanted) + w / PRIOR).ravel()

    with threadpool_limits(1):
        start = np.zeros(x.shape[1] * classes)
        found = minimize(loss, start, jac=True, method="L-BFGS-B", options={"maxiter": 1000, "gtol": 1e-6, "ftol": 0})
    weights = found.x.reshape(-1, classes)
    weights[:-1] /= scale
    weights[-1] -= mean @ weights[:-1]
    return weights


def probabilities(pool: Pool, weights: np.ndarray) -> np.ndarray:
    """What the classifier says of every image of the pool, float32 (n, classes)."""
    w = weights.astype(np.float32)
    result = np.empty((len(pool), w.shape[1]), np.float32)

    def ask(span: slice) -> None:
        result[span] = softmax(pool.take(span) @ w[:-1] + w[-1])

    with workers(pool.threads) as each:
        list(each(ask, spans(len(pool), BLOCK)))
    return result


def information(
    pool: Pool, labels: np.ndarray, classes: int, draws: int = DRAWS, dropout: float = DROPOUT
) -> np.ndarray:
    """Mutual information between an image's label and the classifier, by MC-dropout; nats, float32 (n,).

    labels: class indices of `pool.labelled`. Dropout stands between the embedding and the head, in fitting and in
    asking (Gal, Islam and Ghahramani 2017). A draw leaves the same features out for all images: it is one classifier.
    """
    weights = fit_dropped(pool.take(pool.labelled), labels, classes, dropout, pool.seed)
    kept = masks(draws, len(weights) - 1, dropout, pool.seed, "asked")
    drawn = (kept[:, :, None] * weights[:-1]).astype(np.float32)
    constant = weights[-1].astype(np.float32)

    result = np.empty(len(pool), np.float32)

    def ask(span: slice) -> None:
        x = pool.take(span)
        mean, apart = np.zeros((len(x), classes)), np.zeros(len(x))
        for w in drawn:
            p = softmax(x @ w + constant)
            mean += p / draws
            apart += nats(p) / draws
        result[span] = np.maximum(nats(mean) - apart, 0)

    with workers(pool.threads) as each:
        list(each(ask, spans(len(pool), BLOCK)))
    return result


def fit_dropped(x: np.ndarray, labels: np.ndarray, classes: int, dropout: float, seed: int) -> np.ndarray:
    """Weights of a classifier fitted to copies of each image that lack features at random; as `fit`."""
    kept = masks(len(x) * COPIES, x.shape[1], dropout, seed, "fitted")
    return fit(np.repeat(x, COPIES, axis=0) * kept, np.repeat(labels, COPIES), classes, 1 / COPIES)


def masks(count: int, features: int, dropout: float, seed: int, purpose: str) -> np.ndarray:
    """What each feature is multiplied with, (count, features): 0 where it is left out, else the inverse of the share
    that stays.
    """
    kept = seeded(seed, f"dropout {purpose}")[0].random((count, features)) >= dropout
    return kept / (1 - dropout)


def nats(p: np.ndarray) -> np.ndarray:
    """Entropy over the last axis."""
    return -(p * np.log(np.maximum(p, np.finfo(np.float32).tiny))).sum(axis=-1)
