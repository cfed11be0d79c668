"""Names of classes as people type them: known ones, and new ones that must not be a known one spelled differently."""

import difflib
import unicodedata
from collections.abc import Sequence

from components.common.labels.answers import is_text
from components.common.names import class_name
from components.labelling.refused import RefusedError
from components.labels.nearest import proposal

LONGEST = 100  # characters of a name
LIKE = 0.8  # of difflib's ratio, from which two names may be one misspelled


def check_class(name: str, classes: Sequence[str]) -> str:
    """`name`, where it is a class."""
    if name in classes:
        return name
    meant = proposal(name, classes) or "; reload the page"
    raise RefusedError(f"class {name[:LONGEST]!r} is not one of the {len(classes):,} of this dataset{meant}", 400)


def check_new(name: str, classes: Sequence[str], sure: bool) -> str:
    """The name of a new class in its plain form. A name that differs from a known one in case, spaces or signs alone is
    refused; one that looks alike is until the person is sure.
    """
    name = " ".join(class_name(name).split())
    if not name or len(name) > LONGEST or not is_text(name) or not name.isprintable():
        raise RefusedError(f"a class has a name of 1 to {LONGEST} characters that can be printed", 400)
    same = next((each for each in classes if _bare(each) == _bare(name)), None)
    if same is not None:
        raise RefusedError(f"class {same!r} is there already", 409)
    bare = {_bare(each): each for each in classes}
    near = difflib.get_close_matches(_bare(name), bare, n=1, cutoff=LIKE)
    if near and not sure:
        raise RefusedError(f"{name!r} looks like {bare[near[0]]!r}", 409)
    return name


def _bare(name: str) -> str:
    """A name without case, accents, spaces and signs; only letters and digits tell classes apart."""
    folded = unicodedata.normalize("NFKD", name.casefold())
    return "".join(letter for letter in folded if letter.isalnum()) or name
