"""A tiny world for the tests of the last stages: scikit-learn's 8x8 digits as a dataset in a store, labels, embeddings,
two classifiers.

Each classifier is a ResNet-9 of random weights whose head scikit-learn fits in a fraction of a second: four answers in
five are right.
"""

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import pyarrow as pa
import torch
from PIL import Image
from sklearn.datasets import load_digits
from sklearn.linear_model import LogisticRegression
from torch.nn import functional as F

from components.calibrate.settings import CalibrateSettings
from components.calibrate.stage import run as run_calibrate
from components.common.artifacts import (
    INDEX,
    LABELS,
    SPLITS,
    TRAIN,
    Dataset,
    ModelSpec,
    Shard,
    load_embeddings,
    load_labels,
    save_dataset,
    save_embeddings,
    save_labels,
)
from components.common.data.identity import id_of
from components.common.data.images import png
from components.common.data.shards import ShardWriter, index_key
from components.common.data.splits import split_of
from components.common.files import sha256_bytes
from components.common.learning.models import Classifier, build_encoder, normalise
from components.common.learning.supervised import save_classifier
from components.common.storage import open_store
from components.evaluate.settings import EvaluateSettings
from components.evaluate.stage import run as run_evaluate
from components.sample.propagate import with_propagated

SPEC = ModelSpec("resnet9", 4, "3x3", 8, "L", (0.3,), (0.35,))


class World(NamedTuple):
    """Folders of artifacts, and the store they refer to."""

    dataset: Path
    labels: Path
    embeddings: Path
    warm: Path
    classifier: Path
    store: str
    data: Dataset
    rows: dict[str, np.ndarray]  # labelled rows by purpose


def build(
    folder: Path,
    budgets: dict[str, int] | None = None,
    images: int = 900,
    store: str | None = None,
    others: tuple[np.ndarray, np.ndarray] | None = None,
    spec: ModelSpec = SPEC,
    split: Callable[[str], str] = split_of,
) -> World:
    """`budgets`: labels by purpose, taken from the start of each split; all of a split where it is not named. others:
    uint8 pixels and class names instead of the digits; spec: of the classifiers; split: of an image, by its id.
    """
    store = store or str(folder / "store")
    pixels, names = others or small_digits(images)
    data, order = dataset(folder, store, pixels, names, split=split)
    rows = {split: data.rows(split)[: (budgets or {}).get(split)] for split in SPLITS}
    labels(folder / "labels", data, rows)
    features = embed(pixels[order], spec)
    save_embeddings(folder / "embeddings", features.numpy(), data)
    for stage, count in (("warmup", 60), ("pseudolabel", None)):
        classifier(folder / stage, data, features, data.rows(TRAIN)[:count], stage, folder / "labels", spec)
    return World(
        folder / "dataset",
        folder / "labels",
        folder / "embeddings",
        folder / "warmup",
        folder / "pseudolabel",
        store,
        data,
        rows,
    )


def small_digits(images: int) -> tuple[np.ndarray, np.ndarray]:
    """Pixels (n, 8, 8), uint8, and names of scikit-learn's digits."""
    digits = load_digits()
    pixels = np.minimum(digits.images[:images] * 16, 255).astype(np.uint8)
    return pixels, np.array([str(digit) for digit in digits.target[:images]])


def dataset(
    folder: Path,
    store: str,
    pixels: np.ndarray,
    names: np.ndarray,
    encode: Callable[[np.ndarray], bytes] = lambda image: png(Image.fromarray(image)),
    split: Callable[[str], str] = split_of,
) -> tuple[Dataset, np.ndarray]:
    """The dataset, and the order in which its rows hold the images (by id). names: their classes, None where the source
    says nothing; encode: makes the file of an image.
    """
    data = [encode(image) for image in pixels]
    ids = np.array([sha256_bytes(each) for each in data])
    order = np.argsort(ids)
    (folder / "shards").mkdir(parents=True)
    with ShardWriter(folder / "shards", "digits", 1 << 26) as writer:
        places = [writer.add(f"{ids[i]}.png", data[i]) for i in order]
    target = open_store(store)
    shards = []
    for packed in writer.shards:
        key = f"datasets/digits/{packed.path.name}"
        target.upload(key, packed.path)
        target.upload(index_key(key), packed.path.with_suffix(".idx"))
        shards.append(Shard(key, packed.sha256, packed.size, len(packed.members)))
    side = pixels.shape[1]
    index = pa.table(
        {
            "id": ids[order],
            "shard": [n for n, _ in places],
            "offset": [o for _, o in places],
            "size": [len(data[i]) for i in order],
            "width": [side] * len(order),
            "height": [side] * len(order),
            "split": [split(ids[i]) for i in order],
            "label": names[order],
            "group": ids[order],
            "source": [f"{i}.png" for i in order],
            "text": pa.nulls(len(order), pa.string()),
        }
    ).cast(INDEX)
    made = Dataset(
        "digits", "", "L" if pixels.ndim == 3 else "RGB", tuple(sorted(set(names) - {None})), tuple(shards), index
    )
    made = replace(made, id=id_of(made))
    save_dataset(folder / "dataset", made)
    for path in (folder / "dataset").iterdir():  # as ingest publishes a version
        target.upload(f"datasets/digits/{made.id}/{path.name}", path)
    return made, order


def earlier(data: Dataset, rows: np.ndarray, store: str, folder: Path | None = None) -> Dataset:
    """A version that holds these rows alone, as it was before the others came. folder: where it is written on the way
    to the store; without one it never gets there.
    """
    made = replace(data, index=data.index.take(np.sort(rows)), id="")
    made = replace(made, id=id_of(made))
    if folder:
        save_dataset(folder, made)
        for path in folder.iterdir():
            open_store(store).upload(f"datasets/{data.name}/{made.id}/{path.name}", path)
    return made


def labels(folder: Path, data: Dataset, rows: dict[str, np.ndarray]) -> None:
    """What an oracle answers for the rows of each purpose."""
    chosen = np.concatenate(list(rows.values()))
    purposes = [purpose for purpose, part in rows.items() for _ in part]
    n = len(chosen)
    table = pa.table(
        {
            "id": data.column("id")[chosen],
            "label": data.column("label")[chosen],
            "purpose": purposes,
            "source": ["oracle"] * n,
            "annotator": ["oracle"] * n,
            "time": pa.nulls(n, pa.timestamp("s", tz="UTC")),
            "weight": np.ones(n, np.float32),
        }
    )
    save_labels(folder, table.cast(LABELS), list(data.classes), "candidates/digits/")


def propagated(world: World, folder: Path, count: int, weight: float = 0.9) -> World:
    """The world where all but `count` of the training labels came from near neighbours."""
    given, others = np.split(world.rows[TRAIN], [count])
    labels(folder / "people", world.data, {**world.rows, TRAIN: given})
    table, about = load_labels(folder / "people")
    table = with_propagated(table, world.data, others, world.data.column("label")[others], weight)
    save_labels(folder / "labels", table, about["classes"], about["candidates"])
    return world._replace(labels=folder / "labels")


def embed(pixels: np.ndarray, spec: ModelSpec = SPEC, batch: int = 1000) -> torch.Tensor:
    """Unit-length features (images, features) of a network whose weights follow from seed 0, of pixels (n, s, s) or
    (n, s, s, 3).
    """
    with torch.random.fork_rng(devices=[]), torch.no_grad():
        torch.manual_seed(0)
        encoder = build_encoder(spec).eval()
        channels = pixels[:, None] if pixels.ndim == 3 else pixels.transpose(0, 3, 1, 2)
        parts = [encoder(normalise(part, spec)) for part in torch.from_numpy(channels).split(batch)]
        return F.normalize(torch.cat(parts), dim=1)


def classifier(
    folder: Path,
    data: Dataset,
    features: torch.Tensor,
    rows: np.ndarray,
    stage: str,
    labels: Path,
    spec: ModelSpec = SPEC,
) -> None:
    """The encoder of `embed` with a head fitted on the rows' labels, for the classes that these are of."""
    classes = sorted(set(data.column("label")[rows]))
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        network = Classifier(build_encoder(spec), len(classes)).eval()
    scaled = (features * features.shape[1] ** 0.5).numpy()
    head = LogisticRegression(C=3.0, max_iter=300).fit(scaled[rows], data.column("label")[rows])
    with torch.no_grad():
        network.head.weight.copy_(torch.from_numpy(head.coef_))
        network.head.bias.copy_(torch.from_numpy(head.intercept_))
    save_classifier(
        folder,
        network,
        spec,
        [{}],
        data,
        labels,
        classes=classes,
        unlabelled_classes=[name for name in data.classes if name not in classes],
        settings={"steps": len(rows)},
        seed=0,
        threads=1,
        stage=stage,
        validation_accuracy=0.9,
        handed_on=False,
        why="",
    )


def without(world: World, folder: Path, missing: list[str]) -> World:
    """The world in which no training label is of the `missing` classes, and classifiers that never saw one."""
    train = world.rows[TRAIN]
    rows = {**world.rows, TRAIN: train[~np.isin(world.data.column("label")[train], missing)]}
    labels(folder / "labels", world.data, rows)
    features = torch.from_numpy(load_embeddings(world.embeddings, world.data).astype(np.float32))
    for stage, count in (("warmup", 100), ("pseudolabel", None)):
        classifier(folder / stage, world.data, features, rows[TRAIN][:count], stage, folder / "labels")
    return world._replace(
        labels=folder / "labels", warm=folder / "warmup", classifier=folder / "pseudolabel", rows=rows
    )


class Evaluated(NamedTuple):
    """Output artifacts of calibrate and evaluate, and what evaluate tells Kubeflow."""

    calibration: Path
    evaluation: Path
    report: Path
    metrics: Path
    confusion: Path
    metadata: dict[str, dict[str, Any]]


def evaluated(world: World, folder: Path, **changes: Any) -> Evaluated:
    """Run calibrate and evaluate. `changes`: settings of evaluate."""
    names = ("calibration", "evaluation", "report", "metrics", "confusion")
    fitted, evaluation, report, metrics, confusion = (folder / name for name in names)
    run_calibrate(
        world.dataset, world.classifier, world.labels, world.store, 1, CalibrateSettings(), fitted, folder / "fitted"
    )
    metadata = run_evaluate(
        world.dataset,
        world.embeddings,
        world.labels,
        world.warm,
        world.classifier,
        fitted,
        world.store,
        0,
        1,
        EvaluateSettings.model_validate({"map_points": 200, **changes}),
        evaluation,
        report,
        metrics,
        confusion,
    )
    return Evaluated(fitted, evaluation, report, metrics, confusion, metadata or {})
