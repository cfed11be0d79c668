"""What is known of each test image, the slices made of it, and labels that look wrong, on the tiny world."""

import json
import shutil
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq
import pytest
import torch

from components.common.artifacts import INDEX, load_embeddings, load_labels
from components.common.attributes import FILE
from components.common.data.classes import classes_of
from components.common.learning.inference import over_rows
from components.common.learning.loading import Images
from components.common.storage import open_store
from components.evaluate.asked import brightness_of
from components.evaluate.columns import columns_of, folders, training_images
from components.evaluate.figures import pseudolabels
from components.evaluate.measures.nearest import nearest
from components.evaluate.measures.slices import slices
from components.evaluate.predictions import PREDICTIONS
from components.evaluate.wrong_labels import wrong_labels
from components.pseudolabel.health import health
from tests import tiny


def test_the_nearest_is_the_nearest():
    rng = np.random.default_rng(0)
    x, others = (rng.normal(size=(n, 16)) for n in (30, 50))
    x[3] = others[7]
    x, others = (each / np.linalg.norm(each, axis=1, keepdims=True) for each in (x, others))
    slow = [min(float(np.linalg.norm(a - b)) for b in others) for a in x]
    assert nearest(x, others) == pytest.approx(slow, abs=1e-3)
    assert nearest(x, others)[3] == pytest.approx(0, abs=1e-3)
    assert nearest(np.array([[1.0, 0]]), np.array([[0, 1.0], [-1, 0]])) == pytest.approx([2**0.5])
    assert np.isnan(nearest(x, others[:0])).all()


def test_of_too_many_training_images_those_with_a_label_stay(tiny_world):
    data, train = tiny_world.data, tiny_world.data.rows("train")
    assert training_images(data, train[:3], 10_000, 0).tolist() == train.tolist()
    taught = train[[5, 50, 500]]
    some = training_images(data, taught, 40, 0)
    assert len(some) == 40
    assert set(taught) <= set(some) <= set(train)
    assert some.tolist() == training_images(data, taught, 40, 0).tolist()


def test_folders_that_are_classes_make_no_slice():
    sources = np.array(["scans/cat/1.png", "photos/cat/2.png", "scans/dog/3.png"], dtype=object)
    assert folders(sources, np.array(["cat", "cat", "dog"])).tolist() == ["scans", "photos", "scans"]
    assert folders(sources, np.array(["dog", "cat", "dog"])).tolist() == ["scans/cat", "photos/cat", "scans/dog"]
    assert folders(np.array(["1.png"], dtype=object), np.array(["cat"])).tolist() == [""]


def test_any_column_of_the_source_makes_slices(tiny_world, tmp_path):
    shutil.copytree(tiny_world.dataset, tmp_path / "dataset")
    data, rows = tiny_world.data, tiny_world.rows["test"]
    n = data.index.num_rows
    camera = np.array([("old", "new", None)[row % 3] for row in range(n)], dtype=object)
    table = pa.table({"id": data.column("id"), "camera": camera, "folder": ["x", "y"] * (n // 2)})
    pq.write_table(
        table.cast(pa.schema([(name, pa.string()) for name in table.column_names])), tmp_path / "dataset" / FILE
    )
    labels = data.column("label")[rows]
    vectors = load_embeddings(tiny_world.embeddings, data)
    found = columns_of(tmp_path / "dataset", data, vectors, rows, labels, np.zeros(len(rows)), rows[:0], 0)
    lines = slices(found.kinds(), np.ones(len(rows), bool), 20)
    assert {line["by"] for line in lines} == {"camera", "folder (column)", "distance"}
    count = {line["name"]: line["images"] for line in lines if line["by"] == "camera"}
    assert count == {name: int(np.sum(camera[rows] == name)) for name in ("old", "new")}
    assert found.size.tolist() == [8.0] * len(rows)


def test_brightness_and_answers_come_from_one_reading(tiny_world):
    rows = tiny_world.rows["test"][:40][::-1].copy()
    images = Images(tiny_world.data, open_store(tiny_world.store), "L", 8)
    pixels = images.batch(rows).numpy()
    seen: list[int] = []

    def counted(batch: torch.Tensor) -> np.ndarray:
        seen.append(len(batch))
        return batch[:, 0, 0, 0].numpy()

    bright, corner = over_rows([brightness_of, counted], images, rows, 16)
    assert bright == pytest.approx(pixels.mean(axis=(1, 2, 3)) / 255)
    assert corner.tolist() == pixels[:, 0, 0, 0].tolist()
    assert seen == [16, 16, 8]


def test_the_predictions_hold_what_is_known_of_each_image(tiny_world, tiny_evaluated):
    table = pq.read_table(tiny_evaluated.evaluation / "predictions.parquet")
    assert table.schema.names == PREDICTIONS.names
    assert table.column("champion_predicted").null_count == len(table), "there is no champion"
    assert table.column("size").to_pylist() == [8.0] * len(table)
    assert 0 < pc.min(table.column("brightness")).as_py() <= pc.max(table.column("brightness")).as_py() < 1
    assert 0 <= pc.min(table.column("distance")).as_py() < pc.max(table.column("distance")).as_py() < 2


@pytest.mark.parametrize("purpose", ["train", "test", "calibration"])
def test_labels_that_were_changed_are_found_whatever_they_are_for(tiny_world, tmp_path, purpose):
    data, names = tiny_world.data, list("0123456789")
    wrong = tiny_world.rows[purpose][4:60:8]
    label = data.column("label").copy()
    label[wrong] = [names[(int(name) + 5) % 10] for name in label[wrong]]
    index = data.index.set_column(INDEX.get_field_index("label"), "label", pa.array(label, pa.string()))
    tiny.labels(tmp_path / "labels", tiny.replace(data, index=index), tiny_world.rows)
    table, about = load_labels(tmp_path / "labels")
    truth = {row: names.index(data.column("label")[row]) for row in range(data.index.num_rows)}

    def final(rows: np.ndarray) -> np.ndarray:
        """A model that knows the truth, and says so with some doubt."""
        return 4 * np.eye(10)[[truth[row] for row in rows]]

    test = tiny_world.rows["test"]
    vectors = load_embeddings(tiny_world.embeddings, data)
    found = wrong_labels(data, table, classes_of(table, about["classes"]), vectors, (test, final(test)), final, 1.0, 0)
    ids = set(data.column("id")[wrong])
    right = [line for line in found["suspects"] if line["id"] in ids]
    assert len(right) >= 0.7 * len(ids)
    assert {line["purpose"] for line in right} == {purpose}
    if purpose != "train":
        assert len(right) == len(ids)
        for line in right:
            assert (
                line["suggested"]
                == names[truth[int(np.flatnonzero(data.column("id") == line["id"])[0])]]
                != line["label"]
            )
    assert found["suspects_looked"] == sum(map(len, tiny_world.rows.values()))
    assert len(found["suspects"]) == min(100, found["suspects_found"])


def test_labels_of_neighbours_and_of_unknown_classes_are_not_looked_at(tiny_world, partial_world, tmp_path):
    world = tiny.propagated(partial_world, tmp_path, 60)
    table, about = load_labels(world.labels)
    classes = classes_of(table, about["classes"])
    vectors = load_embeddings(world.embeddings, world.data)
    nothing = np.empty((0, 10))

    def unsure(rows: np.ndarray) -> np.ndarray:
        return np.zeros((len(rows), 10))

    test = world.rows["test"]
    found = wrong_labels(world.data, table, classes, vectors, (test, unsure(test)), unsure, 1.0, 0)
    known = ~np.isin(world.data.column("label"), ["3", "7"])
    others = sum(int(known[world.rows[purpose]].sum()) for purpose in ("test", "validation", "calibration"))
    assert found["suspects_looked"] == others + 60
    assert {line["purpose"] for line in found["suspects"]} <= {"train"}, "a model that knows nothing suspects nothing"
    bare = table.filter(pa.array([False] * len(table)))
    none = wrong_labels(world.data, bare, classes, vectors, (test[:0], nothing), unsure, 1.0, 0)
    assert none == {"suspects": [], "suspects_found": 0, "suspects_looked": 0}


def test_pseudo_labels_are_watched_by_what_the_models_say_of_unlabelled_images():
    warm = np.array([[4.0, 0], [4, 0], [0, 4], [0, 4]])
    new = np.array([[4.0, 0], [0, 0.1], [0, 4], [0, 0.2]])
    found = health(warm, new, np.array([0, 0, 0, 1]), 0.9, ["a", "b"])
    assert found is not None
    assert (found["images"], found["agreement"], found["confident"]) == (4, 0.75, 0.5)
    assert found["classes"] == [
        {"class": "a", "labels": 0.75, "predicted": 0.25, "confident": 0.5},
        {"class": "b", "labels": 0.25, "predicted": 0.75, "confident": 0.5},
    ]
    assert found["entropy"] == pytest.approx(-(0.25 * np.log2(0.25) + 0.75 * np.log2(0.75)))
    assert health(warm, np.array([[1.0, 0]] * 4), np.array([0]), 0.9, ["a", "b"])["entropy"] == 0  # type: ignore[index]
    assert health(warm[:0], new[:0], np.array([0]), 0.9, ["a", "b"]) is None


def test_the_history_of_pseudo_labels_is_told(tiny_world, tmp_path):
    assert pseudolabels(tiny_world.warm) is None
    assert pseudolabels(tiny_world.classifier) is None, "no step was taken"
    folder = Path(shutil.copytree(tiny_world.classifier, tmp_path / "classifier"))
    lines = [{"step": step, "loss": 1.0, "unlabelled_loss": 0.5, "confident": step / 100} for step in (10, 20)]
    (folder / "history.jsonl").write_text("".join(json.dumps(line) + "\n" for line in lines))
    found = pseudolabels(folder)
    assert found == {"mask_rate": 0.2, "curve": lines, "handed_on": False, "why": ""}
