"""The champion beside the new model: figures by hand, older datasets, other classes, champions that cannot be read."""

import io
import json
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from components.calibrate.settings import CalibrateSettings
from components.calibrate.stage import run as run_calibrate
from components.common import metrics as m
from components.common.cli import main
from components.common.storage import IntegrityError, open_store
from components.evaluate.against import told
from components.evaluate.champion import Champion
from components.evaluate.measuring import Measured, measured, read_inputs
from components.evaluate.settings import EvaluateSettings
from components.evaluate.stage import run
from components.releases.bundle import describe, publish
from components.releases.champion import promote
from tests import tiny
from tests.releases.made import publish_release


@pytest.fixture(scope="module")
def calibration(tiny_world: tiny.World, tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("calibration")
    world = tiny_world
    run_calibrate(
        world.dataset, world.classifier, world.labels, world.store, 1, CalibrateSettings(), folder / "it", folder / "m"
    )
    return folder / "it"


def release(world: tiny.World, store: str, files: dict[str, bytes] | None = None, **about: Any) -> str:
    """Publish what `publish_release` makes of a world's classifier with other or more files, and with changes to
    release.json; returns its version.
    """
    place = open_store(publish_release(world, f"{store}/made"))
    made = json.loads(place.read("release.json"))
    held = {name: place.read(name) for name in made["files"]} | (files or {})
    said = {key: value for key, value in made.items() if key not in ("files", "version", "format")}
    described = describe(held, {**said, **about})
    publish(open_store(store), described, held)
    return described["version"]


def against(world: tiny.World, calibration: Path, store: str, version: str) -> tuple[Measured, dict[str, Any]]:
    """What evaluate measures, without a report."""
    inputs = read_inputs(
        world.dataset,
        world.embeddings,
        world.labels,
        world.warm,
        world.classifier,
        calibration,
        store,
        0,
        1,
        EvaluateSettings(champion=version),
    )
    return measured(inputs)


@pytest.fixture(scope="module")
def with_warm(
    tiny_world: tiny.World, calibration: Path, tmp_path_factory: pytest.TempPathFactory
) -> tuple[Measured, dict[str, Any], str]:
    """The tiny world beside a champion that is its warm-up model, of temperature 1.25; and that one's version."""
    store = _with_shards(tiny_world, tmp_path_factory.mktemp("store"))
    version = release(tiny_world._replace(classifier=tiny_world.warm), store)
    return *against(tiny_world, calibration, store, version), version


def _with_shards(world: tiny.World, folder: Path) -> str:
    """A store of its own with the shards of the world."""
    (folder / "datasets").symlink_to(Path(world.store) / "datasets")
    return str(folder)


def test_the_champion_answers_the_same_images(tiny_world, with_warm):
    found, figures, version = with_warm
    told_of = figures["against"]["champion"]
    assert told_of["version"] == version
    assert (told_of["dataset"], told_of["same_dataset"]) == (tiny_world.data.id, True)
    assert (told_of["classes_shared"], told_of["only_here"], told_of["only_there"]) == (list("0123456789"), [], [])
    assert (told_of["seen_in_training"], told_of["same_weights"]) == (0, False)
    assert found.champion is not None
    assert found.compared.all()
    assert found.champion.predicted.tolist() == found.warm.predicted.tolist(), "its network is the warm-up model's"
    warm = figures["against"]["warmup"]
    for name in ("images", "accuracy_here", "accuracy_there", "difference", "mended", "made", "mcnemar_p", "low"):
        assert told_of[name] == warm[name], name
    assert told_of["accuracy_there"] == figures["warmup_accuracy"] == np.mean(found.labels == found.champion.predicted)
    assert told_of["difference"] == pytest.approx(figures["accuracy"] - figures["warmup_accuracy"])
    assert told_of["low"] < told_of["difference"] < told_of["high"]
    assert (told_of["level"], told_of["draws"]) == (0.95, 10_000)
    probabilities = m.softmax(found.asked.warm_logits, 1.25)
    assert told_of["ece_there"] == pytest.approx(m.ece(probabilities, found.true, 15), abs=1e-6)
    assert told_of["ece_here"] == figures["ece_after"]
    assert warm["ece_there"] == m.ece(m.softmax(found.asked.warm_logits), found.true, 15)


def test_what_the_champion_knew_and_is_wrong_now_is_told_in_all_by_class_and_by_slice(with_warm):
    found, figures, _ = with_warm
    gone = found.champion.right & ~found.final.right
    lost = figures["forgotten"]
    assert (lost["images"], lost["of"]) == (gone.sum(), found.champion.right.sum())
    assert lost["share"] == pytest.approx(gone.sum() / found.champion.right.sum())
    assert sum(line["images"] for line in lost["per_class"]) == lost["images"]
    for line in figures["per_class"]:
        inside = found.labels == line["class"]
        assert line["champion_recall"] == pytest.approx(found.champion.right[inside].mean())
        assert line["small"] == (inside.sum() < 20)
    kinds = {line["by"] for line in figures["slices"]}
    assert kinds == {"brightness", "distance"}, "all images have one size and lie in one folder"
    for kind in kinds:
        lines = [line for line in figures["slices"] if line["by"] == kind]
        assert sum(line["images"] for line in lines) == len(found.rows)
        assert sum(line["forgotten"] for line in lines) == lost["images"]
    line = told(figures["against"]["champion"], lost)
    assert line.startswith(f"{100 * (figures['accuracy'] - figures['warmup_accuracy']):+.1f} points (")
    assert line.endswith(f"), {lost['images']} forgotten")


def test_images_that_an_older_champion_learned_from_are_left_out(tiny_world, calibration, tmp_path):
    ids = tiny_world.data.column("id")[tiny_world.rows["test"]]
    labels = pa.table({"id": ids[:15], "label": ["0"] * 15, "purpose": ["train"] * 12 + ["test"] * 3})
    buffer = io.BytesIO()
    pq.write_table(labels, buffer)
    store = _with_shards(tiny_world, tmp_path)
    older: dict[str, Any] = {"digests": {"dataset": "of last month", "labels": ""}}
    files = {"labels.parquet": buffer.getvalue()}
    version = release(tiny_world._replace(classifier=tiny_world.warm), store, files, **older)
    found, figures = against(tiny_world, calibration, store, version)
    said = figures["against"]["champion"]
    assert (said["seen_in_training"], said["images"]) == (12, len(ids) - 12)
    assert (said["dataset"], said["same_dataset"]) == ("of last month", False)
    assert found.champion is not None
    assert found.compared.tolist() == [False] * 12 + [True] * (len(ids) - 12)
    assert said["accuracy_here"] == found.final.right[12:].mean()
    assert said["accuracy_there"] == found.champion.right[12:].mean()
    assert figures["forgotten"]["of"] == found.champion.right[12:].sum()
    assert "another version of the dataset; without 12 test images that it learned from (or" in said["why"]
    unknown = release(tiny_world._replace(classifier=tiny_world.warm), store, **older)
    said = against(tiny_world, calibration, store, unknown)[1]["against"]["champion"]
    assert said["why"].endswith("version of the dataset, and which test images it learned from is not on record")


def test_near_duplicates_of_what_the_champion_learned_from_are_left_out_too(tiny_world):
    data, rows = tiny_world.data, tiny_world.rows["test"][:4]
    group = data.column("group").copy()
    group[rows[1]] = group[rows[0]]
    alike = tiny.replace(
        data, index=data.index.set_column(data.index.schema.get_field_index("group"), "group", [group])
    )
    taught = frozenset({data.column("id")[rows[0]], "of an image that is gone"})
    assert Champion("v", None, "", taught).seen(alike, rows).tolist() == [True, True, False, False]
    assert Champion("v", None, "", None).seen(alike, rows).tolist() == [False] * 4


def test_where_nothing_can_be_compared_that_is_said(tiny_world, calibration, tmp_path):
    store = _with_shards(tiny_world, tmp_path)
    version = release(tiny_world, store, classes=[f"dragon {n}" for n in range(10)])
    found, figures = against(tiny_world, calibration, store, version)
    said = figures["against"]["champion"]
    assert (said["images"], said["difference"], found.compared.any()) == (0, None, False)
    assert said["why"].startswith("no test image is of a class that both know and new to the champion; ")
    assert figures["forgotten"] is None


def test_other_classes_are_compared_on_those_that_both_know(tiny_world, partial_world, calibration, tmp_path):
    store = _with_shards(tiny_world, tmp_path)
    version = release(partial_world, store)
    found, figures = against(tiny_world, calibration, store, version)
    said = figures["against"]["champion"]
    assert found.champion is not None
    both = ~np.isin(found.labels.astype(str), ["3", "7"])
    assert (said["only_here"], said["only_there"], said["images"]) == (["3", "7"], [], both.sum())
    assert said["accuracy_there"] == found.champion.right[both].mean()
    assert "compared on the 8 classes that both know (only this model knows 3, 7)" in said["why"]
    assert {line["class"] for line in figures["per_class"] if line["champion_recall"] is None} == {"3", "7"}
    asked = release(partial_world, store, unlabelled_classes=["3", "7"])
    wrong = against(tiny_world, calibration, store, asked)[1]["against"]["champion"]
    assert (wrong["images"], wrong["only_here"]) == (len(both), []), "it was asked for them, and failed"
    more = release(tiny_world, store, unlabelled_classes=["dragon"])
    assert against(tiny_world, calibration, store, more)[1]["against"]["champion"]["only_there"] == ["dragon"]


def test_a_model_beside_its_own_weights_is_told(tiny_world, calibration, tmp_path):
    store = _with_shards(tiny_world, tmp_path)
    weights = (tiny_world.classifier / "classifier.safetensors").read_bytes()
    version = release(tiny_world, store, {"classifier.safetensors": weights})
    said = against(tiny_world, calibration, store, version)[1]["against"]["champion"]
    assert (said["difference"], said["mended"], said["made"], said["mcnemar_p"]) == (0, 0, 0, 1)
    assert said["low"] < 0 < said["high"]
    assert said["same_weights"]
    assert "the champion has the same weights" in said["why"]


def test_a_champion_that_replaced_the_one_told_is_meant(tiny_world, calibration, tmp_path):
    store = _with_shards(tiny_world, tmp_path)
    version = release(tiny_world._replace(classifier=tiny_world.warm), store, compared_with="")
    by = {"who": "ann", "why": "", "source": "a faster run"}
    promote(open_store(store), {"model": "digits", "version": version}, expected=None, **by)
    assert against(tiny_world, calibration, store, "")[1]["against"]["champion"]["version"] == version


def test_without_a_champion_there_is_nothing_to_say(tiny_world, calibration):
    found, figures = against(tiny_world, calibration, tiny_world.store, "")
    assert (figures["against"]["champion"], figures["forgotten"], found.champion) == (None, None, None)
    assert {line["champion_recall"] for line in figures["per_class"]} == {None}
    assert {(line["champion_accuracy"], line["forgotten"]) for line in figures["slices"]} == {(None, None)}


@pytest.mark.parametrize("what", ["old", "gone"])
def test_a_champion_of_an_old_format_or_that_is_gone_cannot_be_compared(tiny_world, calibration, tmp_path, what):
    store = _with_shards(tiny_world, tmp_path)
    version = "0123456789abcdef"
    if what == "old":
        files = {"classifier.safetensors": b"weights"}
        made = describe(files, {"model": "digits", "classes": list("0123456789"), "digests": {"dataset": "x"}})
        publish(open_store(store), made, files)
        version = made["version"]
    found, figures = against(tiny_world, calibration, store, version)
    said = figures["against"]["champion"]
    assert said["version"] == version
    assert (said["images"], said["difference"], said["accuracy_there"]) == (0, None, None)
    assert said["why"].startswith("cannot be compared: ")
    assert {"old": "lists no model.onnx; release again", "gone": f"releases/digits/{version}: no such file"}[
        what
    ] in said["why"]
    assert store not in said["why"], "equal runs give equal bytes, wherever the store lies"
    assert told(said, figures["forgotten"]) == said["why"]
    assert (found.champion, figures["forgotten"]) == (None, None)


@pytest.mark.parametrize("name", ["model.onnx", "labels.parquet", "release.json"])
def test_a_changed_byte_of_the_champion_is_one_line_and_exit_code_2(tiny_world, calibration, tmp_path, capsys, name):
    store = _with_shards(tiny_world, tmp_path)
    version = release(tiny_world, store, {"labels.parquet": b"no matter"})
    path = Path(store) / "releases" / "digits" / version / name
    data = bytearray(path.read_bytes())
    data[len(data) // 2] ^= 1
    path.write_bytes(data)
    world = tiny_world
    flags = {
        "embeddings": world.embeddings,
        "warm": world.warm,
        "classifier": world.classifier,
        "calibration": calibration,
        "dataset": world.dataset,
        "store": store,
        "settings": json.dumps({"champion": version, "seed": 0, "threads": 1}),
        **{output: tmp_path / output for output in ("evaluation", "report", "metrics", "confusion")},
    }
    with pytest.raises(SystemExit) as ended:
        main(run, [word for key, value in flags.items() for word in (f"--{key}", str(value))])
    assert ended.value.code == 2
    line = capsys.readouterr().err.splitlines()
    assert len(line) == 1, line
    assert line[0].startswith("error: evaluate: ")
    assert name in line[0]
    assert not (tmp_path / "evaluation").exists()


def test_a_release_under_another_version_is_not_it(tiny_world, calibration, tmp_path):
    store = _with_shards(tiny_world, tmp_path)
    version = release(tiny_world, store)
    (tmp_path / "releases" / "digits" / version).rename(tmp_path / "releases" / "digits" / ("0" * 16))
    with pytest.raises(IntegrityError, match=f"expected version {'0' * 16}, found {version}"):
        against(tiny_world, calibration, store, "0" * 16)


def test_a_released_model_says_what_its_network_says(with_warm):
    found, _, _ = with_warm
    assert found.asked.champion is not None
    assert found.asked.champion == pytest.approx(m.softmax(found.asked.warm_logits, 1.25), abs=1e-4)
