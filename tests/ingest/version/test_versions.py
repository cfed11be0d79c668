"""Versions of a dataset: what grows, what stays, and who wins."""

import json
import shutil
from collections import Counter
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from components.common.artifacts import TEST, Dataset
from components.common.data.reader import ShardReader
from components.common.data.splits import split_of
from components.common.errors import BadInputError
from components.common.files import sha256_bytes, sha256_tree
from components.common.storage import open_store
from components.ingest.pack import stage as pack_stage
from components.ingest.plan import planning
from components.ingest.plan.work import opened
from components.ingest.settings import IngestSettings
from components.ingest.stage import run
from tests import natural
from tests.faulty import faulty
from tests.ingest.test_ingest import PETS, by_source, fill, ingest, picture
from tests.ingest.version.test_groups import pictures
from tests.s3 import S3Server

MORE = {f"owl/{number:02d}.png": picture(number) for number in range(30, 45)}


def objects(store: Path, kind: str = "") -> set[str]:
    return {stat.key for stat in open_store(str(store)).list(f"datasets/pets/{kind}")}


def readable(dataset: Dataset, store: Path) -> bool:
    reader = ShardReader(dataset, open_store(str(store)))
    return [sha256_bytes(reader.image_bytes(row)) for row in range(len(dataset.index))] == dataset.column("id").tolist()


def decided(dataset: Dataset) -> dict[str, tuple[str, str]]:
    return {row["id"]: (row["group"], row["split"]) for row in dataset.index.to_pylist()}


def test_a_source_that_grew_adds_shards_and_changes_nothing_else(tmp_path: Path) -> None:
    source = fill(tmp_path / "in", PETS)
    store = tmp_path / "store"
    first, _, _ = ingest(source, tmp_path / "one", store=str(store))
    before = objects(store)
    second, figures, _ = ingest(fill(tmp_path / "in", MORE), tmp_path / "two", store=str(store))
    assert (figures["images"], second.classes) == (45, ("cat", "dog", "owl"))
    assert set(second.shards) > set(first.shards), "old shards are referred to"
    assert sum(shard.images for shard in second.shards if shard not in first.shards) == len(MORE), (
        "new ones hold new images only"
    )
    assert before - objects(store) == set()
    assert decided(first).items() <= decided(second).items()
    assert readable(second, store)
    assert json.loads(open_store(str(store)).read("datasets/pets/latest.json")) == {
        "format": 1,
        "id": second.id,
        "previous": first.id,
    }
    fresh, _, _ = ingest(source, tmp_path / "fresh")
    for column in ("id", "split", "group", "label", "source", "width"):
        assert fresh.column(column).tolist() == second.column(column).tolist(), column


def test_an_unchanged_source_is_the_same_version_and_writes_nothing(tmp_path: Path) -> None:
    source = fill(tmp_path / "in", PETS)
    store = tmp_path / "store"
    ingest(fill(tmp_path / "few", {"a/b.png": picture(99)}), tmp_path / "zero", store=str(store))
    ingest(source, tmp_path / "one", store=str(store))
    before = {key: open_store(str(store)).stat(key) for key in objects(store)}
    ingest(source, tmp_path / "two", store=str(store))
    assert sha256_tree(tmp_path / "one" / "dataset") == sha256_tree(tmp_path / "two" / "dataset"), "the report too"
    assert before == {key: open_store(str(store)).stat(key) for key in objects(store)}


def test_removed_images_leave_the_new_version_and_stay_in_the_old(tmp_path: Path) -> None:
    source = fill(tmp_path / "in", PETS)
    store = tmp_path / "store"
    first, _, _ = ingest(source, tmp_path / "one", store=str(store))
    (tmp_path / "in" / "dog" / "00.png").unlink()
    second, figures, _ = ingest(source, tmp_path / "two", store=str(store))
    assert figures["images"] == 29
    assert set(decided(first)) - set(decided(second)) == {sha256_bytes(PETS["dog/00.png"])}
    assert readable(first, store)
    assert readable(second, store)
    assert (store / "datasets" / "pets" / first.id / "dataset.json").is_file()


def test_a_shard_of_mostly_removed_images_is_packed_anew(tmp_path: Path) -> None:
    source = fill(tmp_path / "in", PETS)
    store = tmp_path / "store"
    first, _, _ = ingest(source, tmp_path / "one", store=str(store))
    for key in list(PETS)[6:]:
        (tmp_path / "in" / key).unlink()
    second, _, _ = ingest(source, tmp_path / "two", store=str(store))
    assert readable(second, store)
    assert not {shard.key for shard in first.shards if "/train-" in shard.key} & {shard.key for shard in second.shards}
    assert decided(second).items() <= decided(first).items()


def test_another_mode_packs_all_and_keeps_every_split(tmp_path: Path) -> None:
    source = fill(tmp_path / "in", PETS)
    store = tmp_path / "store"
    first, _, _ = ingest(source, tmp_path / "one", store=str(store))
    grey, _, _ = ingest(source, tmp_path / "two", store=str(store), mode="L")
    assert decided(grey) == decided(first)
    assert not set(grey.shards) & set(first.shards)
    assert sum(shard.images for shard in grey.shards) == 30


def test_a_later_near_duplicate_joins_the_group_and_the_split_of_the_earlier(tmp_path: Path) -> None:
    files = pictures("b")
    early = {key: data for key, data in files.items() if key.startswith("a/")}
    source = fill(tmp_path / "in", early)
    store = tmp_path / "store"
    first, _, _ = ingest(source, tmp_path / "one", store=str(store))
    second, _, _ = ingest(fill(tmp_path / "in", files), tmp_path / "two", store=str(store))
    rows = by_source(second)
    assert decided(first).items() <= decided(second).items()
    joined = [
        key for key in early if rows[key]["group"] == rows[key.replace("a/", "b/").replace("png", "jpg")]["group"]
    ]
    assert len(joined) >= 0.9 * len(early)
    copies = [rows[key.replace("a/", "b/").replace("png", "jpg")] for key in joined]
    assert any(copy["id"] < copy["group"] for copy in copies), "a smaller id renames nothing"
    assert all(copy["split"] == split_of(copy["group"]) for copy in copies)
    assert any(copy["split"] != split_of(copy["id"]) for copy in copies), "some of them would have leaked"
    assert readable(second, store)
    for number in range(len(second.shards)):
        assert len(set(second.column("split")[second.column("shard") == number])) == 1


def test_what_was_trained_on_does_not_become_a_test_image(tmp_path: Path) -> None:
    store = tmp_path / "store"
    first, _, _ = ingest(fill(tmp_path / "in", PETS), tmp_path / "one", store=str(store))
    shutil.rmtree(tmp_path / "in")
    moved = {f"{'test' if number < 10 else 'train'}/{key}": data for number, (key, data) in enumerate(PETS.items())}
    second, _, html = ingest(fill(tmp_path / "in", moved), tmp_path / "two", store=str(store))
    given = {sha256_bytes(data) for key, data in moved.items() if key.startswith("test/")}
    aside = {image for image in given if decided(first)[image][1] != TEST}
    assert aside
    assert set(decided(first)) - set(decided(second)) == aside
    assert decided(second).items() <= decided(first).items()
    assert "test now, another split in the version before" in html


def test_drift_is_found_and_is_none_where_nothing_drifted(tmp_path: Path) -> None:
    def findings(out: Path) -> dict[str, Any]:
        return json.loads((out / "dataset" / "quality.json").read_text())["findings"]["drift"]

    rng = np.random.default_rng(0)
    store = str(tmp_path / "store")

    def photos(count: int, light: float, start: int) -> dict[str, bytes]:
        shades = np.clip(rng.normal(light, 12, count), 5, 250)
        noise = rng.integers(0, 5, (count, 12, 12, 3))
        pixels = [np.clip(shade + grain, 0, 255).astype(np.uint8) for shade, grain in zip(shades, noise, strict=True)]
        return {
            f"{'ab'[number % 2]}/{start + number}.png": natural.encoded(Image.fromarray(one))
            for number, one in enumerate(pixels)
        }

    source = fill(tmp_path / "in", photos(300, 90, 0))
    ingest(source, tmp_path / "1", store=store)
    assert findings(tmp_path / "1")["count"] == 0, "there is nothing before it"
    ingest(fill(tmp_path / "in", photos(300, 90, 1000)), tmp_path / "2", store=store)
    assert findings(tmp_path / "2")["count"] == 0
    with pytest.raises(BadInputError, match=r"ingest\.gates: 1 drift \(at most 0\)"):
        ingest(fill(tmp_path / "in", photos(600, 150, 2000)), tmp_path / "3", store=store, gates={"drift": 0})
    _, _, html = ingest(source, tmp_path / "3", store=store)
    (item,) = findings(tmp_path / "3")["items"]
    assert (item["what"], item["kind"]) == ("brightness", "Kolmogorov-Smirnov")
    assert 0.4 < item["statistic"] < 0.6
    assert "Drift against the version before" in html
    for key in ("b/1001.png", *(f"b/{number}.png" for number in range(2001, 2600, 2))):
        (tmp_path / "in" / key).unlink()
    ingest(source, tmp_path / "4", store=store)
    assert {entry["what"] for entry in findings(tmp_path / "4")["items"]} >= {"classes"}


def test_known_etags_are_not_read_again(
    tmp_path: Path, s3_server: S3Server, s3_bucket: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    far = open_store(f"{s3_bucket}/in")
    for key, data in PETS.items():
        far.write(key, data)
    requests = []
    with faulty(s3_server.endpoint) as proxy:
        monkeypatch.setenv("AWS_ENDPOINT_URL", proxy.endpoint)
        for number in range(3):
            if number == 2:
                far.write("cat/01.png", picture(77))
            proxy.counts.clear()
            dataset, _, _ = ingest(f"{s3_bucket}/in", tmp_path / str(number), store=f"{s3_bucket}/store")
            requests.append(proxy.counts["requests"])
    assert requests[0] > 30 + requests[1]
    assert requests[1] < requests[2] < requests[0], "one new image, and its shard"
    assert sha256_bytes(picture(77)) in decided(dataset)
    assert sha256_bytes(PETS["cat/01.png"]) not in decided(dataset)


def test_a_version_that_is_gone_is_one_line(tmp_path: Path) -> None:
    source = fill(tmp_path / "in", PETS)
    store = tmp_path / "store"
    first, _, _ = ingest(source, tmp_path / "one", store=str(store))
    shutil.rmtree(store / "datasets" / "pets" / first.id)
    with pytest.raises(
        BadInputError, match=rf"names version {first.id[:12]}, of which .*dataset\.json is gone; restore it, or remove"
    ):
        ingest(source, tmp_path / "two", store=str(store))


def test_progress_tells_how_many_files_are_left(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(planning, "PART_FILES", 7)
    settings = IngestSettings(processes=1)
    source = fill(tmp_path / "in", PETS)
    store = str(tmp_path / "store")
    with opened(source, "pets", store, settings, "", tmp_path) as work:
        pack_stage.pack(work, [1, 3], settings)
    capsys.readouterr()
    run(source, "pets", store, settings, tmp_path / "dataset", tmp_path / "report.html")
    lines = [json.loads(line) for line in capsys.readouterr().out.splitlines()]
    assert Counter(line["total"] for line in lines) == {16: len(lines)}
    assert lines[-1]["done"] == 16
