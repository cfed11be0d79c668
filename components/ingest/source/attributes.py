"""The columns of a table of images that ingest itself does not need: attributes of the images."""

import json
from collections.abc import Iterable, Mapping, Sequence

NEEDED = ("uri", "label", "text")
TAKEN = ("id", "path", "split")  # names by which datasets know other things
MOST = 32  # columns that are kept: a table of features is no table of attributes


def attribute_columns(columns: Iterable[str]) -> tuple[tuple[str, ...], list[str]]:
    """Names of the columns that are kept, in their order, and a warning about those that are not."""
    others = [name for name in dict.fromkeys(columns) if name and name not in NEEDED]
    kept = [name for name in others if name not in TAKEN]
    warnings = []
    taken = [name for name in others if name in TAKEN]
    if taken:
        warnings.append(
            f"not kept as attributes, since datasets know other things by these names: {', '.join(taken)}; "
            "rename the columns to keep them"
        )
    if len(kept) > MOST:
        warnings.append(
            f"of {len(kept)} columns beside {', '.join(NEEDED)} the first {MOST} are kept as attributes; "
            f"left out: {kept[MOST]} and what follows"
        )
    return tuple(kept[:MOST]), warnings


def as_told(columns: Sequence[str], row: Mapping[str, str]) -> str | None:
    """What a row says of an image, as text: a JSON list in the order of the columns; None where it says nothing."""
    values = [row.get(name, "").strip() or None for name in columns]
    return json.dumps(values, ensure_ascii=False) if any(values) else None


def agreed(one: str | None, other: str | None) -> str | None:
    """What two rows say together of one image; where they differ, false, which no third row changes."""
    if one is None or other is None or one == other:
        return one if other is None else other
    pairs = zip(json.loads(one), json.loads(other), strict=True)
    values = [b if a is None else a if b is None or a == b else False for a, b in pairs]
    return json.dumps(values, ensure_ascii=False)


def values_of(told: str | None, columns: Sequence[str]) -> list[str | None]:
    """A value for each column; None where nothing is said, or several things."""
    return [value or None for value in json.loads(told)] if told else [None] * len(columns)
