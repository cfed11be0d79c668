"""The stage on the tiny world: only calibration labels, figures that follow from them, equal bytes on a second run."""

from pathlib import Path

import numpy as np
import pytest

from components.calibrate.settings import CalibrateSettings
from components.calibrate.stage import run
from components.calibrate.temperature import choose_temperature
from components.calibrate.thresholds import thresholds
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
    expected = thresholds(softmax(z, written["temperature"]), true, 0.99, 0.9)
    assert written["thresholds"]["precision"] == expected["precision"]
    quantile = expected["conformal"]["quantile"]
    assert written["thresholds"]["conformal"]["quantile"] == pytest.approx(quantile, rel=1e-5)
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


def test_classes_without_a_training_label_do_not_fit_the_temperature_and_are_wrong_in_its_figures(
    partial_world, tmp_path
):
    written, shown = calibrate(partial_world, tmp_path)
    model, spec, about = load_classifier(partial_world.classifier)
    rows = partial_world.rows["calibration"]
    data = partial_world.data
    z = logits(model, spec, Images(data, open_store(partial_world.store), spec.mode, spec.image_size), rows, 32)
    label = data.column("label")[rows]
    known = ~np.isin(label, ["3", "7"])
    true = np.array([about["classes"].index(name) for name in label[known]])
    choice = choose_temperature(z[known], true)
    assert written["temperature"] == pytest.approx(choice.temperature, rel=1e-5)
    assert written["images"] == shown["images"] == len(rows)
    assert written["unlabelled_class_images"] == np.sum(~known) > 5
    assert f"; {np.sum(~known)} images of classes without a training label are left out of the fit" in written["why"]
    p = softmax(z, written["temperature"])
    assert shown["nll_after"] == pytest.approx(-np.mean(np.log(p[known, true])), rel=1e-5)
    chosen = np.zeros(len(rows))  # the probability of the true class: 0 where the model does not know it
    chosen[known] = p[known, true]
    assert shown["brier_after"] == pytest.approx(np.mean(np.sum(p**2, axis=1) - chosen**2 + (1 - chosen) ** 2))
    right = np.array(about["classes"])[p.argmax(axis=1)] == label
    gaps = 0.0
    for k in range(15):
        inside = (p.max(axis=1) > k / 15) & (p.max(axis=1) <= (k + 1) / 15)
        gaps += abs(np.sum(right[inside]) - np.sum(p.max(axis=1)[inside])) / len(rows)
    assert shown["ece_after"] == pytest.approx(gaps)


def test_only_images_of_unknown_classes_have_no_likelihood(partial_world, tmp_path):
    label = partial_world.data.column("label")
    rows = {split: part for split, part in partial_world.rows.items() if split != "calibration"}
    some = partial_world.rows["calibration"]
    tiny.labels(
        tmp_path / "labels", partial_world.data, {**rows, "calibration": some[np.isin(label[some], ["3", "7"])]}
    )
    written, shown = calibrate(partial_world._replace(labels=tmp_path / "labels"), tmp_path)
    assert written["temperature"] == 1
    assert written["before"].keys() == {"ece", "brier"}
    assert shown["brier_before"] > 1  # no probability on the truth
