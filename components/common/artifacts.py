"""Every on-disk format, in one place.

    dataset/      dataset.json  index.parquet  report.html  quality.json  attributes.parquet (of a table of images)
                                                                    ingest      -> pretrain, evaluate
    encoder/      encoder.safetensors  encoder.json  history.jsonl  pretrain    -> sample, warmup
    embeddings/   embeddings.npy  embeddings.json                   sample      -> warmup, evaluate
    candidates/   candidates.csv  candidates.parquet  clusters.html  clusters.parquet  contact_sheet.html
                  labelstudio.json  summary.json                    sample      -> people
    labels/       labels.parquet  labels.json  label_advice.json    sample      -> warmup
    classifier/   classifier.safetensors  classifier.json  history.jsonl  labels.parquet  labels.json
                  label_advice.json  checkpoint-<step>.safetensors (pseudolabel.checkpoints)
                                                                    warmup, pseudolabel -> next stages
    calibration/  calibration.json                                  calibrate   -> evaluate, release
    evaluation/   report.ipynb  report.html  metrics.json  gate.json  predictions.parquet  model.onnx
                  model.int8.onnx  probe.json  reference.parquet  reference.json
                  opinion.parquet (evaluate.precise)
                                                                    evaluate    -> release
    release/      release.json                                      release     -> serving, people
    observed/     observed.parquet  observed.json  reference.parquet  reference.json
                                                                    monitor.collect -> compare

Where a run waits for labels, `labels/` holds a waiting.json too, and each later artifact but the last waiting.json
alone: `sample` writes it, every stage after it passes it on.

Every stage after pretrain finds the dataset in the store by the name and id that its inputs record, every stage after
warmup the labels in the classifier that learned from them (components/common/lineage.py).

No path, host name or time is written into any of them: equal inputs give equal bytes.
"""

from collections.abc import Iterable
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa

from components.common.errors import BadInputError
from components.common.files import read_json, sha256_file, write_json
from components.common.parquet import load_table, save_table

TRAIN, VALIDATION, CALIBRATION, TEST = SPLITS = ("train", "validation", "calibration", "test")

INDEX = pa.schema(
    [
        ("id", pa.string()),  # sha256 of the source's bytes, hexadecimal
        ("shard", pa.int32()),  # position in dataset.json's list of shards
        ("offset", pa.int64()),  # first byte of the stored image inside its shard
        ("size", pa.int64()),  # bytes of the stored image
        ("width", pa.int32()),  # pixels, upright
        ("height", pa.int32()),
        ("split", pa.string()),
        ("label", pa.string()),  # what the source says, or null; only `sample` may look
        ("group", pa.string()),  # near-duplicate group: the id of its first member
        ("source", pa.string()),  # path inside the source
        ("text", pa.string()),  # what stands beside the image, or null
    ]
)

LABELS = pa.schema(
    [
        ("id", pa.string()),
        ("label", pa.string()),
        ("purpose", pa.string()),  # train, validation, calibration or test: the split of the image
        ("source", pa.string()),  # oracle, source, file or store: who answered; or PROPAGATED
        ("annotator", pa.string()),
        ("time", pa.timestamp("s", tz="UTC")),  # null for an oracle, so that equal runs give equal bytes
        ("weight", pa.float32()),  # how much it counts in training: 1, of a propagated one less
    ]
)
PROPAGATED = "propagated"  # source of a label that near neighbours gave, for training alone
LABELS_FILES = ("labels.parquet", "labels.json", "label_advice.json")  # the last where `sample` gave advice

CANDIDATES = pa.schema(  # what people are asked: by purpose as in SPLITS, then by rank
    [
        ("id", pa.string()),
        ("rank", pa.int32()),  # within its purpose, from 1
        ("purpose", pa.string()),
        ("reason", pa.string()),
        ("nearest", pa.string()),  # id of the nearest image that has a label or was picked before it, or null
        ("cluster", pa.int32()),  # as in CLUSTERS; -1 outside the training pool
        ("label", pa.string()),  # known already, or null
    ]
)
CLUSTERS = pa.schema(  # the whole training pool, by id: like images, to be labelled at a stroke
    [
        ("id", pa.string()),
        ("cluster", pa.int32()),  # of the embeddings, by k-means, from 0
        ("distance", pa.float32()),  # to the centre of the cluster
    ]
)


@dataclass(frozen=True)
class Shard:
    key: str  # object name under the store
    sha256: str
    size: int  # bytes
    images: int  # that the dataset names; there may be others


@dataclass(frozen=True)
class Dataset:
    """dataset.json and the index beside it; pixels stay in the store's shards."""

    name: str
    id: str  # digest of the index, the shards, the classes and the attributes
    mode: str  # RGB or L
    classes: tuple[str, ...]  # sorted; empty where the source has no labels
    shards: tuple[Shard, ...]
    index: pa.Table = field(repr=False, compare=False)
    attributes: str = ""  # digest of attributes.parquet (attributes.py), where the source has some

    def column(self, name: str) -> np.ndarray:
        return self.index.column(name).to_numpy(zero_copy_only=False)

    def rows(self, split: str) -> np.ndarray:
        """Rows of one split, ascending, int64."""
        return np.flatnonzero(self.column("split") == split)

    def reference(self) -> dict[str, str]:
        """What an artifact records of the dataset that it is made from, so that later stages find it."""
        return {"dataset": self.id, "dataset_name": self.name}

    def counts(self) -> dict[str, int]:
        return {split: len(self.rows(split)) for split in SPLITS}


def save_dataset(folder: Path, dataset: Dataset) -> None:
    save_table(folder / "index.parquet", dataset.index, INDEX)
    about = describe_dataset(
        dataset.name,
        dataset.id,
        dataset.mode,
        dataset.classes,
        dataset.counts(),
        dataset.shards,
        attributes=dataset.attributes,
    )
    write_json(folder / "dataset.json", about)


def describe_dataset(
    name: str,
    digest: str,
    mode: str,
    classes: Iterable[str],
    counts: dict[str, int],
    shards: Iterable[Shard],
    thumbnails: Iterable[Shard] = (),
    attributes: str = "",
) -> dict[str, Any]:
    """What dataset.json says. thumbnails: tables of thumbnails, by which ingest knows near-duplicates of these images
    when more arrive. attributes: digest of those, which older readers need not know of.
    """
    return {
        "format": 1,
        "name": name,
        "id": digest,
        "mode": mode,
        "classes": list(classes),
        "counts": counts,
        "shards": [asdict(shard) for shard in shards],
        "thumbnails": [asdict(table) for table in thumbnails],
        **({"attributes": attributes} if attributes else {}),
    }


def load_dataset(folder: Path) -> Dataset:
    about = read_about(folder, "dataset.json", writer="ingest")
    index = load_table(folder / "index.parquet", INDEX)
    shards = tuple(Shard(**shard) for shard in about["shards"])
    classes = tuple(about["classes"])
    return Dataset(about["name"], about["id"], about["mode"], classes, shards, index, about.get("attributes", ""))


@dataclass(frozen=True)
class ModelSpec:
    """All that is needed to build a network and to feed it: stored in encoder.json and classifier.json."""

    architecture: str  # resnet9, resnet18, resnet34, resnet50
    width: int  # channels of the first block (resnet9)
    stem: str  # 3x3 or 7x7
    image_size: int  # pixels, square
    mode: str  # RGB or L
    mean: tuple[float, ...]  # per channel, of pixels in 0..1
    std: tuple[float, ...]

    @property
    def channels(self) -> int:
        return len(self.mode)  # "L" has one, "RGB" three


def save_about(folder: Path, kind: str, spec: ModelSpec, **facts: Any) -> None:
    """Write encoder.json or classifier.json: how to build the network, and where its weights came from."""
    write_json(folder / f"{kind}.json", {"format": 1, "model": asdict(spec), **facts})


def load_about(folder: Path, kind: str) -> tuple[ModelSpec, dict[str, Any]]:
    about = read_about(
        folder, f"{kind}.json", writer={"encoder": "pretrain", "classifier": "warmup or pseudolabel"}[kind]
    )
    model = about["model"]
    return ModelSpec(**{**model, "mean": tuple(model["mean"]), "std": tuple(model["std"])}), about


def new_embeddings(folder: Path, dataset: Dataset, features: int) -> np.ndarray:
    """An artifact whose array is yet to be filled, a memory map: float16 (images, features), rows as in the index."""
    shape = (dataset.index.num_rows, features)
    write_json(folder / "embeddings.json", {"format": 1, **dataset.reference(), "shape": list(shape)})
    return np.lib.format.open_memmap(folder / "embeddings.npy", "w+", np.float16, shape)


def save_embeddings(folder: Path, embeddings: np.ndarray, dataset: Dataset) -> None:
    """`embeddings`: (images, features), unit length, rows in the order of the index."""
    new_embeddings(folder, dataset, embeddings.shape[1])[:] = embeddings


def load_embeddings(folder: Path, dataset: Dataset) -> np.ndarray:
    """float16 (images, features), read from the file as they are looked at; they cannot be written to."""
    of = read_about(folder, "embeddings.json", writer="sample")["dataset"]
    if of != dataset.id:
        wrong = f"embeddings of dataset {of[:12]}, not of {dataset.id[:12]}"
        raise BadInputError(f"{folder}: {wrong}; run `sample` on this dataset")
    return np.load(folder / "embeddings.npy", mmap_mode="r", allow_pickle=False).view(np.ndarray)


def save_labels(folder: Path, labels: pa.Table, classes: list[str], candidates: str, **facts: Any) -> None:
    """classes: in the order of the outputs; candidates: where people find the picks; facts: `round`, `neighbours`,
    `assumption`.
    """
    save_table(folder / "labels.parquet", labels, LABELS)
    spread, purposes = labels.column("source").to_pylist().count(PROPAGATED), labels.column("purpose").to_pylist()
    counts = {split: purposes.count(split) - (spread if split == TRAIN else 0) for split in SPLITS}
    write_json(
        folder / "labels.json",
        {
            "format": 1,
            "classes": classes,
            "counts": counts,
            "propagated": spread,
            "candidates": candidates,
            "sha256": sha256_file(folder / "labels.parquet"),
            **facts,
        },
    )


def load_labels(folder: Path) -> tuple[pa.Table, dict[str, Any]]:
    """The labels table and labels.json, from `labels/` or a classifier that learned from them: `classes`, `counts`
    (people's labels by purpose), `propagated` (labels that neighbours gave, beside them), `candidates`.
    """
    about = read_about(folder, "labels.json", writer="sample, or a classifier that learned from labels")
    table = load_table(folder / "labels.parquet", LABELS)
    if (found := sha256_file(folder / "labels.parquet")) != about["sha256"]:
        raise BadInputError(
            f"{folder / 'labels.parquet'}: its sha256 is {found[:12]}, but labels.json says {about['sha256'][:12]}; "
            "it was changed; restore it, or run the stage that wrote it again"
        )
    return table, about


@dataclass(frozen=True)
class Waiting:
    """waiting.json: what a run waits for that cannot go on yet."""

    stage: str  # that found it out
    why: str  # what is missing
    images: int  # that wait for a label
    where: str  # key under the store of the candidates to label
    needs: str  # what to do


def save_waiting(folder: Path, waiting: Waiting) -> None:
    write_json(folder / "waiting.json", {"format": 1, **asdict(waiting)})


def load_waiting(folder: Path) -> Waiting | None:
    """What the run waits for; None where the artifact is what its stage was to make."""
    if not (folder / "waiting.json").is_file():
        return None
    about = read_about(folder, "waiting.json", writer="sample")
    return Waiting(**{key: value for key, value in about.items() if key != "format"})


def read_about(folder: Path, name: str, writer: str) -> dict[str, Any]:
    """The JSON object `name` of an artifact, of a format that is known; writer: the stage that makes it."""
    path = folder / name
    if not path.is_file():
        raise BadInputError(f"{folder}: holds no {name}; expected the output of {writer}")
    about = read_json(path)
    if about.get("format") != 1:
        raise BadInputError(f"{path}: format {about.get('format')!r} is not one this version reads (1)")
    return about
