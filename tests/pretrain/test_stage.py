"""The stage on 8x8 digits: equal bytes, no look at hidden labels, collapse said aloud, and an interruption that leaves
no trace.
"""

import json
import multiprocessing
import os
import signal
import subprocess
import sys
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pytest
from torch import nn

from components.common.artifacts import TRAIN, Dataset, load_dataset, save_dataset
from components.common.cli import Metadata
from components.common.errors import BadInputError
from components.common.files import read_json, sha256_file, sha256_tree
from components.common.learning.loading import Images
from components.common.learning.models import build_encoder, load_encoder
from components.common.learning.training import initialise
from components.common.storage import FolderStore, open_store
from components.pretrain import dali, simclr
from components.pretrain.ntxent import knn_accuracy
from components.pretrain.settings import PretrainSettings
from components.pretrain.simclr import Checkpoints, take_step, train
from components.pretrain.stage import choose_loader, make_views, measure_by_neighbours
from tests import tiny
from tests.stages import DIGITS, pretrain

ROOT = Path(__file__).parents[2]
SPEC = tiny.SPEC


@pytest.fixture(scope="module")
def done(tiny_world: tiny.World, tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Metadata]:
    folder = tmp_path_factory.mktemp("pretrain")
    return folder, pretrain(tiny_world, folder)


def test_the_artifact_says_how_it_came_about(tiny_world, done):
    folder, metadata = done
    _, spec, about = load_encoder(folder / "encoder")
    records = [json.loads(line) for line in (folder / "encoder" / "history.jsonl").read_text().splitlines()]
    assert (spec.architecture, spec.width, spec.image_size, spec.mode) == ("resnet9", 4, 8, "L")
    assert (about["dataset"], about["seed"], about["threads"], about["precision"]) == (
        tiny_world.data.id,
        0,
        1,
        "float32",
    )
    assert about["settings"]["loader"] == "torch"
    assert [record["epoch"] for record in records] == [1, 2]
    assert all({"loss", "spread", "knn_accuracy", "learning_rate"} <= record.keys() for record in records)
    assert read_json(folder / "metrics") == metadata["metrics"] == about["figures"]
    assert metadata["metrics"]["epochs"] == 2
    assert 0.3 < metadata["metrics"]["knn_accuracy"] <= 1
    assert records[1]["loss"] < records[0]["loss"] < np.log(127)  # 127 others: what guessing costs


@pytest.mark.parametrize("loader", ["torch", "dali"])
def test_a_second_run_gives_equal_bytes_and_another_seed_does_not(tiny_world, tmp_path, loader):
    for name, seed in (("one", 0), ("two", 0), ("three", 1)):
        pretrain(tiny_world, tmp_path / name, seed, loader=loader, epochs=1)
    assert sha256_tree(tmp_path / "one") == sha256_tree(tmp_path / "two")
    assert sha256_file(tmp_path / "one/encoder/encoder.safetensors") != sha256_file(
        tmp_path / "three/encoder/encoder.safetensors"
    )


def with_labels(data: Dataset, labels: pa.Array) -> pa.Table:
    return data.index.set_column(data.index.column_names.index("label"), "label", labels)


def test_hidden_training_labels_are_never_looked_at(tiny_world, done, tmp_path):
    data = load_dataset(tiny_world.dataset)
    hidden = [
        None if split == TRAIN else label
        for split, label in zip(data.column("split"), data.column("label"), strict=True)
    ]
    blind = tmp_path / "dataset"
    save_dataset(blind, replace(data, index=with_labels(data, pa.array(hidden, pa.string()))))
    pretrain(tiny_world._replace(dataset=blind), tmp_path)
    assert sha256_tree(tmp_path / "encoder") == sha256_tree(done[0] / "encoder")


def test_without_any_labels_it_trains_and_measures_nothing(tiny_world, done, tmp_path):
    data = load_dataset(tiny_world.dataset)
    save_dataset(
        tmp_path / "dataset",
        replace(data, classes=(), index=with_labels(data, pa.nulls(data.index.num_rows, pa.string()))),
    )
    metadata = pretrain(tiny_world._replace(dataset=tmp_path / "dataset"), tmp_path)
    assert "knn_accuracy" not in metadata["metrics"]
    assert sha256_file(tmp_path / "encoder/encoder.safetensors") == sha256_file(done[0] / "encoder/encoder.safetensors")


@pytest.mark.parametrize(("rate", "least", "spread"), [(2e-3, 0.999, r"0\.\d\d\d"), (1e30, 0.05, "nan")])
def test_collapse_is_an_error_that_says_so(tiny_world, tmp_path, rate, least, spread):
    said = rf"collapsed in epoch \d: spread {spread} is below .*min_spread {least}.*lower pretrain.learning_rate"
    with pytest.raises(BadInputError, match=said) as error:
        pretrain(tiny_world, tmp_path, learning_rate=rate, min_spread=least)
    assert "\n" not in str(error.value)
    assert not (tmp_path / "encoder").exists()


def test_no_epochs_keep_the_initial_weights(tiny_world, tmp_path):
    metadata = pretrain(tiny_world, tmp_path, epochs=0)
    assert metadata["metrics"] == {"epochs": 0}
    assert (tmp_path / "encoder" / "history.jsonl").read_text() == ""


def test_a_batch_is_at_most_the_train_split_and_too_few_images_are_refused(tiny_world, tmp_path):
    metadata = pretrain(tiny_world, tmp_path, batch_size=4096, epochs=1)
    assert metadata["metrics"]["epochs"] == 1
    assert load_encoder(tmp_path / "encoder")[2]["settings"]["batch_size"] == len(tiny_world.data.rows(TRAIN))
    save_dataset(
        tmp_path / "dataset",
        replace(tiny_world.data, index=tiny_world.data.index.slice(int(tiny_world.rows[TRAIN][0]), 1)),
    )
    with pytest.raises(BadInputError, match="1 images in the train split; expected at least 2"):
        pretrain(tiny_world._replace(dataset=tmp_path / "dataset"), tmp_path / "refused")


def test_the_loader_is_what_is_installed():
    assert (choose_loader("auto"), choose_loader("dali"), choose_loader("torch")) == ("dali", "dali", "torch")


def test_accuracy_by_neighbours_is_that_of_validation_images_alone(tiny_world):
    images = Images(tiny_world.data, open_store(tiny_world.store), "L", 8, 1)
    measure = measure_by_neighbours(tiny_world.data, images, SPEC, PretrainSettings(neighbours=5), 0)
    rows = tiny_world.rows["validation"]
    vectors = images.batch(rows).float().flatten(1).numpy() - 76.5  # what normalise makes of pixels, up to a scale
    vectors /= np.linalg.norm(vectors, axis=1, keepdims=True)
    assert measure(nn.Flatten()) == pytest.approx(
        knn_accuracy(vectors, tiny_world.data.column("label")[rows].astype(int), 5), abs=0.011
    )


def test_a_loop_that_was_broken_goes_on_as_if_it_had_not_been(tiny_world, tmp_path):
    settings = PretrainSettings(epochs=3, batch_size=64, image_size=8, min_spread=0, augment=DIGITS, loader="torch")
    pool = tiny_world.data.rows(TRAIN)[:200]
    store = open_store(str(tmp_path / "store"))
    images = Images(tiny_world.data, open_store(tiny_world.store), "L", 8, 1)
    visited: list[int] = []

    def learn(key: str, break_at: int) -> tuple[dict[str, bytes], list[dict[str, float]]]:
        def measure(encoder: nn.Module) -> float:
            visited.append(len(visited))
            if len(visited) == break_at:
                raise KeyboardInterrupt
            return 0.5

        visited.clear()
        encoder = initialise(lambda: build_encoder(SPEC), 0)
        history = train(
            encoder, SPEC, make_views(images, pool, settings, 0, 1), 3, settings, 0, measure, Checkpoints(store, key)
        )
        return {name: tensor.numpy().tobytes() for name, tensor in encoder.state_dict().items()}, history

    straight = learn("straight", 0)
    with pytest.raises(KeyboardInterrupt):
        learn("broken", 2)
    assert store.stat("broken") is not None
    assert learn("broken", 0) == straight
    assert len(visited) == 2  # the first epoch was not repeated


def test_a_killed_run_resumes_to_equal_bytes_and_leaves_no_checkpoint(tiny_world, tmp_path, capsys):
    epochs = 15
    settings = PretrainSettings(
        architecture="resnet9",
        width=4,
        image_size=8,
        epochs=epochs,
        batch_size=64,
        min_spread=0,
        augment=DIGITS,
        loader="torch",
        precision="float32",
    )
    flags = {
        "dataset": tiny_world.dataset,
        "store": tmp_path / "store",
        "seed": 0,
        "threads": 1,
        "settings": settings.model_dump_json(),
        "encoder": tmp_path / "killed" / "encoder",
        "metrics": tmp_path / "killed" / "metrics",
    }
    for stat in FolderStore(Path(tiny_world.store)).list("datasets/"):
        FolderStore(tmp_path / "store").upload(stat.key, Path(tiny_world.store) / stat.key)
    command = [
        sys.executable,
        "-m",
        "components.pretrain",
        *(word for name, value in flags.items() for word in (f"--{name}", str(value))),
    ]
    with subprocess.Popen(
        command, stdout=subprocess.PIPE, text=True, cwd=ROOT, env={**os.environ, "OMP_NUM_THREADS": "1"}
    ) as process:
        assert process.stdout is not None
        for line in process.stdout:
            if json.loads(line)["epoch"] == 3:
                process.send_signal(signal.SIGKILL)
                break
    assert not (tmp_path / "killed").exists()
    assert len(list(FolderStore(tmp_path / "store").list("checkpoints/pretrain/"))) == 1

    capsys.readouterr()
    resumed = tiny_world._replace(store=str(tmp_path / "store"))
    pretrain(resumed, tmp_path / "resumed", epochs=epochs)
    assert json.loads(capsys.readouterr().out.splitlines()[0])["epoch"] > 2
    assert list(FolderStore(tmp_path / "store").list("checkpoints/")) == []
    pretrain(tiny_world, tmp_path / "straight", epochs=epochs)
    assert sha256_tree(tmp_path / "resumed") == sha256_tree(tmp_path / "straight")


@pytest.mark.parametrize(("loader", "segment", "died"), [("torch", 200, 27), ("dali", 200, 27), ("dali", 4, 29)])
def test_a_run_killed_inside_an_epoch_goes_on_there_to_equal_bytes(
    tiny_world, tmp_path, loader, segment, died, monkeypatch
):
    # 20 steps an epoch; 29 lies inside the third DALI segment of four steps of the second epoch, and two more follow
    # a checkpoint after every step
    small = {"epochs": 2, "batch_size": 32, "loader": loader, "checkpoint_minutes": 1e-9}
    assert len(tiny_world.data.rows(TRAIN)) // 32 == 20
    store = FolderStore(tmp_path / "store")
    for stat in FolderStore(Path(tiny_world.store)).list("datasets/"):
        store.upload(stat.key, Path(tiny_world.store) / stat.key)
    world = tiny_world._replace(store=str(tmp_path / "store"))
    monkeypatch.setenv("OMP_WAIT_POLICY", "passive")
    child = multiprocessing.get_context("spawn").Process(
        target=die_after, args=(died, segment, world, tmp_path / "killed", small)
    )
    child.start()
    child.join(180)
    child.kill()
    child.join(10)
    assert child.exitcode == -signal.SIGKILL
    assert steps_saved(store) == died

    resumed = count_steps(monkeypatch.setattr, segment)
    pretrain(world, tmp_path / "resumed", **small)
    assert len(resumed) == 2 * 20 - died
    pretrain(tiny_world, tmp_path / "straight", **small)
    assert sha256_tree(tmp_path / "resumed") == sha256_tree(tmp_path / "straight")


def die_after(steps: int, segment: int, world: tiny.World, folder: Path, small: dict[str, Any]) -> None:
    """In a process of its own: pretrain, and die of SIGKILL once so many steps are done and the next one's batch is
    there.
    """
    taken = count_steps(setattr, segment, lambda: os.kill(os.getpid(), signal.SIGKILL) if len(taken) == steps else None)
    pretrain(world, folder, **small)


def count_steps(
    patch: Callable[[Any, str, Any], None], segment: int, before: Callable[[], Any] = lambda: None
) -> list[None]:
    """A list that grows by one with each training step, from now on; DALI's segments are of so many steps."""
    taken: list[None] = []

    def counted(*given: Any) -> tuple[float, float]:
        before()
        taken.append(None)
        return take_step(*given)

    patch(simclr, "take_step", counted)
    patch(dali, "SEGMENT", segment)
    return taken


def steps_saved(store: FolderStore) -> int:
    """Steps in the one checkpoint."""
    (stat,) = store.list("checkpoints/pretrain/")
    body = store.read(stat.key)
    header = json.loads(body[8 : 8 + int.from_bytes(body[:8], "little")])
    return int(header["__metadata__"]["done"])
