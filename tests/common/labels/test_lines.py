"""Files of answers, entry by entry: what each form says of who, when, and what is open."""

import io
import json
import struct
import zipfile
from datetime import UTC, datetime
from pathlib import Path

import pytest

from components.common.errors import BadInputError
from components.common.files import sha256_bytes
from components.common.labels.answers import CLASS, NONE, OPEN, SKIP, Line
from components.common.labels.lines import read_lines

EXPORTS = Path(__file__).parent / "exports"
MARCH = datetime(2026, 3, 1, 12, tzinfo=UTC)


def read(folder: Path, data: str | bytes, name: str = "a") -> list[Line]:
    path = folder / "file"
    path.write_bytes(data if isinstance(data, bytes) else data.encode())
    return read_lines(path, name)


def zipped(*members: tuple[str, bytes]) -> bytes:
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, data in members:
            archive.writestr(name, data)
    return file.getvalue()


def test_a_table_says_who_when_and_in_which_round(tmp_path: Path) -> None:
    table = (
        "\ufeffID;Label;Annotator;Time;Round\r\n"
        "x;cat; Ann  B ;2026-03-01T13:00:00+01:00;3\r\n"
        "\r\n"
        "y;;;;\r\n"
        "z;skip;;2026-03-01 12:00;\r\n"
    )
    assert read(tmp_path, table) == [
        Line("a:2", "x", "cat", "", "Ann B", MARCH, 3),
        Line("a:4", "y", "", OPEN),
        Line("a:5", "z", "skip", "", "", MARCH),
    ]


def test_a_column_says_what_kind_of_answer_it_is(tmp_path: Path) -> None:
    table = "id,label,answer\nx,skip,class\ny,,none\nz,,Skip\nw,,open\n"
    assert [(one.label, one.kind) for one in read(tmp_path, table)] == [
        ("skip", CLASS),
        ("", NONE),
        ("", SKIP),
        ("", OPEN),
    ]


def test_paths_may_stand_in_place_of_ids(tmp_path: Path) -> None:
    assert read(tmp_path, "source,label\nin/1.png,cat\n") == [Line("a:2", "in/1.png", "cat")]


@pytest.mark.parametrize(
    ("row", "wrong"),
    [
        ("x,cat,maybe,,", "answer 'maybe' is not one of class, none, skip, open"),
        ("x,,class,,", "answer `class` and no label"),
        ("x,cat,skip,,", "answer 'skip' and the label 'cat'; expected one of them"),
        (",cat,,,", "no id"),
        ("x,cat,,yesterday,", "time 'yesterday' is none; expected ISO 8601, such as 2026-03-01T12:00:00Z"),
        ("x,cat,,,0", "round '0' is no number from 1 to 9999"),
        ("x,cat,,,²", "round '²' is no number from 1 to 9999"),
        ("x,cat,,,,,7", "7 fields, expected 5 as in the header; put a field that holds ',' in quotes"),
    ],
)
def test_a_row_that_is_not_understood_is_told_and_the_others_are_read(tmp_path: Path, row: str, wrong: str) -> None:
    lines = read(tmp_path, f"id,label,answer,time,round\n{row}\ny,dog,,,\n")
    assert sorted(one.wrong for one in lines) == ["", wrong]


def test_objects_are_rows(tmp_path: Path) -> None:
    entries = [{"id": "x", "label": "cat", "annotator": "ann"}, {"id": "y", "label": 3}, {"id": "z", "label": None}]
    expected = [("x", "cat", ""), ("y", "3", ""), ("z", "", OPEN)]
    for text in (json.dumps(entries), "\n".join(map(json.dumps, entries))):
        assert [(one.image, one.label, one.kind) for one in read(tmp_path, text)] == expected


@pytest.mark.parametrize(("name", "skipped", "opened"), [("json.json", "D", "EF"), ("json-min.json", "", "EF")])
def test_label_studio_tells_what_was_skipped_and_what_is_open(name: str, skipped: str, opened: str) -> None:
    """Six tasks, 1.23.2: A of one person, B and C of two, D skipped, E not opened, F submitted without a choice."""
    lines = read_lines(EXPORTS / name, name)
    assert "".join(sorted(one.image[0] for one in lines if one.kind == SKIP)) == skipped
    assert "".join(sorted({one.image[0] for one in lines if one.kind == OPEN})) == opened
    assert sorted((one.image[0], one.label, one.annotator) for one in lines if not one.kind) == [
        ("A", "3", "1"),
        ("B", "7", "1"),
        ("B", "7", "4"),
        ("C", "3", "1"),
        ("C", "7", "4"),
    ]
    assert {one.time.date().isoformat() for one in lines if one.time} == {"2026-11-27"}


def test_tables_of_label_studio_say_the_same() -> None:
    for name in ("csv.csv", "tsv.tsv"):
        lines = read_lines(EXPORTS / name, name)
        assert sorted(one.image[0] + one.label for one in lines if not one.kind) == ["A3", "B7", "B7", "C3", "C7"]
        assert all(one.time for one in lines if not one.kind)


def test_annotations_of_other_kinds_and_of_unknown_images_are_told(tmp_path: Path) -> None:
    box = {"result": [{"from_name": "box", "value": {"x": 1}}]}
    cat = {"result": [{"from_name": "choice", "value": {"choices": ["cat"]}}]}
    tasks = [
        {"data": {"id": "x"}, "annotations": [box]},
        {"data": {"image": "x.png"}, "annotations": [cat]},
        {"data": {"id": "y"}, "annotations": [cat]},
    ]
    wrong = [one.wrong for one in read(tmp_path, json.dumps(tasks))]
    assert wrong[0] == "an answer of a kind that is no class; expected a choice"
    assert wrong[1].startswith("not as Label Studio exports it (KeyError: 'id'); expected data.image_id")
    assert wrong[2] == ""


def test_class_folders_are_read_from_a_folder_and_a_zip(tmp_path: Path) -> None:
    files = {"cat/a.png": b"1", "dog/deep/b.png": b"2", "no_label/c.png": b"3", "d.png": b"4"}
    beside = {"synsets.txt": b"cat", ".git/x": b"", "cat/.DS_Store": b"", "__MACOSX/cat/a.png": b""}
    for name, data in (files | beside).items():
        (tmp_path / "in" / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / "in" / name).write_bytes(data)
    folder = read_lines(tmp_path / "in", "in")
    assert [(one.where, one.image, one.label, one.kind, one.digest, one.wrong) for one in folder] == [
        ("in:cat/a.png", "cat/a.png", "cat", "", sha256_bytes(b"1"), ""),
        ("in:d.png", "d.png", "", "", sha256_bytes(b"4"), "lies in no class folder; expected CLASS/FILE"),
        ("in:dog/deep/b.png", "dog/deep/b.png", "dog", "", sha256_bytes(b"2"), ""),
        ("in:no_label/c.png", "no_label/c.png", "no_label", OPEN, sha256_bytes(b"3"), ""),
    ]
    archive = read(tmp_path, zipped(*(files | beside).items()), "in")
    assert sorted(archive) == sorted(folder)


def test_the_annotations_in_a_zip_of_cvat_are_read(tmp_path: Path) -> None:
    xml = b"<annotations><image name='1.png'><tag label='cat'/></image></annotations>"
    data = zipped(("images/1.png", b"pixels"), ("annotations.xml", xml))
    assert read(tmp_path, data) == [Line("a:annotations.xml: image 1", "1.png", "cat")]


def test_hostile_members_are_refused_and_nothing_is_written(tmp_path: Path) -> None:
    link = zipfile.ZipInfo("cat/link.png")
    link.external_attr = 0o120777 << 16
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("cat/../../out.png", b"x")
        archive.writestr("/cat/root.png", b"x")
        archive.writestr(link, b"/etc/passwd")
        archive.writestr("cat/good.png", b"good")
    wrong = {one.image: one.wrong for one in read(tmp_path, file.getvalue())}
    assert wrong == {
        "cat/../../out.png": "its name leads out of its archive",
        "/cat/root.png": "an absolute name in an archive",
        "cat/link.png": "a link in an archive",
        "cat/good.png": "",
    }
    assert [path.name for path in tmp_path.iterdir()] == ["file"]


def test_a_bomb_is_refused_unread(tmp_path: Path) -> None:
    with pytest.raises(BadInputError, match=r"^a: a bomb: unpacks to more than 200 times its size$"):
        read(tmp_path, zipped(("annotations.xml", bytes(90_000_000))))


def liar() -> bytes:
    """A zip whose member is not the one that its checksum promises."""
    data = bytearray(zipped(("cat/a.png", b"some bytes")))
    at = data.rindex(b"PK\x01\x02") + 16
    data[at : at + 4] = struct.pack("<I", 1)
    return bytes(data)


@pytest.mark.parametrize(
    ("data", "said"),
    [
        (b"PK\x03\x04 and nothing more", r"a: broken archive: File is not a zip file; export it again"),
        (zipped(("xl/a.xml", b""), ("[Content_Types].xml", b"")), r"a: a workbook, expected text; save it as CSV"),
        (zipped(), r"a: holds no files in class folders; expected CLASS/FILE"),
        (zipped(("annotations.xml", b"<a/>")), r"a:annotations\.xml:1: begins with <a>; expected an export of CVAT"),
        (b"", r"a:1: expected the columns id,label; found nothing"),
        (b"label,name\ncat,x\n", r"a:1: expected the columns id,label; found label,name; name them in the first line"),
        (b'id,label\nx,"cat\n', r"a:2: not CSV"),
        (b"[1, 2", r"a:1: not JSON"),
        (b"\xff\xfe", r"a:1: expected the columns"),
    ],
)
def test_a_file_that_is_none_of_these_is_one_line(tmp_path: Path, data: bytes, said: str) -> None:
    with pytest.raises(BadInputError, match=f"^{said}") as error:
        read(tmp_path, data)
    assert "\n" not in str(error.value)


def test_a_member_that_unpacks_to_something_else_is_refused(tmp_path: Path) -> None:
    assert read(tmp_path, liar())[0].wrong == "it does not unpack to the bytes that its archive promises"


def test_files_that_cannot_be_read_are_told(tmp_path: Path) -> None:
    with pytest.raises(
        BadInputError, match=r"^a: cannot be read: No such file or directory; expected a file or folder"
    ):
        read_lines(tmp_path / "nowhere", "a")
    (tmp_path / "empty").mkdir()
    with pytest.raises(BadInputError, match=r"^a: holds no files in class folders"):
        read_lines(tmp_path / "empty", "a")
