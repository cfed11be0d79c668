"""Check the cluster assumption: whether what lies together in the embeddings has the same label, as propagated labels
and pseudo-labels take for granted (Chapelle and Zien 2005).
"""

from typing import Any

import numpy as np

from components.common.metrics import wilson_interval
from components.sample.weak import Weak

LEAST = 10  # labelled images that a figure is judged by
MOST = 2000  # labelled images that are compared with each other; of more, evenly spaced ones
AGREE, DISAGREE, UNKNOWN = VERDICTS = ("agree", "disagree", "cannot tell yet")
ADVICE = "label more before pseudo-labelling"


def assumption(vectors: np.ndarray, labels: np.ndarray, clusters: np.ndarray, weak: Weak) -> dict[str, Any]:
    """Whether clusters and labels agree, with the figures and in a sentence.

    vectors: (m, features) of unit length, of the images labelled for training by people; labels: (m,) class indices;
    clusters: (m,) the cluster of each, from a clustering of the whole pool into no fewer clusters than classes; weak:
    the classifier fitted to them.

    Returns `verdict` (one of VERDICTS), `sentence`, and three figures, null where nothing can be said: `classifier`
    (cross-validation of `weak`), `neighbours` (images whose nearest labelled image is of their class) and `clusters`
    (mean share of the labelled images in an image's cluster that are of its class); each with the 95 % interval and
    what guessing would give. They disagree where the classifier is no better than guessing, or where one of the figures
    is below a half.
    """
    some = np.unique(np.linspace(0, len(labels) - 1, min(len(labels), MOST)).astype(np.int64))
    figures = {
        "classifier": judged(weak),
        "neighbours": neighbours(np.asarray(vectors[some], np.float32), labels[some]),
        "clusters": shared_clusters(labels[some], clusters[some]),
    }
    known = {name: figure for name, figure in figures.items() if figure and figure["images"] >= LEAST}
    doubted = [name for name, figure in known.items() if figure["share"] < 0.5 or figure["low"] <= figure["chance"]]
    if "classifier" not in known:
        scored = figures["classifier"]["images"] if figures["classifier"] else 0
        told = f"{scored} labelled images of classes with two labels or more, and at least {LEAST} are needed"
        return {
            "verdict": UNKNOWN,
            "sentence": f"Whether clusters and labels agree cannot be told yet: {told}.",
            **figures,
        }
    if doubted:
        told = "; ".join(_told(name, known[name]) for name in doubted)
        return {"verdict": DISAGREE, "sentence": f"Clusters and labels disagree: {told}; {ADVICE}.", **figures}
    told = "; ".join(_told(name, figure) for name, figure in known.items())
    return {"verdict": AGREE, "sentence": f"Clusters and labels agree: {told}.", **figures}


def judged(weak: Weak) -> dict[str, Any] | None:
    """The classifier's mean recall in cross-validation, and beside it the accuracy."""
    score = weak.score
    if score is None:
        return None
    return {
        **_figure(score.images, score.balanced, (score.balanced_low, score.balanced_high), score.chance),
        "kind": weak.parameters["kind"],
        "folds": score.folds,
        "spread": round(score.spread, 4),
        "accuracy": round(score.accuracy, 4),
        "accuracy_low": round(score.low, 4),
        "accuracy_high": round(score.high, 4),
        "majority": round(score.majority, 4),
    }


def neighbours(x: np.ndarray, labels: np.ndarray) -> dict[str, Any] | None:
    """Share of the images whose nearest other one has their label; those of a class with a single label are left out.

    x: (m, features) of unit length. Of equally near ones the first counts.
    """
    counts = np.bincount(labels)[labels]
    asked = np.flatnonzero(counts >= 2)
    if not len(asked):
        return None
    likeness = x @ x.T
    np.fill_diagonal(likeness, -np.inf)
    same = labels[likeness[asked].argmax(axis=1)] == labels[asked]
    return _share(same.astype(float), (counts[asked] - 1) / (len(labels) - 1))


def shared_clusters(labels: np.ndarray, clusters: np.ndarray) -> dict[str, Any] | None:
    """Mean share of the other labelled images in an image's cluster that have its label; images alone in their cluster,
    or of their class, are left out.
    """
    counts = np.bincount(labels)[labels]
    _, cluster = np.unique(clusters, return_inverse=True)
    pairs = cluster * (labels.max() + 1) + labels
    others = np.bincount(cluster)[cluster] - 1
    asked = np.flatnonzero((counts >= 2) & (others > 0))
    if not len(asked):
        return None
    alike = np.bincount(pairs)[pairs] - 1
    return _share(alike[asked] / others[asked], (counts[asked] - 1) / (len(labels) - 1))


def _share(of_each: np.ndarray, by_chance: np.ndarray) -> dict[str, Any]:
    n, share = len(of_each), float(of_each.mean())
    return _figure(n, share, wilson_interval(round(share * n), n), float(by_chance.mean()))


def _figure(images: int, share: float, interval: tuple[float, float], chance: float) -> dict[str, Any]:
    """Shares to four digits: files that people read hold them."""
    low, high = interval
    shares = {"share": share, "low": low, "high": high, "chance": chance}
    return {"images": images, **{name: round(value, 4) for name, value in shares.items()}}


def _told(name: str, figure: dict[str, Any]) -> str:
    """A figure in words."""
    what = {
        "classifier": "in cross-validation a classifier finds {} of a class on average",
        "neighbours": "{} of the images have their nearest labelled image in their own class",
        "clusters": "{} of the labelled images that share a cluster are of the same class",
    }[name]
    interval = f"95 % interval {100 * figure['low']:.0f} to {100 * figure['high']:.0f}"
    of = f"({interval}; {figure['images']:,} images; guessing gives {100 * figure['chance']:.0f} %)"
    share = f"{100 * figure['share']:.0f} %"
    return f"{what.format(share)} {of}"
