"""A release run by onnxruntime: torch's answers, told in words, from bytes that were verified, with threads and without
torch.
"""

import json
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import pytest
import torch

from components.common.errors import BadInputError
from components.common.learning.inference import predict_pixels
from components.common.learning.models import load_classifier
from components.common.metrics import softmax
from components.common.storage import IntegrityError, open_store
from components.releases.bundle import find
from components.releases.model import Answers, load_release
from tests.releases.made import publish_release


@pytest.fixture(scope="module")
def place(tiny_world, tmp_path_factory):
    return publish_release(tiny_world, str(tmp_path_factory.mktemp("released") / "store"))


def some_pixels(n: int, seed: int = 0) -> np.ndarray:
    return np.random.default_rng(seed).integers(0, 256, (n, 1, 8, 8), np.uint8)


def test_a_release_answers_as_torch_does(tiny_world, place):
    model = load_release(place, threads=1)
    classifier, spec, about = load_classifier(tiny_world.classifier)
    for n in (1, 2, 33):
        pixels = some_pixels(n)
        answers = model.run(pixels)
        expected = predict_pixels(classifier, spec, torch.from_numpy(pixels))
        np.testing.assert_allclose(answers.logits, expected, atol=1e-4)
        np.testing.assert_array_equal(answers.probabilities, softmax(answers.logits, 1.25))
        np.testing.assert_allclose(np.linalg.norm(answers.embeddings, axis=1), 1, atol=1e-5)
        head = torch.from_numpy(answers.embeddings)
        np.testing.assert_allclose(classifier.head_logits(head).detach().numpy(), answers.logits, atol=1e-4)
    assert (model.name, model.classes, model.temperature) == ("digits", about["classes"], 1.25)
    assert model.version == Path(place).name == model.about["version"]
    assert (model.preprocessing.mode, model.preprocessing.image_size) == ("L", 8)


def test_any_number_of_threads_ask_at_once(place):
    model = load_release(place, threads=1)
    batches = [some_pixels(1 + seed % 5, seed) for seed in range(60)]
    alone = [model.run(batch).logits for batch in batches]
    with ThreadPoolExecutor(8) as pool:
        together = list(pool.map(lambda batch: model.run(batch).logits, batches))
    for one, other in zip(alone, together, strict=True):
        np.testing.assert_array_equal(one, other)


def test_an_answer_is_told_with_its_likeliest_classes_whether_to_abstain_and_the_conformal_set(place):
    model = load_release(place, threads=1)
    rows = np.zeros((3, 10))
    rows[0, [3, 5]] = 0.7, 0.3  # sure enough; 0.3 >= 1 - 0.8
    rows[1, [1, 2, 4]] = 0.55, 0.25, 0.2  # below 0.6
    rows[2, [9, 8]] = 0.5, 0.5  # a tie: the first in the order of the classes
    told = model.told(Answers(np.zeros((3, 10)), rows, np.zeros((3, 4))), top=2)
    assert told[0] == {
        "class": "3",
        "confidence": 0.7,
        "top": [{"class": "3", "confidence": 0.7}, {"class": "5", "confidence": 0.3}],
        "abstain": False,
        "set": ["3", "5"],
    }
    assert (told[1]["class"], told[1]["abstain"], told[1]["set"]) == ("1", True, ["1", "2", "4"])
    assert (told[2]["class"], told[2]["abstain"]) == ("8", True)


def test_without_thresholds_nothing_is_promised(tiny_world, tmp_path):
    none = {"precision": {"threshold": None}, "conformal": {"quantile": None}}
    model = load_release(publish_release(tiny_world, str(tmp_path), thresholds=none), threads=1)
    told = model.told(model.run(some_pixels(1)))[0]
    assert (told["abstain"], told["set"]) == (None, None)


@pytest.mark.parametrize("name", ["model.onnx", "preprocessing.json", "calibration.json"])
def test_a_changed_byte_is_refused(tiny_world, tmp_path, name):
    bundle = Path(publish_release(tiny_world, str(tmp_path)))
    data = bytearray((bundle / name).read_bytes())
    data[len(data) // 2] ^= 1
    (bundle / name).write_bytes(data)
    with pytest.raises(IntegrityError, match=rf"{name}: .*changed after its release") as refusal:
        load_release(str(bundle), threads=1)
    assert "\n" not in str(refusal.value)


def test_what_is_no_model_of_this_release_is_refused_in_a_line(tiny_world, partial_world, tmp_path):
    broken = publish_release(tiny_world, str(tmp_path / "broken"), model_onnx=b"no model")
    other = Path(publish_release(partial_world, str(tmp_path / "partial"))) / "model.onnx"
    fewer = publish_release(tiny_world, str(tmp_path / "fewer"), model_onnx=other.read_bytes())
    for place, line in ((broken, "onnxruntime cannot run it"), (fewer, "knows 8 classes, but the release says")):
        with pytest.raises(BadInputError, match=line) as refusal:
            load_release(place, threads=1)
        assert "\n" not in str(refusal.value)
        assert "model.onnx" in str(refusal.value)
    with pytest.raises(BadInputError, match=r"lists no model.int8.onnx; leave int8 out"):
        load_release(fewer, threads=1, int8=True)


def test_a_release_of_an_earlier_version_says_to_release_again(tiny_world, tmp_path):
    place = Path(publish_release(tiny_world, str(tmp_path)))
    _, about = find(open_store(str(place)))
    from components.releases.bundle import version_of

    del about["files"]["model.onnx"]
    about["version"] = version_of(about)
    (place / "release.json").write_text(json.dumps(about))
    with pytest.raises(BadInputError, match=r"lists no model.onnx; release again with this version"):
        load_release(str(place), threads=1)


def test_answering_needs_neither_torch_nor_pyarrow(place):
    code = (
        "import sys; sys.modules.update(torch=None, pyarrow=None)\n"
        "import numpy as np; from components.releases.model import load_release\n"
        f"print(load_release({place!r}, 1).run(np.zeros((1, 1, 8, 8), np.uint8)).logits.shape)"
    )
    done = subprocess.run([sys.executable, "-c", code], cwd=Path(__file__).parents[2], capture_output=True, text=True)
    assert (done.returncode, done.stdout) == (0, "(1, 10)\n"), done.stderr
