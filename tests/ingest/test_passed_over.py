"""A folder of phone pictures: what is read whatever its name, and what is passed over, counted by kind."""

import io
import os
import subprocess
import sys
import zipfile
from pathlib import Path
from typing import Any

import pillow_heif
import pytest
from PIL import Image

from components.common.data.reader import ShardReader
from components.common.errors import BadInputError
from components.common.files import read_json
from components.common.storage import open_store
from components.common.storage.s3 import S3Store
from components.ingest.reading.check import WHOLE, check, fetch
from components.ingest.settings import IngestSettings
from components.ingest.source.locations import SourceFile
from tests import natural
from tests.common.data.test_kinds import boxed, tiff
from tests.ingest.test_ingest import by_source, fill, ingest, picture

pillow_heif.register_heif_opener()  # so that HEIC can be written
PHOTOS = natural.patches(64, 12)


def photo(number: int, kind: str, **options: Any) -> bytes:
    buffer = io.BytesIO()
    PHOTOS[number].save(buffer, kind, **options)
    return buffer.getvalue()


READ = {
    "cat/IMG_1.HEIC": photo(0, "HEIF"),
    "cat/IMG_2.jpg": photo(1, "HEIF"),  # phones do that
    "cat/IMG_3.mpo": photo(2, "MPO", save_all=True, append_images=[PHOTOS[3]]),
    "dog/4.avif": photo(4, "AVIF"),
    "dog/5.jp2": photo(5, "JPEG2000"),
    "dog/6.ppm": photo(6, "PPM"),
    "dog/7": photo(7, "JPEG"),
    "dog/8.png": photo(8, "JPEG"),
    "dog/9.backup": photo(9, "PNG"),
    "large": photo(10, "PNG") + bytes(WHOLE),
}
PASSED = {
    "cat/a.CR2": tiff({0x100: 5184}, after=b"CR\2\0\0\0\0\0"),
    "cat/b.cr3": boxed(b"crx "),
    "cat/c.dng": tiff({0xC612: 1}) + bytes(WHOLE),
    "raw/d.nef": photo(11, "TIFF"),
    "dog/e.svg": b"<svg xmlns='http://www.w3.org/2000/svg'></svg>",
    "dog/f.jpg": b"\xff\x0a" + bytes(20),
}
BROKEN = {"cat/cut": READ["dog/7"][:400], "dog/text.png": b"hello", "dog/text.heic": b"hello"}
OTHERS = {
    "README": b"read me",
    "docs/AUTHORS": b"",
    "cat/clip.mov": boxed(b"qt  "),
    "dog/video": boxed(b"isom", b"mp42"),
    "cat/notes.txt": b"",
    "dog/data.xyz": bytes(WHOLE + 1),
}


def findings_of(folder: Path) -> dict[str, Any]:
    return read_json(folder / "dataset" / "quality.json")["findings"]


def test_images_are_read_whatever_their_names_and_what_is_not_read_is_counted(tmp_path: Path) -> None:
    source = fill(tmp_path / "phone", READ | PASSED | BROKEN | OTHERS)
    dataset, figures, html = ingest(source, tmp_path)
    rows = by_source(dataset)
    assert set(rows) == set(READ)
    assert dataset.classes == ("cat", "dog")
    reader = ShardReader(dataset, open_store(str(tmp_path / "store")))
    for row, key in enumerate(rows):
        stored = Image.open(io.BytesIO(reader.image_bytes(row)))
        assert stored.format in ("PNG", "JPEG", "MPO")
        assert (stored.size, rows[key]["width"], rows[key]["height"]) == ((64, 64), 64, 64)
    assert (figures["refused"], figures["passed_over"]) == (3, 6)
    assert figures["passed_over_kinds"] == "4 camera RAW, 1 JPEG XL, 1 SVG"
    found = findings_of(tmp_path)
    assert found["passed_over"]["kinds"] == {"camera RAW": 4, "JPEG XL": 1, "SVG": 1}
    assert {item["source"] for item in found["passed_over"]["items"]} == set(PASSED)
    refused = [item["source"] for name in ("unreadable", "truncated") for item in found[name]["items"]]
    assert sorted(refused) == sorted(BROKEN)
    assert '<tr><td>camera RAW</td><td class="number">4</td><td>develop them to JPEG, PNG or TIFF</td></tr>' in html
    assert "Not images, and not read: 1 .mov, 1 .txt, 1 .xyz, 3 without extension." in html
    assert {item["class"] for item in found["missing_classes"]["items"]} >= {"raw"}, "a class of camera RAW alone"
    assert "docs" not in {item["class"] for item in found["missing_classes"]["items"]}, "a folder without images"


@pytest.mark.parametrize("place", ["s3", "zip"])
def test_the_place_changes_nothing(tmp_path: Path, s3_bucket: str, place: str) -> None:
    files = READ | PASSED | BROKEN | OTHERS
    here, _, _ = ingest(fill(tmp_path / "phone", files), tmp_path / "here")
    if place == "s3":
        for key, data in files.items():
            open_store(s3_bucket).write(f"phone/{key}", data)
        source = f"{s3_bucket}/phone"
    else:
        source = str(tmp_path / "phone.zip")
        with zipfile.ZipFile(source, "w", zipfile.ZIP_DEFLATED) as archive:
            for key, data in files.items():
                archive.writestr(key, data)
    there, figures, _ = ingest(source, tmp_path / "there")
    assert set(there.column("id")) == set(here.column("id"))
    assert (figures["refused"], figures["passed_over_kinds"]) == (3, "4 camera RAW, 1 JPEG XL, 1 SVG")


def test_a_far_file_costs_one_request_and_a_large_one_that_is_no_image_only_its_head(
    s3_bucket: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    got: list[int] = []
    real = S3Store._get

    def counting(store: S3Store, key: str, **extra: str) -> tuple[bytes, dict[str, Any]]:
        answer = real(store, key, **extra)
        got.append(len(answer[0]))
        return answer

    monkeypatch.setattr(S3Store, "_get", counting)
    for name, data, requests in (
        ("small", READ["dog/7"], [len(READ["dog/7"])]),
        ("large.dng", PASSED["cat/c.dng"], [4096]),
        ("large.xyz", OTHERS["dog/data.xyz"], [4096]),
        ("large", READ["large"], [4096, len(READ["large"])]),
    ):
        open_store(s3_bucket).write(name, data)
        got.clear()
        file = SourceFile(name, len(data), None, None, is_image=False)
        checked = check(file, fetch(s3_bucket, file), "RGB", 10**6)
        assert (checked.reason, checked.image is not None) == ("", data in READ.values())
        assert got == requests


def test_only_what_a_gate_names_stops_a_run(tmp_path: Path) -> None:
    source = fill(tmp_path / "phone", READ | PASSED | OTHERS)
    with pytest.raises(BadInputError, match=r"^ingest\.gates: 6 passed_over \(at most 5\); look at "):
        ingest(source, tmp_path, gates={"passed_over": 5})
    ingest(source, tmp_path, gates={"passed_over": 6, "unreadable": 0})


def test_a_source_of_nothing_but_raw_is_one_line(tmp_path: Path) -> None:
    source = fill(tmp_path / "raw", {key: data for key, data in PASSED.items() if "cat" in key})
    with pytest.raises(BadInputError, match=r"none of its 3 images can be read; cat/a\.CR2: camera RAW, which is not"):
        ingest(source, tmp_path)
    with pytest.raises(BadInputError, match="holds no images among 2 files"):
        ingest(fill(tmp_path / "none", {"a": b"", "b": b"text"}), tmp_path)


def test_without_pillow_heif_its_files_are_passed_over_with_the_remedy(tmp_path: Path) -> None:
    fill(tmp_path / "without", {"pillow_heif.py": b"raise ImportError('not installed')"})
    source = fill(tmp_path / "phone", {key: READ[key] for key in ("cat/IMG_1.HEIC", "cat/IMG_2.jpg", "dog/7")})
    flags = {"source": source, "name": "pets", "store": str(tmp_path / "store")}
    flags |= {"dataset": str(tmp_path / "dataset"), "report": str(tmp_path / "report.html"), "settings": "{}"}
    path = os.pathsep.join([str(tmp_path / "without"), *filter(None, [os.environ.get("PYTHONPATH")])])
    done = subprocess.run(
        [sys.executable, "-m", "components.ingest", *(word for name in flags for word in (f"--{name}", flags[name]))],
        capture_output=True,
        text=True,
        env={**os.environ, "PYTHONPATH": path},
        check=True,
    )
    remedy = "pip install 'gleaner[heic]' and run again"
    assert f"warning: images passed over, since their kind is not read: 2 HEIC ({remedy})\n" in done.stdout
    assert findings_of(tmp_path)["passed_over"]["kinds"] == {"HEIC": 2}
    assert "pip install &#x27;gleaner[heic]&#x27; and run again" in (tmp_path / "report.html").read_text()


def test_classes_that_nothing_can_learn_are_said_before_pretraining(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    files = {f"train/{'ab'[number % 2]}/{number}.png": picture(number) for number in range(20)}
    source = fill(tmp_path / "pets", files | {"test/rose/1.png": picture(30), "test/rose/2.png": picture(31)})
    (tmp_path / "pets/train/tulip").mkdir()
    _, figures, html = ingest(source, tmp_path)
    assert figures["missing_classes"] == "rose (2 images), tulip (no image)"
    line = (
        "classes without an image in the train split, which nothing can ever learn: rose (2 images), tulip (no image)"
    )
    assert f"warning: {line}; add images of them\n" in capsys.readouterr().out
    assert findings_of(tmp_path)["missing_classes"]["items"] == [
        {"class": "rose", "images": 2, "train": 0},
        {"class": "tulip", "images": 0, "train": 0},
    ]
    numbers = "".join(f'<td class="number">{count}</td>' for count in (0, 0, 0, 0, 0))
    assert f"<tr><td>tulip</td>{numbers}</tr>" in html
    with pytest.raises(BadInputError, match=r"2 missing_classes \(at most 1\)"):
        ingest(source, tmp_path, gates={"missing_classes": 1})


def test_one_name_in_two_unicode_forms_is_one_class_and_look_alikes_are_named(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    names = ("caf\u00e9", "cafe\u0301", "Caf\u00e9")
    source = fill(tmp_path / "pets", {f"{name}/{number}.png": picture(number) for number, name in enumerate(names)})
    (tmp_path / "pets" / "CAF\u00c9").mkdir()
    dataset, _, html = ingest(source, tmp_path)
    assert dataset.classes == ("Caf\u00e9", "caf\u00e9")
    assert sorted(by_source(dataset)) == sorted(f"{name}/{number}.png" for number, name in enumerate(names))
    for text in (html, capsys.readouterr().out):
        assert "caf\\xe9" in text
        assert "(1) and" in text
        assert "differ in capitals only and stay 3 classes" in text


def test_a_plan_knows_which_kinds_can_be_read(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """What was packed without a decoder serves nobody who has it."""
    from components.ingest.plan import planning

    source = fill(tmp_path / "pets", {"a.heic": READ["cat/IMG_1.HEIC"]})

    def key() -> str:
        return planning.make_plan(source, IngestSettings(), tmp_path).key

    first = key()
    (tmp_path / "listing.db").unlink()
    assert key() == first
    (tmp_path / "listing.db").unlink()
    monkeypatch.setattr(planning, "can_read", lambda kind: kind != "HEIC")
    assert key() != first
