"""An export that is not the classifier, made by the real stages: it is measured, said, and never released."""

import pytest

from components.common.files import read_json
from components.evaluate import exporting
from components.release.settings import ReleaseSettings
from components.release.stage import run
from tests import tiny
from tests.evaluate.test_exporting import perturbed


def test_a_weight_that_an_exporter_gets_wrong_keeps_the_model_back(tiny_world, tmp_path, monkeypatch):
    right = exporting.export
    monkeypatch.setattr(exporting, "export", lambda *given: perturbed(right(*given)))
    done = tiny.evaluated(tiny_world, tmp_path, gates=["ece <= 1"])
    gate = read_json(done.evaluation / "gate.json")
    assert not gate["passed"]
    assert [each["name"] for each in gate["gates"] if not each["passed"]] == ["onnx"]
    shown = run(
        tiny_world.classifier,
        done.calibration,
        done.evaluation,
        "digits",
        str(tmp_path / "store"),
        ReleaseSettings(),
        tmp_path / "release",
    )
    assert shown is not None
    assert shown["release"]["why"].startswith("not released: the ONNX export differs from the classifier by ")
    assert not (tmp_path / "store" / "releases").exists()


@pytest.mark.parametrize("name", ["model.onnx", "probe.json"])
def test_what_was_measured_is_what_is_released(tiny_evaluated, name):
    assert (tiny_evaluated.evaluation / name).is_file()
