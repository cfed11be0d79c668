"""Whether more labels would pay, from what cheap probes on frozen embeddings make of those at hand."""

from typing import Any

import numpy as np

from components.sample.advice.curve import Belief, belief, fit
from components.sample.advice.probes import Tried, tried

STOP, GO_ON, CANNOT_TELL = "stop", "go on", "cannot tell yet"
WORTH = 0.01  # of the error that twice the labels must take off
SURE = 0.8
FEWEST = 4  # points that a curve is told from
MOST = 5000  # labels, and validation labels, that the probes use: a random part of more
DISTRUST = 0.04  # share of the error by which the law itself may miss a point, per factor of 2 in labels from the last
COMMON = 0.9  # how far the chance of which images were labelled moves all points alike
BEYOND = 100  # times the labels at hand, beyond which no figure is given
RULE = (
    "go on where, with a probability of 0.8 or more, twice the labels take at least one point off the error; stop "
    "where it is 0.2 or less; else cannot tell yet"
)
ABOUT = (
    "errors of a linear probe on frozen embeddings, as a rule above those of the final model; further labels are taken "
    "to be like those at hand"
)


def advise(
    vectors: np.ndarray,
    train_rows: np.ndarray,
    train_labels: np.ndarray,
    validation_rows: np.ndarray,
    validation_labels: np.ndarray,
    seed: int,
    threads: int,
) -> dict[str, Any]:
    """What label_advice.json says: error now, at 2x and 5x labels, a verdict, and what a point of accuracy would cost.

    vectors: (n, features) of unit length, perhaps a memory map; rows: of `vectors`; labels: names or numbers of
    classes. Propagated labels are left out by the caller; calibration and test labels are never asked for. Errors are
    shares of images, intervals hold with 90 %. The same answer on any number of threads: it works on one.
    """
    about: dict[str, Any] = {"format": 1, "labels": len(train_rows), "about": ABOUT, "rule": RULE}
    classes, known = np.unique(np.asarray(train_labels), return_inverse=True)
    train_rows, known = _part(np.asarray(train_rows), known, seed)
    numbers = {name: number for number, name in enumerate(classes.tolist())}
    others = np.array([numbers.get(name, -1) for name in np.asarray(validation_labels).tolist()], np.int64)
    validation_rows, others = _part(np.asarray(validation_rows), others, seed)
    take = (np.asarray(vectors[np.asarray(rows, np.int64)], np.float64) for rows in (train_rows, validation_rows))
    points = tried(next(take), known, next(take), others, len(classes), seed)
    if points is None or len(points.sizes) < FEWEST:
        why = f"{len(train_rows):,} labels of {len(classes):,} classes are too few for a curve"
        return {**about, "verdict": CANNOT_TELL, "why": why, "said": f"{CANNOT_TELL}: {why}"}
    error = points.wrong.mean(axis=(0, 2))
    spread = covariance(points, len(train_rows))
    deviation = np.sqrt(np.diag(spread))
    about["measured"] = {
        "by": points.by,
        "images": points.wrong.shape[2],
        "draws": points.wrong.shape[0],
        "points": [
            {"labels": int(m), "error": _round(e), "deviation": _round(d)}
            for m, e, d in zip(points.sizes, error, deviation, strict=True)
        ],
    }
    best = fit(points.sizes, error, deviation)
    about["fit"] = {name: float(f"{value:.6g}") for name, value in best._asdict().items()}
    return about | _outlook(belief(points.sizes, error, spread, seed), about["labels"], int(points.sizes[0]))


def covariance(points: Tried, labels: int) -> np.ndarray:
    """Of the mean errors, (k, k): by chance of the images that they were tried on, of the order of the draws, and of
    which images were labelled; and what the law of the curve itself is not trusted with.

    A draw of m out of M labels varies less than one of m anew, by the factor 1 - m / M.
    """
    wrong = points.wrong.astype(np.float64)
    draws, _, images = wrong.shape
    by_image = np.atleast_2d(np.cov(wrong.mean(axis=0))) / images
    by_draw = np.cov(wrong.mean(axis=2).T)
    share = points.sizes / labels
    variance = np.diag(by_draw) / np.maximum(1 - share, 0.1)
    if share[-1] == 1:  # all labels: every draw is the same
        variance[-1] = variance[-2] * points.sizes[-2] / points.sizes[-1]
    labelled = np.sqrt(share * variance)
    which = COMMON * np.outer(labelled, labelled) + (1 - COMMON) * np.diag(labelled**2)
    law = DISTRUST * wrong.mean(axis=(0, 2)) * (1 + np.log2(labels / points.sizes))
    return by_image + by_draw / draws + which + np.diag(law**2 + (0.5 / images) ** 2)


def _outlook(known: Belief, labels: int, first: int) -> dict[str, Any]:
    """What the possible curves say of the time to come, in figures and in a sentence. first: labels at which the drawn
    curve begins.
    """
    now, twice, five = (known.at(times * labels) for times in (1, 2, 5))
    chance = float(np.mean(now - twice >= WORTH))
    verdict = GO_ON if chance >= SURE else STOP if chance <= 1 - SURE else CANNOT_TELL
    expected = {
        "now": {"labels": labels, **_interval(now)},
        "twice": {"labels": 2 * labels, **_interval(twice)},
        "five_times": {"labels": 5 * labels, **_interval(five)},
    }
    steps = np.geomspace(first, 5 * labels, 40)
    at, low, high = (expected["twice"][name] for name in ("error", "low", "high"))
    said = (
        f"{verdict}: {labels:,} more would take a linear probe's error from {100 * expected['now']['error']:.1f} % "
        f"to about {100 * at:.1f} % ({100 * low:.1f} to {100 * high:.1f} %)"
    )
    return {
        "verdict": verdict,
        "chance": _round(chance),
        **expected,
        "point": _point(known, labels),
        "curve": [{"labels": _round(m), **_interval(known.at(m))} for m in steps],
        "said": said,
    }


def _point(known: Belief, labels: int) -> dict[str, Any]:
    """Labels beyond those at hand that one more point of accuracy costs; null stands for more than `most`."""
    most = BEYOND * labels
    costs = np.quantile(known.labels_for(labels, 0.01), (0.5, 0.05, 0.95), method="inverted_cdf")
    costs = [int(np.ceil(cost)) if cost <= most else None for cost in costs.tolist()]
    middle, low, high = (f"more than {most:,}" if cost is None else f"{cost:,}" for cost in costs)
    cost = middle if costs[1] is None else f"{'about ' if costs[0] else ''}{middle} ({low} to {high})"
    said = f"one more point of accuracy would cost {cost} labels"
    return {**dict(zip(("labels", "low", "high"), costs, strict=True)), "most": most, "said": said}


def _interval(errors: np.ndarray) -> dict[str, float]:
    low, middle, high = np.clip(np.quantile(errors, (0.05, 0.5, 0.95)), 0, 1)
    return {"error": _round(middle), "low": _round(low), "high": _round(high)}


def _part(rows: np.ndarray, labels: np.ndarray, seed: int) -> tuple[np.ndarray, np.ndarray]:
    """At most MOST of the rows, and their labels."""
    chosen = np.sort(np.random.default_rng(seed).permutation(len(rows))[:MOST])
    return rows[chosen], labels[chosen]


def _round(value: float) -> float:
    return round(float(value), 6)
