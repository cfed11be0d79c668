"""Read label tables: CSV as any spreadsheet saves it.

Read: commas, semicolons or tabs, whichever the header has; the encodings and line ends of text.py; quoted fields with
line ends in them; empty lines and rows; a header in any case, with white space around its names; short rows, whose
missing fields are empty. Refused, with the line: rows with more fields than the header, since a separator inside a
field moves all that follow it; columns that are missing or there twice; quotes that do not close, and fields longer
than a line may be.
"""

import csv
from collections.abc import Callable, Collection, Iterator
from typing import IO, NamedTuple

from components.common.errors import BadInputError
from components.common.labels.text import LINE_BYTES, text_lines

SEPARATORS = ",;\t"
SHOWN = 200  # characters of a wrong header that an error repeats


class Table(NamedTuple):
    """The names of the columns in small letters, and the rows: number of the first line, field by column."""

    columns: tuple[str, ...]
    rows: Iterator[tuple[int, dict[str, str]]]


def read_table(
    file: IO[bytes], name: str, *shapes: Collection[str], refused: Callable[[int, str], None] | None = None
) -> Table:
    """A table that has all columns of one of the `shapes`, the first of which errors ask for; rows are read as they are
    needed. refused: called with line and reason for each row that has too many fields, which is left out.

    Raises BadInputError, with file and line, where it is no such table, or nobody wants to know of such a row.
    """
    csv.field_size_limit(LINE_BYTES)  # for the whole process; Python's own limit is below a picture's size
    lines = text_lines(file, name)
    number, header = next(((n, line) for n, line in enumerate(lines, start=1) if line.strip()), (1, ""))
    for separator in SEPARATORS:
        columns = tuple(column.strip().casefold() for column in _fields(header, separator))
        shape = next((shape for shape in shapes if set(shape) <= set(columns)), None)
        if shape is not None:
            break
    else:
        found = header.strip()[:SHOWN] or "nothing"
        raise BadInputError(
            f"{name}:{number}: expected the columns {','.join(shapes[0])}; found {found}; "
            "name them in the first line, with commas, semicolons or tabs between them"
        )
    twice = [column for column in shape if columns.count(column) > 1]
    if twice:
        raise BadInputError(f"{name}:{number}: the column {twice[0]!r} is there twice; keep one")
    return Table(columns, _rows(lines, name, number, columns, separator, refused))


def _fields(header: str, separator: str) -> list[str]:
    return next(csv.reader([header], delimiter=separator), [])


def _rows(
    lines: Iterator[str],
    name: str,
    above: int,
    columns: tuple[str, ...],
    separator: str,
    refused: Callable[[int, str], None] | None,
) -> Iterator[tuple[int, dict[str, str]]]:
    """above: lines that were read before these."""
    reader = csv.reader(lines, delimiter=separator, strict=True)
    while True:
        line = above + reader.line_num + 1
        try:
            fields = next(reader)
        except StopIteration:
            return
        except csv.Error as error:
            raise BadInputError(
                f"{name}:{line}: not CSV ({error}); expected each field that holds a quote or a line end in quotes"
            ) from None
        if not any(field.strip() for field in fields):
            continue
        if any(field.strip() for field in fields[len(columns) :]):
            reason = (
                f"{len(fields)} fields, expected {len(columns)} as in the header; "
                f"put a field that holds {separator!r} in quotes"
            )
            if refused is None:
                raise BadInputError(f"{name}:{line}: {reason}")
            refused(line, reason)
            continue
        padded = fields[: len(columns)] + [""] * (len(columns) - len(fields))
        yield line, dict(zip(columns, padded, strict=True))
