"""Decide whether the new model replaces the warm-up model, by a paired test on validation labels and predictions."""

import numpy as np

RARE = 20  # predictions of a class by the warm-up model, below which its share says little
VANISHED = 0.25  # of that share, below which the class counts as lost


def verdict(
    warm_right: np.ndarray,
    new_right: np.ndarray,
    warm_predicted: np.ndarray,
    new_predicted: np.ndarray,
    classes: list[str],
) -> tuple[bool, str]:
    """Hand on the new model? And why, in a sentence.

    warm_right, new_right: boolean, the same validation images; warm_predicted, new_predicted: class indices of the same
    unlabelled images. The two are compared where they differ: pairs see a difference that two accuracies of fifty
    labels would hide (McNemar 1947).
    """
    lost = vanished(warm_predicted, new_predicted, classes)
    if lost:
        return (
            False,
            f"the new model all but stopped predicting {', '.join(map(repr, lost))}; the warm-up model is handed on",
        )
    fixed = int((new_right & ~warm_right).sum())
    broken = int((warm_right & ~new_right).sum())
    seen = f"of {len(warm_right)} validation images it corrects {fixed} and spoils {broken}"
    if broken > fixed:
        return False, f"the new model is worse: {seen}; the warm-up model is handed on"
    if not len(warm_right):
        return True, "no validation label to compare with; no class vanished from the predictions"
    return True, f"the new model holds: {seen}"


def vanished(warm: np.ndarray, new: np.ndarray, classes: list[str]) -> list[str]:
    """Classes that the new model predicts far less often than the warm-up model did: the sign of confirmation bias run
    wild.
    """
    before, after = (np.bincount(predicted, minlength=len(classes)) for predicted in (warm, new))
    return [name for name, b, a in zip(classes, before, after, strict=True) if b >= RARE and a < VANISHED * b]
