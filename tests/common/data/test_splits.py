"""Nothing learns from a validation, calibration or test image with its label, and the unlabelled pool is the train
split.
"""

import ast
from dataclasses import replace
from hashlib import md5
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

from components.common.artifacts import (
    CALIBRATION,
    INDEX,
    LABELS,
    LABELS_FILES,
    SPLITS,
    TEST,
    TRAIN,
    VALIDATION,
    Shard,
    load_labels,
    save_dataset,
)
from components.common.data.images import png
from components.common.data.reader import ShardReader
from components.common.data.shards import ShardWriter
from components.common.data.splits import labelled, split_of, training_labels, unlabelled_pool
from components.common.errors import BadInputError
from components.common.files import read_json, sha256_file
from components.common.storage import open_store
from tests import stages, tiny

COMPONENTS = Path(__file__).parents[3] / "components"
LEARNING = ("pretrain", "warmup", "pseudolabel")


@settings(deadline=None)
@given(st.text())
def test_the_split_is_a_function_of_the_group_alone(group):
    names = [TRAIN] * 7 + [VALIDATION, CALIBRATION, TEST]
    assert split_of(group) == names[int(md5(group.encode()).hexdigest(), 16) % 10]


def test_splits_have_their_shares():
    counts = {split: sum(split_of(str(i)) == split for i in range(20_000)) / 20_000 for split in SPLITS}
    assert counts == pytest.approx({TRAIN: 0.7, VALIDATION: 0.1, CALIBRATION: 0.1, TEST: 0.1}, abs=0.01)


def test_the_pool_is_the_train_split_and_nothing_else(tiny_world):
    data = tiny_world.data
    assert unlabelled_pool(data).tolist() == [row for row, split in enumerate(data.column("split")) if split == TRAIN]


@pytest.mark.parametrize("purpose", SPLITS)
def test_labels_of_a_purpose_are_rows_of_its_split_with_their_classes(tiny_world, purpose):
    table, about = load_labels(tiny_world.labels)
    rows, classes = labelled(tiny_world.data, table, about["classes"], purpose)
    assert rows.tolist() == sorted(tiny_world.rows[purpose].tolist())
    assert [about["classes"][index] for index in classes] == tiny_world.data.column("label")[rows].tolist()


def label(world: tiny.World, row: int, **changes: str) -> pa.Table:
    split = world.data.column("split")[row]
    entry = {
        "id": world.data.column("id")[row],
        "label": "3",
        "purpose": split,
        "source": "file",
        "annotator": "x",
        "time": None,
    }
    return pa.Table.from_pylist([{**entry, "weight": 1.0, **changes}], schema=LABELS)


@pytest.mark.parametrize("split", [VALIDATION, CALIBRATION, TEST])
def test_a_held_out_label_cannot_train_and_a_training_label_cannot_measure(tiny_world, split):
    held = int(tiny_world.rows[split][0])
    classes = list(tiny_world.data.classes)
    with pytest.raises(BadInputError, match=f"is labelled for train but lies in the {split} split"):
        labelled(tiny_world.data, label(tiny_world, held, purpose=TRAIN), classes, TRAIN)
    with pytest.raises(BadInputError, match=f"is labelled for {split} but lies in the train split"):
        labelled(tiny_world.data, label(tiny_world, int(tiny_world.rows[TRAIN][0]), purpose=split), classes, split)
    assert len(labelled(tiny_world.data, label(tiny_world, held), classes, TRAIN)[0]) == 0


def test_labels_of_another_dataset_or_class_are_refused(tiny_world):
    row = int(tiny_world.rows[TRAIN][0])
    classes = list(tiny_world.data.classes)
    with pytest.raises(BadInputError, match=r"image 0123456789ab is not in dataset digits@.*run `sample`"):
        labelled(tiny_world.data, label(tiny_world, row, id="0123456789abcdef"), classes, TRAIN)
    with pytest.raises(BadInputError, match=r"class 'catt' .* is not one of"):
        labelled(tiny_world.data, label(tiny_world, row, label="catt"), classes, TRAIN)
    with pytest.raises(ValueError, match="purpose 'training'"):
        labelled(tiny_world.data, label(tiny_world, row), classes, "training")


@pytest.mark.parametrize("split", [VALIDATION, CALIBRATION, TEST])
def test_a_propagated_label_cannot_measure(tiny_world, split):
    held = label(tiny_world, int(tiny_world.rows[split][0]), source="propagated")
    with pytest.raises(BadInputError, match=f"has a propagated label for {split}, which people alone label"):
        labelled(tiny_world.data, held, list(tiny_world.data.classes), split)


def test_weights_of_training_labels_have_a_mean_of_one(tiny_world):
    classes = list(tiny_world.data.classes)
    rows = tiny_world.rows[TRAIN][:3]
    entries = [
        label(tiny_world, int(row)).to_pylist()[0] | {"weight": weight}
        for row, weight in zip(rows, (1, 1, 0.5), strict=True)
    ]
    held = label(tiny_world, int(tiny_world.rows[TEST][0])).to_pylist()[0] | {"weight": 7.0}
    table = pa.Table.from_pylist([held, *reversed(entries)], schema=LABELS)
    found, known, weights = training_labels(tiny_world.data, table, classes)
    assert (found.tolist(), known.tolist()) == (rows.tolist(), [3, 3, 3])
    assert weights == pytest.approx([1.2, 1.2, 0.6])
    table, about = load_labels(tiny_world.labels)
    *pairs, weights = training_labels(tiny_world.data, table, about["classes"])
    for one, other in zip(pairs, labelled(tiny_world.data, table, about["classes"], TRAIN), strict=True):
        assert np.array_equal(one, other)
    assert weights.dtype == np.float32
    assert (weights == 1).all()  # to the bit
    assert [len(part) for part in training_labels(tiny_world.data, LABELS.empty_table(), classes)] == [0, 0, 0]


def poisoned(world: tiny.World, folder: Path, splits: tuple[str, ...]) -> tiny.World:
    """The same dataset, but every image of these splits is noise under the old id, and every label of these splits is
    turned.
    """
    reader = ShardReader(world.data, open_store(world.store))
    rng = np.random.default_rng(0)
    index = world.data.index
    ids = world.data.column("id")
    names = np.array(world.data.classes)
    bad = np.isin(world.data.column("split"), splits)
    (folder / "store").mkdir(parents=True)
    with ShardWriter(folder / "store", "digits", 1 << 26) as writer:
        noise = rng.integers(0, 256, (len(ids), 8, 8), dtype=np.uint8)
        data = [png(Image.fromarray(noise[row])) if bad[row] else reader.image_bytes(row) for row in range(len(ids))]
        places = [writer.add(f"{image}.png", each) for image, each in zip(ids, data, strict=True)]
    packed = writer.shards[0]
    turned = np.where(bad, names[(world.data.column("label").astype(int) + 1) % 10], world.data.column("label"))
    columns = {name: index.column(name) for name in INDEX.names}
    columns |= {"offset": [offset for _, offset in places], "size": [len(each) for each in data], "label": turned}
    shard = Shard(packed.path.name, packed.sha256, packed.size, len(ids))
    changed = replace(world.data, shards=(shard,), index=pa.table(columns).cast(INDEX))
    save_dataset(folder / "dataset", changed)
    tiny.labels(folder / "labels", changed, world.rows)
    return world._replace(
        dataset=folder / "dataset", labels=folder / "labels", store=str(folder / "store"), data=changed
    )


@pytest.fixture(scope="module")
def learned(tiny_world: tiny.World, tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("learned")
    learn(tiny_world, folder)
    return folder


def learn(world: tiny.World, folder: Path) -> None:
    stages.pretrain(world, folder / "pretrain", epochs=1)
    stages.warmup(world, folder / "warmup")
    stages.pseudolabel(world, folder / "pseudolabel", t1=0, t2=0, threshold=0.3, steps=6)


def taught(folder: Path) -> dict[str, Any]:
    """What a stage has learned and measured, by file: all but the labels that a classifier takes along."""
    files = {path.relative_to(folder).as_posix(): path for path in folder.rglob("*") if path.name not in LABELS_FILES}
    return {
        name: {**read_json(path), "labels": ""} if path.suffix == ".json" else sha256_file(path)
        for name, path in files.items()
        if path.is_file()
    }


def test_calibration_and_test_images_change_no_byte_of_what_is_learned(tiny_world, learned, tmp_path):
    learn(poisoned(tiny_world, tmp_path / "poisoned", (CALIBRATION, TEST)), tmp_path)
    for stage in LEARNING:
        assert taught(tmp_path / stage) == taught(learned / stage)


def test_validation_images_are_measured_and_teach_nothing(tiny_world, learned, tmp_path):
    learn(poisoned(tiny_world, tmp_path / "poisoned", (VALIDATION,)), tmp_path)
    for name in (
        "pretrain/encoder/encoder.safetensors",
        "warmup/warm/classifier.safetensors",
        "warmup/warm/history.jsonl",
        "pseudolabel/classifier/history.jsonl",
    ):
        assert sha256_file(tmp_path / name) == sha256_file(learned / name), name
    assert read_json(tmp_path / "warmup" / "metrics") != read_json(learned / "warmup" / "metrics")


def test_training_images_do_change_it(tiny_world, learned, tmp_path):
    learn(poisoned(tiny_world, tmp_path / "poisoned", (TRAIN,)), tmp_path)
    for stage, kind in zip(LEARNING, ("encoder", "warm", "classifier"), strict=True):
        assert taught(tmp_path / stage / kind) != taught(learned / stage / kind)


def reads(stage: str, what: str) -> set[str]:
    """Calls `….column(what)` and `….rows(…)` in a stage's sources, as written."""
    found = set()
    for path in (COMPONENTS / stage).glob("*.py"):
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if (
                isinstance(node, ast.Call)
                and isinstance(node.func, ast.Attribute)
                and node.func.attr in ("column", "rows")
            ):
                text = ast.unparse(node)
                if node.func.attr == "rows" if what == "rows" else f"'{what}'" in text:
                    found.add(f"{path.name}: {text}")
    return found


@pytest.mark.parametrize("stage", LEARNING)
def test_stages_that_learn_ask_splits_for_their_images(stage):
    assert reads(stage, "split") == set()
    # leave-one-out accuracy of the encoder, which teaches nothing
    measured = {"pretrain": {"stage.py: data.rows(VALIDATION)"}}
    assert reads(stage, "rows") == measured.get(stage, set())
    assert reads(stage, "label") == ({"stage.py: data.column('label')"} if stage == "pretrain" else set())
    sources = "".join(path.read_text(encoding="utf-8") for path in (COMPONENTS / stage).glob("*.py"))
    assert "unlabelled_pool(" in sources or "training_labels(" in sources
