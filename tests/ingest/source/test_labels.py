"""Label CSVs: what is read, and the line that a mistake ends in."""

import io
import tempfile
from pathlib import Path

import pytest
from PIL import Image

from components.common.errors import BadInputError
from components.ingest.source.labels import read_csv, read_labels
from components.ingest.source.listing import Entry, Listing
from tests.ingest.source.listed import list_all

KNOWN = ("a.png", "deep/b.png", "c, d.png")


def read(text: str | bytes) -> tuple[dict[str, str], list[str]]:
    """Label by path, and warnings."""
    with tempfile.TemporaryDirectory() as folder:
        listing = Listing(Path(folder), "photos")
        listing.add(Entry(key, key, 0, "") for key in KNOWN)
        read_labels(io.BytesIO(text.encode() if isinstance(text, str) else text), "labels.csv", "photos", listing)
        return dict(listing.db.execute("SELECT path, label FROM csv WHERE label <> '' ORDER BY path")), listing.warnings


def parse(text: str | bytes) -> dict[str, str]:
    return read(text)[0]


def test_labels_by_path() -> None:
    expected = {"a.png": "cat", "deep/b.png": "dog"}
    assert parse("path,label\na.png,cat\ndeep/b.png,dog\n") == expected
    assert parse("\ufefflabel, path ,who\r\ncat,./a.png,me\r\n dog ,deep//b.png,\r\n\r\n") == expected
    assert parse('path,label\n"c, d.png","a ""big"" one"\na.png,\n') == {"c, d.png": 'a "big" one'}
    assert parse("path,label\na.png,cat\na.png,cat\n") == {"a.png": "cat"}


@pytest.mark.parametrize(
    ("text", "message"),
    [
        (
            "path,label\n" + "a.png,cat\n" * 15 + "gone.png,cat\n",
            r"labels\.csv:17: 'gone\.png' is not a file in photos",
        ),
        ("file,label\na.png,cat\n", r"labels\.csv:1: expected the columns path,label; found file,label"),
        ("path|label\na.png|cat\n", r"labels\.csv:1: expected the columns path,label; found path\|label"),
        ("path,label\na.png,cat,dog\n", r"labels\.csv:2: 3 fields, expected 2 as in the header"),
        ("", r"labels\.csv:1: expected the columns path,label; found nothing"),
        ('path,label\na.png,"cat\n', r"labels\.csv:\d: not CSV"),
        (b"path,label\na.png,caf\xe9\n", r"labels\.csv:2: not UTF-8 at byte 9 of the line"),
    ],
)
def test_mistakes_name_the_line(text: str | bytes, message: str) -> None:
    with pytest.raises(BadInputError, match=message):
        parse(text)


def test_a_csv_is_found_here_or_in_the_source(tmp_path: Path, s3_bucket: str) -> None:
    from components.common.storage import open_store

    source = tmp_path / "photos"
    source.mkdir()
    (source / "in.csv").write_bytes(b"in")
    (tmp_path / "out.csv").write_bytes(b"out")

    def found(labels: str, where: str) -> tuple[bytes, str | None]:
        path, inside = read_csv(labels, where, tmp_path / "scratch")
        return path.read_bytes(), inside

    assert found(str(tmp_path / "out.csv"), str(source)) == (b"out", None)
    assert found(str(source / "in.csv"), str(source)) == (b"in", "in.csv")
    assert found("in.csv", str(source)) == (b"in", "in.csv")
    open_store(s3_bucket).write("photos/labels/l.csv", b"far")
    assert found(f"{s3_bucket}/photos/labels/l.csv", f"{s3_bucket}/photos") == (b"far", "labels/l.csv")
    assert found(f"{s3_bucket}/photos/labels/l.csv", str(source)) == (b"far", None)
    assert found("labels/l.csv", f"{s3_bucket}/photos/") == (b"far", "labels/l.csv")
    for labels, where in (
        ("gone.csv", str(source)),
        (f"{s3_bucket}/gone.csv", str(source)),
        ("folder", f"{s3_bucket}/photos"),
    ):
        with pytest.raises(BadInputError, match=f"{labels}: no such file"):
            found(labels, where)


def test_what_is_odd_is_one_line_of_each_kind() -> None:
    _, warnings = read(b"path,label\na.png,cat \na.png,cat\ndeep/b.png,  dog\n")
    assert warnings == [
        "labels.csv:2: label 'cat ' was taken as 'cat', without the white space around it (2 such lines)",
        "labels.csv:3: 'a.png' is here again, equal to line 2; one of them is enough",
    ]
    assert read(b"path,label\na.png,cat\n")[1] == []


@pytest.mark.parametrize("encoding", ["utf-16-le", "utf-32", "latin-1", "cp1252"])
def test_other_encodings_are_one_line(encoding: str) -> None:
    said = r"^labels\.csv:[12]: (not UTF-8 at byte \d+ of the line|holds NUL characters).*; save it as UTF-8 \("
    with pytest.raises(BadInputError, match=said):
        parse("path,label\na.png,café\n".encode(encoding))


def test_a_path_with_different_labels_has_none_and_is_told() -> None:
    labels, warnings = read("path,label\na.png,cat\n\na.png,dog\na.png,cat\ndeep/b.png,\ndeep/b.png,owl\ndeep/b.png,\n")
    assert labels == {"deep/b.png": "owl"}
    assert warnings == ["labels.csv:5: 'a.png' is here again, equal to line 2; one of them is enough"]


def test_contradictions_are_one_line(tmp_path: Path) -> None:
    for name in "abcdefghijkl":
        Image.new("L", (9, 9)).save(tmp_path / f"{name}.png")
    rows = "".join(f"{name}.png,cat\n{name}.png,dog\n" for name in "abcdefghijkl")
    (tmp_path / "l.csv").write_text(f"path,label\n{rows}")
    listed = list_all(str(tmp_path), "l.csv")
    assert {file.label for file in listed.images} == {None}
    (line,) = listed.warnings
    assert line.startswith(
        "l.csv: left without a label, since lines disagree (12): 'a.png' ('cat' in line 2, 'dog' in "
    )
    assert line.endswith("('cat' in line 20, 'dog' in line 21), and 2 more")


def test_old_line_ends_are_read() -> None:
    assert parse("path,label\ra.png,cat\rdeep/b.png,dog\r") == {"a.png": "cat", "deep/b.png": "dog"}
