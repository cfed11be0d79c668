"""The stage as a whole, on small folders of real files."""

import io
import json
import subprocess
import sys
from collections import Counter
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from components.common.artifacts import SPLITS, TEST, TRAIN, Dataset, load_dataset
from components.common.data.identity import id_of
from components.common.data.images import ORIENTATION
from components.common.data.reader import ShardReader
from components.common.data.splits import split_of
from components.common.errors import BadInputError
from components.common.files import sha256_bytes, sha256_tree
from components.common.storage import FolderStore, open_store
from components.ingest.reading import pool
from components.ingest.settings import IngestSettings
from components.ingest.stage import run


def picture(number: int, kind: str = "PNG", size: tuple[int, int] = (9, 7), **options: Any) -> bytes:
    pixels = np.random.default_rng(number).integers(0, 256, (size[1], size[0], 3), dtype=np.uint8)
    buffer = io.BytesIO()
    Image.fromarray(pixels).save(buffer, kind, **options)
    return buffer.getvalue()


def fill(folder: Path, files: dict[str, bytes]) -> str:
    for key, data in files.items():
        (folder / key).parent.mkdir(parents=True, exist_ok=True)
        (folder / key).write_bytes(data)
    return str(folder)


def ingest(
    source: str, out: Path, store: str = "", name: str = "pets", **settings: Any
) -> tuple[Dataset, dict[str, Any], str]:
    """The dataset, its figures and the report."""
    chosen = IngestSettings(**{"processes": 1, **settings})
    about = run(source, name, store or str(out / "store"), chosen, out / "dataset", out / "report.html")
    html = (out / "report.html").read_text()
    assert (out / "dataset" / "report.html").read_text() == html
    dataset = load_dataset(out / "dataset")
    assert id_of(dataset) == dataset.id  # by which every later stage verifies its copy
    return dataset, about["dataset"], html


def by_source(dataset: Dataset) -> dict[str, dict[str, Any]]:
    return {row["source"]: row for row in dataset.index.to_pylist()}


PETS = {f"{'cat' if number % 2 else 'dog'}/{number:02d}.png": picture(number) for number in range(30)}


def test_a_folder_of_classes(tmp_path: Path) -> None:
    dataset, figures, _ = ingest(fill(tmp_path / "pets", PETS), tmp_path)
    rows = by_source(dataset)
    assert dataset.classes == ("cat", "dog")
    assert list(rows) == [row["source"] for row in sorted(rows.values(), key=lambda row: row["id"])]
    for key, data in PETS.items():
        row = rows[key]
        assert (row["id"], row["group"], row["split"]) == (sha256_bytes(data), row["id"], split_of(row["id"]))
        assert (row["label"], row["width"], row["height"]) == (key[:3], 9, 7)
    counts = Counter(split_of(sha256_bytes(data)) for data in PETS.values())
    nothing = {"refused": 0, "passed_over": 0, "passed_over_kinds": "", "duplicates": 0, "missing_classes": ""}
    assert figures == {"images": 30, **counts, **nothing, "classes": 2, "id": dataset.id}
    reader = ShardReader(dataset, open_store(str(tmp_path / "store")))
    assert [reader.image_bytes(row) for row in range(30)] == [PETS[key] for key in rows]


def test_a_shard_holds_one_split_and_the_store_the_whole_dataset(tmp_path: Path) -> None:
    dataset, _, _ = ingest(fill(tmp_path / "pets", PETS), tmp_path)
    splits = [set(dataset.column("split")[dataset.column("shard") == number]) for number in range(len(dataset.shards))]
    assert [split for (split,) in splits] == [split for split in SPLITS if dataset.counts()[split]]
    store = open_store(str(tmp_path / "store"))
    root = f"datasets/pets/{dataset.id}"
    thumbnails = [stat.key for stat in store.list("datasets/pets/thumbnails/")]
    assert len(thumbnails) == 1
    (noted,) = [stat.key for stat in store.list("datasets/pets/listings/")]
    assert noted.endswith(f"/{dataset.id}.json")
    assert {stat.key for stat in store.list()} == {
        shard.key[:-4] + end for shard in dataset.shards for end in (".tar", ".idx")
    } | {
        *thumbnails,
        noted,
        "datasets/pets/latest.json",
        f"{root}/index.parquet",
        f"{root}/quality.json",
        f"{root}/dataset.json",
    }
    assert json.loads(store.read("datasets/pets/latest.json")) == {"format": 1, "id": dataset.id, "previous": None}
    assert store.read(f"{root}/dataset.json") == (tmp_path / "dataset" / "dataset.json").read_bytes()
    assert store.read(f"{root}/index.parquet") == (tmp_path / "dataset" / "index.parquet").read_bytes()
    assert sum(shard.images for shard in dataset.shards) == 30


def test_equal_sources_give_equal_bytes_whatever_the_workers_and_the_place(
    tmp_path: Path, s3_bucket: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    source = fill(tmp_path / "a" / "pets", PETS)
    far = open_store(f"{s3_bucket}/photos/pets")
    for key, data in reversed(PETS.items()):
        far.write(key, data)
    first, _, _ = ingest(source, tmp_path / "one")
    monkeypatch.setattr(pool, "CHUNK_FILES", 2)  # so that there is an order to lose
    second, _, _ = ingest(source, tmp_path / "two", processes=2)
    third, _, _ = ingest(f"{s3_bucket}/photos/pets/", tmp_path / "three", store=f"{s3_bucket}/store")
    assert sha256_tree(tmp_path / "one") == sha256_tree(tmp_path / "two")
    assert sha256_tree(tmp_path / "one" / "dataset") == sha256_tree(tmp_path / "three" / "dataset")
    near, afar = (
        {stat.key: stat.size for stat in open_store(place).list() if "/listings/" not in stat.key}  # of another source
        for place in (str(tmp_path / "one" / "store"), f"{s3_bucket}/store")
    )
    assert afar.pop(f"datasets/pets/{first.id}/sources.parquet"), "etags say next time what need not be read again"
    assert near == afar
    here = ShardReader(first, FolderStore(tmp_path / "two" / "store"))
    there = ShardReader(third, open_store(f"{s3_bucket}/store"))
    assert here.image_bytes(0) == there.image_bytes(0)
    again, _, _ = ingest(source, tmp_path / "one")
    assert again == second == third


def test_another_image_label_or_mode_is_another_dataset(tmp_path: Path) -> None:
    source = fill(tmp_path / "pets", PETS)
    ids = [
        ingest(source, tmp_path)[0].id,
        ingest(source, tmp_path, mode="L")[0].id,
        ingest(source, tmp_path, labels="none")[0].id,
    ]
    (tmp_path / "pets/cat/01.png").rename(tmp_path / "pets/dog/01.png")
    ids.append(ingest(source, tmp_path)[0].id)
    (tmp_path / "pets/dog/01.png").unlink()
    ids.append(ingest(source, tmp_path)[0].id)
    assert len(set(ids)) == 5


def test_shards_are_closed_at_their_size(tmp_path: Path) -> None:
    # 600 kB of noise each
    source = fill(tmp_path / "big", {f"{n}.bmp": picture(n, "BMP", (400, 500)) for n in range(5)})
    dataset, _, _ = ingest(source, tmp_path, shard_size=1 << 20)
    assert max(shard.images for shard in dataset.shards) == 2


def test_no_labels(tmp_path: Path) -> None:
    dataset, figures, html = ingest(fill(tmp_path / "pets", PETS), tmp_path, labels="none")
    assert (dataset.classes, figures["classes"], set(dataset.column("label"))) == ((), 0, {None})
    assert "(no label)" in html


def test_labels_from_a_csv_in_the_source(tmp_path: Path) -> None:
    csv = b"path,label\nx/01.png,owl\nx/02.png,bat\n"
    source = fill(tmp_path / "pets", {**{f"x/{key[4:]}": data for key, data in PETS.items()}, "labels.csv": csv})
    dataset, _, html = ingest(source, tmp_path, labels="labels.csv")
    rows = by_source(dataset)
    assert dataset.classes == ("bat", "owl")
    assert (rows["x/01.png"]["label"], rows["x/02.png"]["label"], rows["x/03.png"]["label"]) == ("owl", "bat", None)
    assert ".csv" not in html, "the label file is not an ignored one"
    (tmp_path / "pets/labels.csv").write_text("path,label\nx/01.png,owl\nx/99.png,bat\n")
    with pytest.raises(BadInputError, match=r"^labels\.csv:3: 'x/99\.png' is not a file in "):
        ingest(source, tmp_path, labels="labels.csv")


def test_given_splits_are_kept(tmp_path: Path) -> None:
    files = {
        f"{'test' if number % 3 == 0 else 'train'}/{'ab'[number % 2]}/{number}.png": picture(number)
        for number in range(40)
    }
    dataset, _, html = ingest(fill(tmp_path / "given", files), tmp_path)
    for key, row in by_source(dataset).items():
        assert (row["split"] == TEST) == key.startswith("test/")
        assert row["split"] in (split_of(row["id"]), TRAIN, TEST)
        assert row["label"] == key.split("/")[1]
    assert "The source brings folders for test and train" in html


def test_duplicates_are_dropped_and_listed(tmp_path: Path) -> None:
    one = picture(1)
    two = picture(2)
    files = {
        "train/a/z.png": one,
        "train/a/b.png": one,
        "train/a/c.png": two,
        "test/a/y.png": two,
        "test/a/x.png": two,
        "train/a/d.png": picture(3),
    }
    dataset, figures, html = ingest(fill(tmp_path / "pets", files), tmp_path)
    rows = by_source(dataset)
    assert sorted(rows) == ["test/a/x.png", "train/a/b.png", "train/a/d.png"]
    assert rows["test/a/x.png"]["split"] == TEST
    assert figures["duplicates"] == 3
    for text in (
        "train/a/z.png",
        "test/a/y.png, train/a/c.png",
        "lies in test and train: kept for test, and never trained on",
    ):
        assert text in html


def test_a_contradiction_is_listed_and_nothing_learns_from_it(tmp_path: Path) -> None:
    same = picture(1)
    files = {
        "cat/a.png": same,
        "dog/a.png": same,
        "dog/b.png": picture(2),
        "cat/c.png": picture(3),
        "d.png": picture(2),
    }
    dataset, figures, html = ingest(fill(tmp_path / "pets", files), tmp_path)
    rows = by_source(dataset)
    assert rows["cat/a.png"]["label"] is None
    assert rows["d.png"]["label"] == "dog", "a copy without a label contradicts nothing"
    assert figures["duplicates"] == 2
    assert "cat/a.png (cat), dog/a.png (dog)" in html
    assert "cat or dog" in html


def test_what_is_stored_is_upright_and_in_mode(tmp_path: Path) -> None:
    tags = Image.Exif()
    tags[ORIENTATION] = 6
    files = {
        "a/turned.jpg": picture(1, "JPEG", exif=tags),
        "a/plain.jpg": picture(2, "JPEG"),
        "a/page.tif": picture(3, "TIFF"),
        "a/web.webp": picture(4, "WEBP"),
    }
    dataset, _, html = ingest(fill(tmp_path / "pets", files), tmp_path)
    reader = ShardReader(dataset, open_store(str(tmp_path / "store")))
    for row, entry in enumerate(dataset.index.to_pylist()):
        stored = Image.open(io.BytesIO(reader.image_bytes(row)))
        assert (stored.size, stored.mode) == ((entry["width"], entry["height"]), "RGB")
        assert stored.format == ("JPEG" if entry["source"] == "a/plain.jpg" else "PNG")
    assert by_source(dataset)["a/turned.jpg"]["width"] == 7
    assert "JPEG RGB" in html
    grey, _, _ = ingest(str(tmp_path / "pets"), tmp_path, mode="L")
    reader = ShardReader(grey, open_store(str(tmp_path / "store")))
    assert {Image.open(io.BytesIO(reader.image_bytes(row))).mode for row in range(4)} == {"L"}


def test_as_a_command_with_few_lines_of_progress(tmp_path: Path) -> None:
    source = fill(tmp_path / "pets", {f"{number % 3}/{number}.png": picture(number) for number in range(301)})
    command = [
        sys.executable,
        "-m",
        "components.ingest",
        "--source",
        source,
        "--name",
        "pets",
        "--store",
        str(tmp_path / "store"),
        "--dataset",
        str(tmp_path / "out" / "d"),
        "--report",
        str(tmp_path / "out" / "r"),
    ]
    done = subprocess.run(
        [*command, "--settings", json.dumps({"processes": 2})], capture_output=True, text=True, check=True
    )
    lines = [json.loads(line) for line in done.stdout.splitlines()]
    assert lines[-1] == {"progress": "checking images", "done": 301, "total": 301}
    assert len(lines) <= 52
    failed = subprocess.run(
        [*command, "--settings", json.dumps({"labels": "none.csv"})], capture_output=True, text=True, check=False
    )
    assert (failed.returncode, failed.stderr.count("\n")) == (2, 1)
    assert failed.stderr.startswith("error: ingest: none.csv: no such file")
