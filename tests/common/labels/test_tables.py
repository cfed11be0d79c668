"""The reader of label tables: what spreadsheets write is read, and each mistake is one line with its place."""

import csv
import io
import tempfile
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from components.common.errors import BadInputError
from components.common.labels import text
from components.common.labels.tables import read_table
from components.common.labels.text import LINE_BYTES, text_lines, whole_text
from components.common.names import class_name
from components.ingest.source.labels import read_labels
from components.ingest.source.listing import Entry, Listing
from components.sample.answers import file_answers

REMEDY = r"save it as UTF-8 \(in Excel: CSV UTF-8\)"


def read(data: str | bytes, *columns: str) -> list[tuple[int, dict[str, str]]]:
    file = io.BytesIO(data.encode() if isinstance(data, str) else data)
    return list(read_table(file, "t.csv", columns or ("path", "label")).rows)


def fields(data: str | bytes) -> list[list[str]]:
    return [list(row.values()) for _, row in read(data)]


@pytest.mark.parametrize(
    "data",
    [
        "path;label\na.png;cat\n",
        "path\tlabel\r\na.png\tcat\r\n",
        "\n  \nPATH , Label\n\na.png,cat\n,\n  ,\n",
        '"path";"label"\n"a.png";"cat"\n',
        "\ufeffpath,label\ra.png,cat\r",
        "path,label\na.png,cat,,\n",  # cells to the right that once held something
        b"\xff\xfe" + "path\tlabel\r\na.png\tcat\r\n".encode("utf-16-le"),  # Excel's Unicode text
        b"\xfe\xff" + "path;label\na.png;cat".encode("utf-16-be"),
    ],
)
def test_tables_as_spreadsheets_write_them(data: str | bytes) -> None:
    assert fields(data) == [["a.png", "cat"]]


def test_rows_know_the_line_on_which_they_begin() -> None:
    data = '\npath,label,why\n\na.png,cat,"two\nlines"\r\n;,dog\n'
    assert read(data) == [
        (4, {"path": "a.png", "label": "cat", "why": "two\nlines"}),
        (6, {"path": ";", "label": "dog", "why": ""}),
    ]


@pytest.mark.parametrize(
    ("data", "said"),
    [
        ("", r"t\.csv:1: expected the columns path,label; found nothing; name them in the first line, with commas, "),
        ("\n\nfile|label\n", r"t\.csv:3: expected the columns path,label; found file\|label; name them "),
        ("path,label,Label\n", r"t\.csv:1: the column 'label' is there twice; keep one$"),
        ("path,label\nx,cat\na,b.png,cat\n", r"t\.csv:3: 3 fields, expected 2 as in the header; put a field that "),
        ('path,label\n\na,"b\n', r"t\.csv:3: not CSV \(unexpected end of data\); expected each field that holds a "),
        ('path,label\na,"b"c\n', r"t\.csv:2: not CSV \(',' expected after '\"'\); expected each field that holds a "),
        (b"path,label\ra,b\rc,\xe9\r", rf"t\.csv:3: not UTF-8 at byte 2 of the line; {REMEDY}$"),
        ("path,label\na\0,b\n", rf"t\.csv:2: holds NUL characters, as UTF-16 without its mark does; {REMEDY}$"),
        ("path,label\na,b\n".encode("utf-32"), rf"t\.csv:1: holds NUL characters, .*; {REMEDY}$"),
        ("path,label\na,b\n".encode("utf-16-le"), rf"t\.csv:1: holds NUL characters, .*; {REMEDY}$"),
        ("path,label\na,b\n".encode("utf-16")[:-1], rf"t\.csv: begins as UTF-16 and is not; {REMEDY}$"),
        (b"PK\x03\x04\x14\0", r"t\.csv: a workbook or an archive, expected text; save it as CSV \(in Excel: CSV UTF-8"),
    ],
)
def test_each_mistake_is_one_line_with_its_place(data: str | bytes, said: str) -> None:
    with pytest.raises(BadInputError, match=f"^{said}") as error:
        read(data)
    assert "\n" not in str(error.value)


def test_long_fields_are_read_and_endless_lines_are_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    assert fields("path,label\n" + "a" * 300_000 + ",cat\n") == [["a" * 300_000, "cat"]]
    monkeypatch.setattr(text, "PIECE", 16)
    monkeypatch.setattr(text, "LINE_BYTES", 64)
    with pytest.raises(
        BadInputError, match=r"^t\.csv:2: a line of more than 64 bytes; expected a table with one entry"
    ):
        read("path,label\n" + "a" * 100 + ",cat\n")
    assert LINE_BYTES > 1 << 20


@given(st.text(alphabet="aé\U0001f600\r\n", max_size=200), st.sampled_from(["utf-8", "utf-8-sig", "utf-16"]))
def test_lines_do_not_depend_on_how_the_file_is_cut_into_pieces(whole: str, encoding: str) -> None:
    expected = list(io.StringIO(whole, newline=""))
    with pytest.MonkeyPatch.context() as patch:
        for piece in (1, 2, 3, 7, 1 << 20):
            patch.setattr(text, "PIECE", piece if encoding == "utf-8" else piece + 3)  # a mark comes in one piece
            assert list(text_lines(io.BytesIO(whole.encode(encoding)), "t")) == expected
    assert whole_text(whole.encode(encoding), "t") == whole


@pytest.mark.parametrize(
    ("data", "said"),
    [
        (b"[\n\xe9]", rf"e\.json:2: not UTF-8 at byte 2 of the file; {REMEDY}$"),
        (b"[\0]", rf"e\.json: holds NUL characters, .*; {REMEDY}$"),
        (b"PK\x03\x04", r"e\.json: a workbook or an archive"),
    ],
)
def test_a_whole_file_that_is_no_text_is_one_line(data: bytes, said: str) -> None:
    with pytest.raises(BadInputError, match=f"^{said}"):
        whole_text(data, "e.json")


CELLS = st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\0"), min_size=1, max_size=12)


@settings(max_examples=50)
@given(
    labels=st.lists(CELLS.filter(lambda cell: bool(class_name(cell))), min_size=1, max_size=5),
    separator=st.sampled_from(",;\t"),
    end=st.sampled_from(["\n", "\r\n", "\r"]),
    encoding=st.sampled_from(["utf-8", "utf-8-sig", "utf-16"]),
    quoting=st.sampled_from([csv.QUOTE_MINIMAL, csv.QUOTE_ALL]),
)
def test_both_users_read_what_any_spreadsheet_writes(
    labels: list[str], separator: str, end: str, encoding: str, quoting: Any
) -> None:
    """One file with the columns of both: what ingest says of a path and sample of an id is what was written."""
    if quoting == csv.QUOTE_MINIMAL:  # Python 3.11 leaves line ends other than its own without quotes
        labels = [" ".join(label.splitlines()) for label in labels]
    ids = [f"{number:064x}" for number in range(len(labels))]
    written = io.StringIO(newline="")
    writer = csv.writer(written, delimiter=separator, lineterminator=end, quoting=quoting)
    writer.writerow([" ID ", "path", "Label", "note"])
    writer.writerows([image, f"{image}.png", label, "“,;\t"] for image, label in zip(ids, labels, strict=True))
    with tempfile.TemporaryDirectory() as name:
        path = Path(name) / "labels.csv"
        path.write_bytes(written.getvalue().encode(encoding))
        listing = Listing(Path(name), "photos")
        listing.add(Entry(f"{image}.png", f"{image}.png", 0, "") for image in ids)
        with path.open("rb") as file:
            read_labels(file, "labels.csv", "photos", listing)
        by_path = [label for (label,) in listing.db.execute("SELECT label FROM csv ORDER BY path")]
        by_row = file_answers(Unlabelled(ids), str(path)).given  # type: ignore[arg-type]
    assert by_path == [class_name(label) for label in labels]
    assert [by_row[row].label for row in range(len(ids))] == by_path


class Unlabelled:
    """As much of a dataset as answers are checked against: ids, and no classes yet."""

    name, classes = "photos", ()

    def __init__(self, ids: list[str]) -> None:
        self.ids = ids

    def column(self, name: str) -> list[str]:
        assert name == "id"
        return self.ids
