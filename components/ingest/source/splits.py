"""The split of a single image; version/groups.py decides for groups of near-duplicates."""

from components.common.artifacts import CALIBRATION, TEST, TRAIN, VALIDATION
from components.common.data.splits import split_of

GIVEN = {
    "train": TRAIN,
    "test": TEST,
    "val": VALIDATION,
    "valid": VALIDATION,
    "validation": VALIDATION,
    "calibration": CALIBRATION,
}
# given splits that keep an image which lies elsewhere too, the first before the others
HELD_OUT = (TEST, CALIBRATION, VALIDATION)


def precedence(given: str | None) -> int:
    """Which copy of a duplicate is kept: the lowest."""
    return HELD_OUT.index(given) if given in HELD_OUT else len(HELD_OUT)


def split_for(image: str, given: str | None, brought: frozenset[str]) -> str:
    """Split of an image: a given held-out split stays; all else follows the md5 rule, and what would fall in a split
    that the source brings itself is for training, so that a given test set is the whole of it.
    """
    if given in HELD_OUT:
        return given
    split = split_of(image)
    return TRAIN if split in brought else split


def is_split(folder: str) -> bool:
    """Whether a folder is called like a split."""
    return folder.lower() in GIVEN


def split_folders(tops: set[str]) -> dict[str, str]:
    """The top folders that are splits: where nothing else lies at the top, or where there are two of them."""
    named = {top: GIVEN[top.lower()] for top in tops if is_split(top)}
    return named if len(named) == len(tops) or len(named) > 1 else {}
