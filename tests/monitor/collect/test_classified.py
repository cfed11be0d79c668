"""A release answers for images of a source: what a server's log would say of them, and what is refused."""

import hashlib
import shutil
import zipfile
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from components.common.data.reader import ShardReader
from components.common.errors import BadInputError
from components.common.metrics import entropy
from components.common.storage import open_store
from components.monitor.observed import SCHEMA
from components.releases.observing import appearance, observation
from tests import tiny
from tests.monitor.collect.conftest import Watched
from tests.monitor.observed import NOW

Make = Callable[..., Watched]


@pytest.fixture(scope="module")
def images(tiny_world: tiny.World, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Two dozen files, named in the order of the index; for reading only."""
    folder = tmp_path_factory.mktemp("images")
    reader = ShardReader(tiny_world.data, open_store(tiny_world.store))
    for number, row in enumerate(tiny_world.rows["test"][:24]):
        (folder / f"{number:02d}.png").write_bytes(reader.image_bytes(int(row)))
    return folder


def test_a_folder_gives_what_a_server_would_have_logged(watched: Make, images: Path, tmp_path: Path) -> None:
    release = watched()
    folder = Path(shutil.copytree(images, tmp_path / "images"))
    (folder / "broken.png").write_bytes((folder / "00.png").read_bytes()[:50])
    (folder / "notes.txt").write_text("no image")
    (folder / "unnamed").write_text("no image either")
    found = release.collect(str(folder))
    about = found.about
    assert found.table.schema.equals(SCHEMA)
    assert (about["source"], about["place"], about["why"]) == ("images", str(folder), "")
    assert (about["images"], about["unreadable"], about["others"]) == (24, 1, {})
    files = sorted(images.iterdir())
    seen = [release.model.preprocessing.seen(file.read_bytes()) for file in files]
    answers = release.model.run(np.stack([each.pixels for each in seen]))
    for number, (row, file) in enumerate(zip(found.table.to_pylist(), files, strict=True)):
        expected = {**observation(release.model, answers, number), **appearance(seen[number])}
        assert row["id"] == hashlib.sha256(file.read_bytes()).hexdigest()
        assert row["where"] == str(folder / file.name)
        assert row["time"] == NOW
        assert row["probabilities"] == pytest.approx(expected["probabilities"], abs=1e-5)
        assert np.array(row["embedding"]) == pytest.approx(expected["embedding"], abs=2e-3)
        for name in ("version", "predicted", "abstain", "size"):
            assert row[name] == expected[name], name
        for name in ("confidence", "brightness", "sharpness"):
            assert row[name] == pytest.approx(expected[name], abs=1e-5), name
        assert row["entropy"] == pytest.approx(entropy(answers.probabilities)[number], abs=1e-5)


def test_images_may_lie_in_an_archive_a_table_and_on_s3(
    watched: Make, images: Path, tmp_path: Path, s3_bucket: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    release = watched()
    names = sorted(path.name for path in images.iterdir())
    with zipfile.ZipFile(tmp_path / "some.zip", "w") as archive:
        for name in names:
            archive.write(images / name, name)
    (tmp_path / "table.csv").write_text("path\n" + "".join(f"{images / name}\n" for name in names))
    for name in names:
        open_store(s3_bucket).write(f"in/{name}", (images / name).read_bytes())
    monkeypatch.chdir(tmp_path)
    expected = release.collect(str(images)).table
    for source, where in (
        ("some.zip", f"{tmp_path}/some.zip"),
        ("table.csv", str(images)),
        (f"{s3_bucket}/in", f"{s3_bucket}/in"),
    ):
        table = release.collect(source).table
        assert table["where"].to_pylist() == [f"{where}/{name}" for name in names]
        assert table.drop_columns("where").equals(expected.drop_columns("where"))


def test_of_many_images_a_random_draw_is_classified(watched: Make, images: Path, tmp_path: Path) -> None:
    release = watched()
    for copy in range(5):
        shutil.copytree(images, tmp_path / "images" / str(copy))
    found = release.collect(str(tmp_path / "images"), max_images=100)
    assert (found.about["images"], found.about["seen"]) == (100, 120)
    assert len({*found.table["where"].to_pylist()}) == 100
    assert found.table.equals(release.collect(str(tmp_path / "images"), max_images=100).table)


def test_too_few_images_tell_nothing_yet(watched: Make, images: Path) -> None:
    found = watched().collect(str(images), min_images=25)
    assert found.about["why"] == f"24 images of {images}, and 25 are needed (monitor.min_images): give more"


def test_what_is_no_source_of_images_is_told(watched: Make, tmp_path: Path) -> None:
    release = watched()
    (tmp_path / "empty").mkdir()
    with pytest.raises(
        BadInputError, match=r"empty: names no images; expected a file, folder, pattern, archive or table"
    ):
        release.collect(str(tmp_path / "empty"))
    with pytest.raises(
        BadInputError, match=r"nowhere: names no image that can be read \(the first of 1: .*No such file"
    ):
        release.collect(str(tmp_path / "nowhere"))
    with pytest.raises(BadInputError, match=r"is not a place that is known"):
        release.collect("ftp://there/pictures")
    (tmp_path / "broken").mkdir()
    for name in ("a.png", "b.png"):
        (tmp_path / "broken" / name).write_bytes(b"\x89PNG\r\n\x1a\n")
    with pytest.raises(BadInputError, match=r"broken: names no image that can be read \(the first of 2: .*a\.png: "):
        release.collect(str(tmp_path / "broken"))
