"""What ingest refuses: unreadable files and hostile names, each with its reason."""

import os
from pathlib import Path

import pytest

from components.common.errors import BadInputError
from tests.ingest.test_ingest import PETS, by_source, fill, ingest, picture


def test_refusals_are_listed_and_stop_nothing(tmp_path: Path) -> None:
    jpeg = picture(1, "JPEG", (64, 64))
    files = {
        "a/good.png": picture(2),
        "a/cut.jpg": jpeg[: len(jpeg) // 2],
        "a/empty.png": b"",
        "a/text.gif": b"hello",
        "a/large.png": picture(3, "PNG", (60, 60)),
        'a/<script>alert("x")<b>.png': b"no",
        "notes.txt": b"",
    }
    source = fill(tmp_path / "pets", files)
    (tmp_path / "pets" / "a" / os.fsdecode(b"\xff.png")).write_bytes(picture(4))
    (tmp_path / "pets" / "a" / "gone.png").symlink_to("nowhere.png")
    dataset, figures, html = ingest(source, tmp_path, max_pixels=3000, processes=2)
    assert list(by_source(dataset)) == ["a/good.png"]
    assert figures["refused"] == 7
    for name, reason in (
        ("a/cut.jpg", "more than 3000 pixels: 64 x 64"),
        ("a/empty.png", "empty file"),
        ("a/text.gif", "not a JPEG"),
        ("a/large.png", "more than 3000 pixels: 60 x 60"),
        ("a/gone.png", "not there: a broken link"),
        ("a/\\xff.png", "its name is not UTF-8"),
        ("a/&lt;script&gt;alert(&quot;x&quot;)&lt;b&gt;.png", "not a JPEG"),
    ):
        assert f"<tr><td>{name}</td><td>{reason}" in html
    assert "1 .txt" in html
    assert "<script" not in html


def test_a_hostile_class_name_is_escaped(tmp_path: Path) -> None:
    dataset, _, html = ingest(
        fill(tmp_path / "pets", {"<script>x/a.png": picture(1), "b&c/b.png": picture(2)}), tmp_path
    )
    assert dataset.classes == ("<script>x", "b&c")
    assert "&lt;script&gt;x" in html
    assert "b&amp;c" in html
    assert "<script" not in html


def test_nothing_readable_stops_the_run_and_publishes_nothing(tmp_path: Path) -> None:
    source = fill(tmp_path / "pets", {"a/b.png": b"x", "a/c.jpg": b""})
    with pytest.raises(BadInputError, match=r"none of its 2 images can be read; a/b\.png: not a JPEG"):
        ingest(source, tmp_path)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["pets", "store"]
    assert {path.name for path in (tmp_path / "store" / "datasets" / "pets").iterdir()} == {"plans"}


@pytest.mark.parametrize("name", ["", "../up", "a/b", ".hidden", "a b"])
def test_a_name_must_fit_into_an_object_name(tmp_path: Path, name: str) -> None:
    with pytest.raises(BadInputError, match="expected letters"):
        ingest(fill(tmp_path / "pets", PETS), tmp_path, name=name)
