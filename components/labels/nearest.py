"""Propose what somebody may have meant, and list names in a sentence."""

from bisect import bisect_left
from collections.abc import Collection, Sequence
from difflib import get_close_matches
from itertools import islice
from pathlib import PurePosixPath

CUTOFF = 0.5  # share of characters that a proposal must have in common, as difflib counts
LOOKED_AT = 20_000  # paths that are compared: a million take minutes
SHOWN = 10  # names in a sentence
PREFIX = 6  # first characters of an id that say enough
LONG = 80  # characters of a name that an error repeats


def proposal(name: str, names: Collection[str]) -> str:
    """`; did you mean 'cat'?`, or nothing where no name is near."""
    lower = {one.casefold(): one for one in names}
    found = get_close_matches(name.casefold()[:LONG], lower, n=2, cutoff=CUTOFF)
    return f"; did you mean {' or '.join(repr(lower[one]) for one in found)}?" if found else ""


def near_image(name: str, ids: Sequence[str], sources: Sequence[str]) -> str:
    """The same for an image. ids: ascending; sources: paths in the source."""
    start = name[:PREFIX].lower()
    at = bisect_left(ids, start)
    if len(start) == PREFIX and at < len(ids) and ids[at].startswith(start):
        return f"; did you mean the id {ids[at]}?"
    last = PurePosixPath(name.replace("\\", "/")).name.casefold()
    same = islice((one for one in sources if last and PurePosixPath(one).name.casefold() == last), 2)
    if found := list(same):
        return f"; did you mean {' or '.join(map(repr, found))}?"
    return proposal(name, sources[:LOOKED_AT])


def listed(names: Sequence[str]) -> str:
    """The first names, and how many more there are."""
    more = f" and {len(names) - SHOWN:,} more" if len(names) > SHOWN else ""
    return ", ".join(map(repr, names[:SHOWN])) + more
