"""The stream that changes from week to week: what changes when, each image once, the same files every time."""

import csv
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from components.common.errors import BadInputError
from components.common.files import sha256_tree
from components.ingest import example
from components.ingest.drifting import NEW, SWELLING, TRUTH, TURNED, WEEKS, parts, shares, turned, write_stream


def digits() -> tuple[np.ndarray, np.ndarray]:
    """400 pictures that differ, of ten classes."""
    labels = np.arange(400) % 10
    pixels = np.zeros((400, 8, 8), np.uint8)
    pixels[:, 3, 1], pixels[:, 3, 2] = np.arange(400) % 250, np.arange(400) // 250
    return pixels, labels


def test_it_turns_swells_and_grows_by_a_class_and_then_stays():
    assert [turned(week) for week in range(9)] == [0, 0, 0, 10, 20, 30, 40, 40, 40]
    of = [dict(enumerate(shares(np.arange(10), week))) for week in range(WEEKS + 1)]
    assert all(sum(each.values()) == pytest.approx(1) for each in of)
    assert [week for week, each in enumerate(of) if each[NEW]] == [5, 6, 7, 8]
    assert [round(each[SWELLING] / each[0], 6) for each in of] == [1, 1, 1, 1, 2, 2, 2, 2, 2]


def test_each_image_comes_once_and_only_turned_ones_differ():
    pixels, labels = digits()
    stream = list(parts(pixels, labels))
    assert [part.name for part in stream] == ["start", *(f"week-{week:02d}" for week in range(1, WEEKS + 1))]
    assert len(stream[0].pixels) == 120
    quiet = np.concatenate([part.pixels for part in stream if not part.degrees])
    assert len(np.unique(quiet, axis=0)) == len(quiet)
    known = {image.tobytes(): label for image, label in zip(pixels, labels.tolist(), strict=True)}
    for part in stream[:3]:
        assert [known[image.tobytes()] for image in part.pixels] == part.labels.tolist()
    assert stream[-1].degrees == TURNED


def test_the_files_and_the_truth_beside_them(tmp_path: Path, capsys: pytest.CaptureFixture[str]):
    example.main(["digits", str(tmp_path / "one"), "--stream"])
    write_stream(*example.digits(), tmp_path / "two")
    assert sha256_tree(tmp_path / "one") == sha256_tree(tmp_path / "two")
    rows = list(csv.DictReader((tmp_path / "one" / TRUTH).read_text().splitlines()))
    assert len(rows) == len(list(tmp_path.glob("one/*/*.png")))
    first = next(row for row in rows if row["image"].startswith("week-08/"))
    with Image.open(tmp_path / "one" / first["image"]) as image:
        assert (image.size, image.mode) == ((8, 8), "L")
    assert first["degrees"] == str(TURNED)
    example.main(["digits", str(tmp_path / "one"), "--stream"])
    assert "kept" in capsys.readouterr().out
    (tmp_path / "full").mkdir()
    (tmp_path / "full" / "a").write_text("")
    with pytest.raises(BadInputError, match="holds something else than a stream"):
        write_stream(*digits(), tmp_path / "full")
