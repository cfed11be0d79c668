"""What the figures say, in sentences: the titles of the charts and the first line of the report."""

from collections.abc import Sequence
from typing import Any

import numpy as np

from components.common.data.classes import Classes
from components.common.words import plural, share, whole
from components.evaluate.gates import UNMEASURED


def headline(about: dict[str, Any]) -> str:
    """The result in one sentence, from metrics.json."""
    if not about["images"]:
        return f"Not measured: {UNMEASURED}."
    low = about["accuracy_low"]
    high = about["accuracy_high"]
    return f"{comparison(about)}; the 95 % interval reaches from {100 * low:.1f} to {share(high)}."


def cost(classes: Classes, figures: dict[str, Any]) -> str:
    """Which classes have no training label, and how many test images that costs."""
    lost = figures.get("unlabelled_class_images")
    return classes.told() + ("" if lost is None else f", {lost:,} of {figures['images']:,} test images")


def unlabelled(about: dict[str, Any]) -> str:
    """The same as sentences, from metrics.json; empty where every class has a training label."""
    missing = about["unlabelled_classes"]
    if not missing:
        return ""
    said = (
        f"{len(missing):,} of {len(about['classes']):,} classes have no training label: the model never predicts them"
    )
    if not about["images"]:
        return f"{said}."
    lost = about["unlabelled_class_images"]
    known = about["images"] - lost
    right = round(about["accuracy"] * about["images"])
    rest = f"; of the other {known:,} it is right on {share(right / known)}" if known else ""
    return (
        f"{said}, and their {lost:,} of {about['images']:,} test images count as wrong{rest}. "
        "Label images of these classes in the next round."
    )


def comparison(about: dict[str, Any]) -> str:
    """The final model's accuracy, and how it stands to the warm-up model's."""
    return (
        f"The final model is right on {share(about['accuracy'])} of {about['images']:,} test images, "
        f"{_against_warmup(about)}"
    )


def _against_warmup(about: dict[str, Any]) -> str:
    if about["provenance"]["classifier"]["handed_on"]:
        return "as the warm-up model that it is: pseudo-labels did not improve on it"
    points = 100 * (about["accuracy"] - about["warmup_accuracy"])
    if abs(points) < 0.05:
        return "no better than the warm-up model"
    return f"{abs(points):.1f} points {'above' if points > 0 else 'below'} the warm-up model"


def weakest(names: Sequence[str], f1: np.ndarray) -> str:
    if np.isnan(f1).all():
        return "No class was measured"
    worst = int(np.nanargmin(f1))
    return (
        "Every class is always right"
        if f1[worst] == 1
        else f"The weakest class is {names[worst]}, with an F1 of {share(f1[worst])}"
    )


def most_mistaken(names: Sequence[str], matrix: np.ndarray) -> str:
    mistakes = matrix - np.diag(np.diag(matrix))
    if not mistakes.any():
        return "No test image was mistaken"
    true, said = np.unravel_index(mistakes.argmax(), mistakes.shape)
    return f"Most often, {names[true]} is taken for {names[said]}: {mistakes[true, said]:,} of {matrix[true].sum():,}"


def calibration(about: dict[str, Any]) -> str:
    before = about["ece_before"]
    after = about["ece_after"]
    if about["temperature"] == 1:
        return f"Confidences are off by {100 * before:.1f} points on average; no temperature was applied"
    verb = "lowers" if after < before else "raises"
    return (
        f"A temperature of {about['temperature']:.2f} {verb} the calibration error from {share(before)} to "
        f"{share(after)}"
    )


def kind_of_slice(by: str) -> str:
    """What the images are sliced by, in words."""
    words = {
        "distance": "distance to the nearest training image",
        "arrived": "arrival before or after the champion learned",
    }
    return words.get(by, by)


def weakest_slice(slices: Sequence[dict[str, Any]], accuracy: float) -> str:
    """The slice with the greatest gap below the whole that chance does not explain; slices of few images say little."""
    below = [line for line in slices if not line["small"] and line["high"] < accuracy]
    if not below:
        return "No part of the test images is surely worse than the whole"
    worst = min(below, key=lambda line: line["accuracy"])
    return (
        f"The weakest part is {worst['name']!r}, by {kind_of_slice(worst['by'])}: {share(worst['accuracy'])} of "
        f"{worst['images']:,} images are right, against {share(accuracy)} of all"
    )


def largest_cluster(clusters: Sequence[dict[str, Any]]) -> str:
    top = max(clusters, key=lambda cluster: cluster["images"])
    return (
        f"{whole(top['share'])} of the mistakes lie together: the class is most often {top['label_most']}, "
        f"the answer {top['predicted_most']}"
    )


def forgotten(lost: dict[str, Any]) -> str:
    if not lost["images"]:
        return f"Nothing was forgotten of the {lost['of']:,} images that the champion got right"
    return (
        f"{lost['images']:,} of {lost['of']:,} images that the champion got right are wrong now: "
        f"{share(lost['share'])} (95 % interval {100 * lost['low']:.1f} to {100 * lost['high']:.1f})"
    )


def risk(curve: dict[str, Any]) -> str:
    """What the curve comes to: the mean risk over all coverages, beside that of a perfect order of the same answers."""
    return (
        f"Mean error over all coverages {share(curve['aurc'])}; {share(curve['aurc_best'])} if every mistake were less "
        "sure than every right answer"
    )


def suspects(found: int, shown: int) -> str:
    more = f"; the {shown:,} likeliest are shown" if found > shown else ""
    return f"{found:,} {plural('label', found)} {'looks' if found == 1 else 'look'} wrong{more}"


def pseudolabels(about: dict[str, Any]) -> str:
    """How sure the pseudo-labels became, and how often the taught model says what the warm-up model said."""
    said = f"At the end, {share(about['mask_rate'])} of the guesses were sure enough to teach"
    if about.get("agreement") is None:
        return said
    return f"{said}; on {share(about['agreement'])} of the unlabelled images both models agree"
