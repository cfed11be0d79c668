"""The stage on the tiny world: only calibration labels, figures that follow from them, equal bytes on a second run."""

from pathlib import Path

import numpy as np
import pytest

from components.calibrate.settings import CalibrateSettings
from components.calibrate.stage import run
from components.calibrate.temperature import choose_temperature
from components.common.files import read_json, sha256_file, sha256_tree
from components.common.learning.inference import logits
from components.common.learning.loading import Images
from components.common.learning.models import load_classifier
from components.common.metrics import nll, softmax
from components.common.storage import open_store
from tests import tiny


def calibrate(world: tiny.World, folder: Path) -> tuple[dict, dict]:
    outputs = folder / "calibration", folder / "metrics"
    metadata = run(world.dataset, world.classifier, world.labels, world.store, 1, CalibrateSettings(), *outputs)
    assert metadata["metrics"] == read_json(folder / "metrics")
    return read_json(folder / "calibration" / "calibration.json"), metadata["metrics"]


def test_the_temperature_follows_from_the_calibration_labels_alone(tiny_world, tmp_path):
    written, shown = calibrate(tiny_world, tmp_path)
    model, spec, about = load_classifier(tiny_world.classifier)
    rows = tiny_world.rows["calibration"]
    z = logits(model, spec, Images(tiny_world.data, open_store(tiny_world.store), spec.mode, spec.image_size), rows, 32)
    true = np.array([about["classes"].index(name) for name in tiny_world.data.column("label")[rows]])
    choice = choose_temperature(z, true)
    assert written["temperature"] == pytest.approx(choice.temperature, rel=1e-5)
    assert written["helped"] == choice.helped == (written["temperature"] != 1)
    assert written["before"]["nll"] == pytest.approx(nll(softmax(z), true), rel=1e-5)
    assert written["after"]["nll"] == pytest.approx(nll(softmax(z, choice.temperature), true), rel=1e-5)
    assert written["images"] == shown["images"] == len(rows)
    assert written["classifier"] == sha256_file(tiny_world.classifier / "classifier.safetensors")
    assert {
        "temperature",
        "ece_before",
        "ece_after",
        "nll_before",
        "nll_after",
        "brier_before",
        "brier_after",
        "images",
    } == set(shown)


def test_a_second_run_gives_equal_bytes(tiny_world, tmp_path):
    for name in ("one", "two"):
        calibrate(tiny_world, tmp_path / name)
    assert sha256_tree(tmp_path / "one") == sha256_tree(tmp_path / "two")


@pytest.mark.parametrize("images", [0, 5])
def test_without_enough_labels_one_is_kept_and_nothing_is_claimed(tiny_world, tmp_path, images):
    tiny.labels(
        tmp_path / "labels",
        tiny_world.data,
        {**tiny_world.rows, "calibration": tiny_world.rows["calibration"][:images]},
    )
    written, shown = calibrate(tiny_world._replace(labels=tmp_path / "labels"), tmp_path)
    assert (written["temperature"], written["helped"], written["images"]) == (1.0, False, images)
    assert f"{images} calibration labels are too few" in written["why"]
    assert (written["before"] is None) == (images == 0)
    assert written["before"] == written["after"]
    assert ("ece_before" in shown) == (images > 0)
