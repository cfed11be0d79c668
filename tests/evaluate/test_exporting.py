"""The files for serving on the tiny world: torch's answers within the tolerance on the pixels of serving, 8 bits where
they lose little enough, the reference; and an export that differs is never released.
"""

import io
import json
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import onnx
import pyarrow.parquet as pq
import pytest
from onnx import numpy_helper

from components.calibrate.settings import CalibrateSettings
from components.calibrate.stage import run as calibrate
from components.common import metrics as m
from components.common.data.looks import looks
from components.common.errors import BadInputError
from components.common.files import json_text, read_json, sha256_bytes
from components.common.learning.loading import ANY_SIZE, Images
from components.common.learning.models import load_classifier
from components.common.learning.onnx_file import export
from components.common.storage import open_store
from components.evaluate import exporting, reference
from components.evaluate.exporting import Exported, exported
from components.evaluate.measuring import Inputs, Measured, measured, read_inputs
from components.evaluate.settings import EvaluateSettings
from components.releases import probe
from components.releases.exported import measured_files, refusal
from components.releases.model import OnnxModel
from components.releases.preprocessing import Preprocessing
from tests import tiny


class Asked(NamedTuple):
    """What evaluate has read and measured before it exports."""

    inputs: Inputs
    found: Measured

    def exported(self, **settings: Any) -> Exported:
        chosen = EvaluateSettings.model_validate({"batch_size": 64, **settings})
        return exported(self.inputs._replace(settings=chosen), self.found, 1)


def ask(world: tiny.World, folder: Path) -> Asked:
    fitted = folder / "calibration"
    calibrate(world.dataset, world.classifier, world.labels, world.store, 1, CalibrateSettings(), fitted, folder / "m")
    artifacts = world.dataset, world.embeddings, world.labels, world.warm, world.classifier, fitted
    inputs = read_inputs(*artifacts, world.store, 0, 1, EvaluateSettings())
    return Asked(inputs, measured(inputs)[0])


@pytest.fixture(scope="module")
def asked(tiny_world, tmp_path_factory) -> Asked:
    return ask(tiny_world, tmp_path_factory.mktemp("asked"))


@pytest.fixture(scope="module")
def files(asked) -> Exported:
    return asked.exported(int8_max_drop=0.05)


def with_head(data: bytes, factor: float, of: slice = slice(None)) -> bytes:
    """The ONNX file with weights of its head multiplied."""
    model = onnx.load_from_string(data)
    name = next(node for node in model.graph.node if node.op_type == "Gemm").input[1]
    weight = next(each for each in model.graph.initializer if each.name == name)
    values = numpy_helper.to_array(weight).copy()
    values.flat[of] *= factor
    weight.CopyFrom(numpy_helper.from_array(values, name))
    return model.SerializeToString()


def perturbed(data: bytes) -> bytes:
    """The ONNX file with one weight that is a tenth greater."""
    return with_head(data, 1.1, slice(1))


def test_the_export_answers_as_torch_on_the_pixels_of_serving(tiny_world, asked, files):
    facts = files.onnx
    assert facts["images"] == len(tiny_world.data.rows("test")) > 50
    assert 0 < facts["max_difference"] < 1e-5 < facts["tolerance"] == 1e-4
    assert (facts["sha256"], facts["size"]) == (sha256_bytes(files.files["model.onnx"]), len(files.files["model.onnx"]))
    assert refusal(facts) == ""
    model = OnnxModel(files.files["model.onnx"], 1)
    found = asked.found
    reader = Images(tiny_world.data, open_store(tiny_world.store), "L", 8).reader
    reads = Preprocessing("L", 8, ANY_SIZE)
    pixels = np.stack([reads.pixels(reader.image_bytes(row)) for row in found.rows.tolist()])
    np.testing.assert_allclose(model.run(pixels)[0], found.asked.logits, atol=1e-4)


def test_equal_weights_give_equal_bytes_and_say_nothing_of_the_machine(asked, files):
    again = asked.exported(int8_max_drop=0.05)
    assert again.files == files.files
    assert again.onnx == files.onnx
    for name in ("model.onnx", "model.int8.onnx"):
        data = files.files[name]
        for word in (b"/home", b"/tmp", b"onnx_file", b"/work", str(Path(__file__).parents[2]).encode()):
            assert word not in data, (name, word)


def test_an_export_that_differs_is_recorded_and_refused(asked, monkeypatch):
    monkeypatch.setattr(exporting, "export", lambda *given: perturbed(export(*given)))
    facts = asked.exported().onnx
    assert facts["max_difference"] > 1e-3
    line = refusal(facts)
    assert line.startswith(f"the ONNX export differs from the classifier by {facts['max_difference']:.2g} on ")
    assert "and 0.0001 is allowed; run evaluate again" in line
    assert "\n" not in line


def test_answers_that_are_no_numbers_are_refused(asked, monkeypatch):
    monkeypatch.setattr(exporting, "export", lambda *given: with_head(export(*given), np.nan))
    files, facts = asked.exported(int8_max_drop=0.05)
    assert set(files) == {"model.onnx"}
    assert (facts["max_difference"], facts["int8"]) == (None, None)
    assert "differs from the classifier by more than any number" in refusal(facts)


def test_the_files_of_an_evaluation_are_those_that_were_measured(files, tmp_path):
    for name in ("model.onnx", "model.int8.onnx"):
        (tmp_path / name).write_bytes(files.files[name])
    assert measured_files(tmp_path, files.onnx) == {n: files.files[n] for n in ("model.onnx", "model.int8.onnx")}
    assert set(measured_files(tmp_path, {**files.onnx, "int8": None})) == {"model.onnx"}
    (tmp_path / "model.onnx").write_bytes(perturbed(files.files["model.onnx"]))
    with pytest.raises(BadInputError, match=r"model.onnx: its sha256 is .*, but .* was measured; run evaluate again"):
        measured_files(tmp_path, files.onnx)
    (tmp_path / "model.onnx").unlink()
    with pytest.raises(BadInputError, match=r"model.onnx: not there, but"):
        measured_files(tmp_path, files.onnx)


def test_eight_bits_are_released_where_they_lose_little_enough(tiny_world, asked, files):
    facts = files.onnx["int8"]
    found = asked.found
    images = Images(tiny_world.data, open_store(tiny_world.store), "L", 8)
    said = OnnxModel(files.files["model.int8.onnx"], 1).run(images.batch(found.rows).numpy())[0].argmax(axis=1)
    assert facts["accuracy"] == pytest.approx(np.mean(said == found.true))
    assert facts["drop"] == pytest.approx(np.mean(found.final.right) - facts["accuracy"])
    assert facts["released"] is True
    assert f"on {len(found.rows)} test images, at most the 5.00 allowed" in facts["why"]
    assert facts["size"] == len(files.files["model.int8.onnx"])


def test_eight_bits_that_lose_too_much_are_not_released(asked, monkeypatch):
    monkeypatch.setattr(exporting, "quantized", lambda file, pixels: with_head(file, 0.0))
    found = asked.exported(int8_max_drop=0.05)
    assert found.onnx["int8"]["released"] is False
    assert "more than the 5.00 allowed" in found.onnx["int8"]["why"]
    assert "model.int8.onnx" not in found.files
    assert asked.exported().onnx["int8"] is None


def test_without_test_labels_eight_bits_are_not_released(tiny_world, tmp_path):
    tiny.labels(tmp_path / "labels", tiny_world.data, {**tiny_world.rows, "test": np.empty(0, int)})
    found = ask(tiny_world._replace(labels=tmp_path / "labels"), tmp_path).exported(int8_max_drop=0.05)
    assert (found.onnx["int8"]["released"], found.onnx["int8"]["drop"]) == (False, None)
    assert "no test labels to measure its loss on" in found.onnx["int8"]["why"]
    about = read_of(found, "reference.json")
    assert about["confusion"]["counts"] is None
    assert about["images"] == len(tiny_world.data.rows("test"))
    assert pq.read_table(io.BytesIO(found.files["reference.parquet"])).column("label").null_count == about["images"]


@pytest.mark.parametrize("threshold", [None, 0.9])
def test_the_reference_says_who_abstains_where_a_threshold_was_promised(asked, threshold):
    promised = {"precision": {"threshold": threshold}, "conformal": {"quantile": None}}
    found = asked._replace(inputs=asked.inputs._replace(fitted={**asked.inputs.fitted, "thresholds": promised}))
    table = pq.read_table(io.BytesIO(found.exported().files["reference.parquet"]))
    sure = table.column("confidence").to_pylist()
    assert table.column("abstain").to_pylist() == [None if threshold is None else each < threshold for each in sure]
    assert min(sure) < 0.9 < max(sure)


def read_of(found: Exported, name: str) -> Any:
    return json.loads(found.files[name])


def test_the_reference_is_what_a_server_would_log_of_the_test_images(tiny_world, asked, files):
    found = pq.read_table(io.BytesIO(files.files["reference.parquet"]))
    assert found.schema.equals(reference.schema(32))
    rows = tiny_world.data.rows("test")
    assert found.column("id").to_pylist() == tiny_world.data.column("id")[rows].tolist()
    model = OnnxModel(files.files["model.onnx"], 1)
    images = Images(tiny_world.data, open_store(tiny_world.store), "L", 8)
    pixels = images.batch(rows).numpy()
    logits, embeddings = model.run(pixels)
    p = m.softmax(logits, asked.inputs.fitted["temperature"])
    names = np.array(load_classifier(tiny_world.classifier)[2]["classes"])
    assert found.column("predicted").to_pylist() == names[p.argmax(axis=1)].tolist()
    np.testing.assert_allclose(found.column("confidence").to_numpy(), p.max(axis=1), atol=1e-6)
    np.testing.assert_allclose(found.column("entropy").to_numpy(), m.entropy(p), atol=1e-6)
    known = dict(zip(asked.found.rows.tolist(), asked.found.labels.tolist(), strict=True))
    assert 0 < len(known) <= len(rows)
    assert found.column("label").to_pylist() == [known.get(row) for row in rows.tolist()]
    np.testing.assert_allclose(np.array(found.column("embedding").to_pylist()), embeddings, atol=1e-3)
    for row in (0, 17):
        expected = looks(pixels[row], 8, 8)
        for name, value in expected._asdict().items():
            assert found.column(name)[row].as_py() == pytest.approx(value, rel=1e-6), name
    about = read_of(files, "reference.json")
    assert about["format"] == 2
    assert about["means"]["entropy"] == pytest.approx(m.entropy(p).mean())
    assert sum(about["predicted"].values()) == pytest.approx(1)
    assert about["means"]["confidence"] == pytest.approx(p.max(axis=1).mean())
    counts = np.zeros((10, 10), int)
    np.add.at(counts, (asked.found.true, asked.found.asked.logits.argmax(axis=1)), 1)
    assert about["confusion"] == {"classes": list(tiny_world.data.classes), "counts": counts.tolist()}


NONE = np.array([], np.int64)


def test_the_reference_stays_small(tiny_world, monkeypatch):
    monkeypatch.setattr(reference, "ROOM", 40 * 2 * 32)
    chosen = [reference.reference_rows(tiny_world.data, NONE, NONE, 32, seed) for seed in (3, 3, 4)]
    rows = chosen[0].rows
    assert len(rows) == 40
    assert chosen[0].present.all()
    assert set(rows) < set(tiny_world.data.rows("test"))
    assert rows.tolist() == sorted(rows) == chosen[1].rows.tolist()
    assert rows.tolist() != chosen[2].rows.tolist()


def test_what_arrived_stands_for_the_present_beside_all_that_is_labelled(tiny_world, monkeypatch):
    came, labelled = tiny_world.data.rows("validation")[:30], tiny_world.data.rows("test")[:25]
    rows, present = reference.reference_rows(tiny_world.data, came, labelled, 32, seed=3)
    assert rows.tolist() == sorted({*came.tolist(), *labelled.tolist()})
    assert rows[present].tolist() == came.tolist()
    monkeypatch.setattr(reference, "ROOM", 40 * 2 * 32)
    rows, present = reference.reference_rows(tiny_world.data, came, labelled, 32, seed=3)
    assert (len(rows), present.sum()) == (40, 30)


def test_the_probe_runs_again_and_sees_another_model(files):
    said = read_of(files, "probe.json")
    assert json_text(said).encode() == files.files["probe.json"]
    assert probe.difference(OnnxModel(files.files["model.onnx"], 2), said) == ""
    line = probe.difference(OnnxModel(perturbed(files.files["model.onnx"]), 1), said)
    assert line.startswith("its answers to the probe differ by ")
    assert probe.probe_pixels((1, 2, 3)).tolist()[0] == [[[104, 10, 93], [45, 212, 237]]]
    other = probe.difference(OnnxModel(files.files["model.onnx"], 1), {**said, "shape": [1, 9, 9]})
    assert other == "the probe is of images [1, 9, 9], the model reads [1, 8, 8]"


def test_the_stage_writes_them(tiny_evaluated):
    about = read_json(tiny_evaluated.evaluation / "metrics.json")
    assert set(measured_files(tiny_evaluated.evaluation, about["onnx"])) == {"model.onnx"}
    for name in ("probe.json", "reference.parquet", "reference.json"):
        assert (tiny_evaluated.evaluation / name).is_file()
    fitted = read_json(tiny_evaluated.calibration / "calibration.json")["thresholds"]
    assert about["thresholds"]["conformal"]["quantile"] == fitted["conformal"]["quantile"]
    assert about["thresholds"]["precision"]["threshold"] == fitted["precision"]["threshold"]
