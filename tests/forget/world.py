"""A store with something of all that may hold an image, the working folder of a run, and a search for remains."""

import base64
import re
import shutil
from datetime import UTC, datetime
from pathlib import Path
from typing import NamedTuple

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import torch
from PIL import Image

from components.common import draws, rounds, served
from components.common.artifacts import SPLITS, TEST, TRAIN, Dataset, load_dataset, load_labels, save_embeddings
from components.common.data.images import decode, png
from components.common.data.reader import ShardReader
from components.common.files import json_text, sha256_bytes, sha256_json
from components.common.lineage import newest_dataset
from components.common.storage import Store, open_store
from components.ingest.duplicates.thumbnails import thumbnail
from components.ingest.settings import IngestSettings
from components.ingest.stage import run as run_ingest
from components.labels.store import CLASS, Answer, LabelStore
from components.release.settings import ReleaseSettings
from components.release.stage import run as run_release
from tests import stages, tiny

NAME, IMAGES, MORE = "digits", 150, 12
TIME = datetime(2026, 11, 20, 12, tzinfo=UTC)


class Made(NamedTuple):
    """A folder with `store`, `source`, `.gleaner` and `cache`, and images by what they were to a release."""

    folder: Path
    images: dict[str, str]  # labelled, unlabelled, test

    @property
    def store(self) -> str:
        return str(self.folder / "store")

    @property
    def source(self) -> Path:
        return self.folder / "source"

    def copied(self, folder: Path) -> "Made":
        shutil.copytree(self.folder, folder, dirs_exist_ok=True)
        return self._replace(folder=folder)

    def file_of(self, image: str) -> Path:
        """The file of the source with these bytes."""
        return next(path for path in self.source.rglob("*.png") if sha256_bytes(path.read_bytes()) == image)


def ingest(made: Path, out: Path, store: str) -> Path:
    settings = IngestSettings(processes=1, mode="L")
    run_ingest(str(made), NAME, store, settings, out / "dataset", out / "report.html")
    return out / "dataset"


def build(folder: Path) -> Made:
    """Two versions of a dataset with a near-duplicate, labels, candidates, a release, a log, a look, a run's folder."""
    store = str(folder / "store")
    pixels, names = tiny.small_digits(IMAGES + MORE)
    for number, (image, name) in enumerate(zip(pixels, names, strict=True)):
        path = folder / ("source" if number < IMAGES else "later") / name / f"{number:04d}.png"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(png(Image.fromarray(image)))
    like = pixels[5].copy()
    like[3, 3] ^= 3
    (folder / "source" / names[5] / "like.png").write_bytes(png(Image.fromarray(like)))
    run = folder / ".gleaner" / "runs" / f"{NAME}-20260101-000000"
    ingest(folder / "source", folder / "before", store)
    shutil.copytree(folder / "later", folder / "source", dirs_exist_ok=True)
    shutil.rmtree(folder / "later")
    shutil.rmtree(folder / "before")
    world = _trained(ingest(folder / "source", run / "ingest", store), run, store)
    done = tiny.evaluated(world, run / "evaluate")
    run_release(world.classifier, done.calibration, done.evaluation, NAME, store, ReleaseSettings(), run / "release")
    stages.sample(world, run / "sample")
    ids = world.data.column("id")
    unlabelled = sorted({*world.data.rows(TRAIN).tolist()} - {*world.rows[TRAIN].tolist()})
    images = {
        "labelled": str(ids[world.rows[TRAIN][0]]),
        "unlabelled": str(ids[unlabelled[0]]),
        "test": str(ids[world.rows[TEST][0]]),
    }
    _add_people(world, [str(image) for image in ids])
    _add_watch(world, [str(image) for image in ids])
    cache = folder / "cache" / "gleaner" / "shards"
    cache.mkdir(parents=True)
    for shard in world.data.shards:
        shutil.copyfile(Path(store) / shard.key, cache / shard.sha256)
    return Made(folder, images)


def _trained(dataset: Path, run: Path, store: str) -> tiny.World:
    data = load_dataset(dataset)
    reader = ShardReader(data, open_store(store))
    pixels = np.stack([np.asarray(decode(reader.image_bytes(row), "L", 1 << 20)) for row in range(len(data.index))])
    features = tiny.embed(pixels)
    rows = {split: data.rows(split)[: 60 if split == TRAIN else None] for split in SPLITS}
    tiny.labels(run / "labels", data, rows)
    save_embeddings(run / "embeddings", features.numpy(), data)
    for stage in ("warmup", "pseudolabel"):
        tiny.classifier(run / stage, data, torch.as_tensor(features), rows[TRAIN], stage, run / "labels")
    return tiny.World(
        dataset, run / "labels", run / "embeddings", run / "warmup", run / "pseudolabel", store, data, rows
    )


def _add_people(world: tiny.World, ids: list[str]) -> None:
    store = open_store(world.store)
    labels = LabelStore(store, NAME)
    for number in (1, 2):
        some = ids[number::2]
        labels.append([Answer(image, CLASS, "1", f"person {number}", TIME, "page", number) for image in some])
    labels.append([Answer(ids[0], CLASS, "1", "ann", TIME, "page", 3)])
    labels.version()
    table, _ = load_labels(world.labels)
    given = dict(zip(table["id"].to_pylist(), table["label"].to_pylist(), strict=True))
    rounds.save(store, NAME, {"format": 1, "round": 1, "given": given})
    draws.save(store, NAME, {"since": "", "dataset": world.data.id, "images": {"test": ids}})
    opinion = Path(world.store).parent / "opinion.parquet"
    pq.write_table(pa.table({"id": ids, "predicted": ["1"] * len(ids), "disagrees": [True] * len(ids)}), opinion)
    rounds.save_opinion(store, NAME, 1, opinion)
    opinion.unlink()


def _add_watch(world: tiny.World, ids: list[str]) -> None:
    """Rows of the serving log with pixels, and a look in which every image is new."""
    log = open_store(f"{world.store}/log")
    rows = [
        {"id": image, "time": TIME, "version": "v", "predicted": "1", "confidence": 0.5, "pixels": bytes([1, 2])}
        for image in ids
    ]
    served.write(log, NAME, rows)
    store = open_store(world.store)
    picture = base64.b64encode(ShardReader(world.data, store).image_bytes(0)).decode()
    page = f'<!doctype html><h1>Drift</h1><img src="data:image/png;base64,{picture}" alt="">'
    candidates = pa.BufferOutputStream()
    pq.write_table(pa.table({"id": ids, "reason": [f"new to the model, like {ids[0]}"] * len(ids)}), candidates)
    files = {"drift.html": page.encode(), "candidates.parquet": candidates.getvalue().to_pybytes()}
    listed = {name: {"sha256": sha256_bytes(data), "size": len(data)} for name, data in files.items()}
    drift = {"format": 1, "model": NAME, "number": 1, "novel": {"images": len(ids), "ids": ids}}
    place = f"monitor/{NAME}/looks/000001/{sha256_json([drift, listed])[:16]}/"
    for name, data in files.items():
        store.write(place + name, data)
    named = {name: {"key": place + name, **entry} for name, entry in listed.items()}
    store.write(f"monitor/{NAME}/looks/000001.json", json_text({**drift, "files": named}).encode())
    claim = {"candidates_from": f"{store.uri}/{place}candidates.parquet"}
    store.write(f"monitor/{NAME}/trainings/000001.json", json_text(claim).encode())


def newest(store: Store) -> Dataset:
    """The newest version, verified."""
    found = newest_dataset(NAME, store)
    assert found is not None
    return found


def parts_of(made: Made, image: str) -> dict[str, bytes]:
    """By which an image can be found: parts of files, by what they are."""
    data = made.file_of(image).read_bytes()
    (run,) = (made.folder / ".gleaner" / "runs").iterdir()
    rows = load_dataset(run / "ingest" / "dataset").column("id").tolist()
    embedding = np.load(run / "embeddings" / "embeddings.npy")[rows.index(image)]
    return {
        "id": image[:12].encode(),
        "bytes": data,
        "thumbnail": thumbnail(decode(data, "L", 1 << 20)).tobytes(),
        "embedding": embedding.tobytes(),
    }


def remains(folder: Path, parts: dict[str, bytes]) -> list[str]:
    """Files below a folder that hold something of an image, tombstones aside, each with what it is."""
    found = []
    for path in sorted(folder.rglob("*")):
        if path.is_file() and "forgotten/images" not in str(path):
            contents = decoded(path)
            found += [f"{path.relative_to(folder)}: {name}" for name, part in parts.items() if part in contents]
    return found


def decoded(path: Path) -> bytes:
    """All that a file says: the cells of a table, the pictures of a page, and the bytes as they are."""
    data = path.read_bytes()
    if data.startswith(b"PAR1"):
        cells = (cell for column in pq.read_table(path).to_pydict().values() for cell in column)
        data += b"\n".join(cell if isinstance(cell, bytes) else str(cell).encode() for cell in cells)
    pictures = re.findall(rb"base64,([A-Za-z0-9+/=]+)", data) if b"base64," in data else []
    return b"\n".join([data, *(base64.b64decode(picture + b"==") for picture in pictures)])
