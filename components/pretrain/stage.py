"""Pretrain an encoder on a dataset."""

from collections.abc import Callable, Generator, Iterator
from importlib.util import find_spec
from pathlib import Path

import numpy as np
from torch import Tensor, nn

from components.common.artifacts import VALIDATION, Dataset, ModelSpec, load_dataset, save_about
from components.common.cli import Metadata
from components.common.code import code_digest
from components.common.data.splits import unlabelled_pool
from components.common.data.stream import ahead
from components.common.errors import BadInputError
from components.common.files import new_folder, sha256_json, write_json, write_jsonl
from components.common.learning.collective import rank, world
from components.common.learning.inference import embed
from components.common.learning.loading import Images, load_size
from components.common.learning.models import save_weights
from components.common.learning.training import precision_name, set_threads
from components.common.remote import once_kept
from components.common.seeding import seeded
from components.common.storage import open_store
from components.pretrain.initial import initial_encoder
from components.pretrain.needs import check_memory
from components.pretrain.ntxent import knn_accuracy
from components.pretrain.settings import PretrainSettings
from components.pretrain.simclr import Checkpoints, Views, train
from components.pretrain.views import torch_views

KNN_IMAGES = 2000  # validation images that the nearest-neighbour accuracy is taken over, at most


def run(
    dataset: Path, store: str, seed: int, threads: int, settings: PretrainSettings, encoder: Path, metrics: Path
) -> Metadata:
    """Learn an encoder from the train split with SimCLR, without labels."""
    set_threads(threads)
    data = load_dataset(dataset)
    place = open_store(store)
    pool = unlabelled_pool(data)
    if len(pool) < 2:
        raise BadInputError(
            f"dataset {data.name}: {len(pool)} images in the train split; expected at least 2; ingest more images"
        )
    images = Images(data, place, data.mode, load_size(settings.image_size), threads, round(settings.shuffle_gb * 1e9))
    settings = settings.model_copy(
        update={
            "batch_size": min(settings.batch_size, len(pool)),
            "loader": choose_loader(settings.loader),
            # the order of rows depends on what is held
            "shuffle_gb": images.reader.held / 1e9,
        }
    )
    check_memory(data, pool, settings)
    network, spec = initial_encoder(data, images, settings, seed)
    made_from = {
        "dataset": data.id,
        "settings": settings.model_dump(mode="json"),
        "seed": seed,
        "threads": threads,
        "precision": precision_name(settings.precision),
        **several(settings),
    }
    key = sha256_json({**made_from, "code": code_digest()})
    checkpoints = Checkpoints(place, f"checkpoints/pretrain/{key}.safetensors")
    whole = Images(data, place, data.mode, spec.image_size, threads)
    measure = measure_by_neighbours(data, whole, spec, settings, seed)
    views = make_views(images, pool, settings, seed, threads)
    steps = len(pool) // settings.batch_size
    history = train(network, spec, views, steps, settings, seed, measure, checkpoints)
    if rank():
        return {}
    last = history[-1] if history else {}
    figures: dict[str, float] = {"epochs": settings.epochs}
    figures |= {name: last[name] for name in ("loss", "spread", "knn_accuracy") if name in last}
    with new_folder(encoder) as folder:
        save_weights(folder / "encoder.safetensors", network)
        save_about(folder, "encoder", spec, **made_from | data.reference(), figures=figures)
        write_jsonl(folder / "history.jsonl", history)
    write_json(metrics, figures)
    once_kept(lambda: place.delete(checkpoints.key))
    return {"metrics": figures, "encoder": {"architecture": spec.architecture}}


def several(settings: PretrainSettings) -> dict[str, int]:
    """The number of processes where there are several: as with threads, sums round by it, and DALI's views are drawn by
    it.
    """
    if settings.batch_size < world():
        raise BadInputError(
            f"pretrain.batch_size: {settings.batch_size} images for {world()} processes; expected one for each at least"
        )
    return {"processes": world()} if world() > 1 else {}


def choose_loader(choice: str) -> str:
    """`auto` is DALI where it is installed."""
    installed = find_spec("nvidia") is not None and find_spec("nvidia.dali") is not None
    if choice == "dali" and not installed:
        raise BadInputError("pretrain.loader: dali is not installed; pip install 'gleaner[dali]', or set loader: torch")
    return ("dali" if installed else "torch") if choice == "auto" else choice


def make_views(images: Images, pool: np.ndarray, settings: PretrainSettings, seed: int, threads: int) -> Views:
    """Make the batches of views, ahead of the training loop and across epochs."""
    steps = len(pool) // settings.batch_size

    def views(done: int) -> Generator[tuple[Tensor, Tensor], None, None]:
        for epoch in range(done // steps, settings.epochs):
            yield from of_epoch(epoch, max(0, done - epoch * steps))

    def of_epoch(epoch: int, first: int) -> Iterator[tuple[Tensor, Tensor]]:
        if settings.loader == "dali":
            from components.pretrain.dali import dali_views

            return dali_views(images.reader, images.mode, pool, settings, seed, epoch, threads, first)
        return torch_views(images, pool, settings.batch_size, settings.augment, settings.image_size, seed, epoch, first)

    return lambda done: ahead(views(done))


def measure_by_neighbours(
    data: Dataset, images: Images, spec: ModelSpec, settings: PretrainSettings, seed: int
) -> Callable[[nn.Module], float | None]:
    """A function from encoder to kNN accuracy on the validation labels that the source carries; to None where it
    carries too few.
    """
    labels = data.column("label")
    rows = np.array([row for row in data.rows(VALIDATION) if labels[row] is not None], np.int64)
    rows = np.sort(seeded(seed, "knn")[0].permutation(rows)[:KNN_IMAGES])
    classes, known = np.unique(labels[rows].astype(str), return_inverse=True)
    if len(classes) < 2 or len(rows) <= settings.neighbours:
        return lambda encoder: None
    return lambda encoder: knn_accuracy(embed(encoder, spec, images, rows), known, settings.neighbours)
