"""A lineage as text: a line that says what it is of, then facts, and a table of each thing that is known of it."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any, NamedTuple

from components.releases.deciding.listing import table_lines


class Section(NamedTuple):
    """A table. Its columns are the keys of its rows, underscores for spaces."""

    title: str
    rows: Sequence[Mapping[str, Any]]
    nothing: str = "none"  # what is said where there are no rows


def lines_of(
    first: str, facts: Mapping[str, Any], sections: Iterable[Section], unknown: Sequence[str] = ()
) -> Iterator[str]:
    """What is printed. facts: by name, empty ones are left out; unknown: sentences about what nobody knows."""
    yield first
    told = {name: value for name, value in facts.items() if value not in (None, "")}
    width = max(map(len, told), default=0)
    yield from (f"  {name:<{width}}  {value}" for name, value in told.items())
    for section in sections:
        if not section.rows:
            yield f"\n{section.title}: {section.nothing}"
            continue
        yield f"\n{section.title}"
        names = [name.replace("_", " ") for name in section.rows[0]]
        yield from (f"  {line}" for line in table_lines(names, [dict(row) for row in section.rows]))
    if unknown:
        yield "\nnot known"
        yield from (f"  {sentence}" for sentence in unknown)
