"""Pixels and forward passes: whatever the batches, whatever is kept, the same values."""

import numpy as np
import pytest
import torch

from components.common.data.images import decode, to_square
from components.common.data.reader import ShardReader
from components.common.learning import loading
from components.common.learning.inference import embed, logits, predict_pixels
from components.common.learning.loading import Images, load_size
from components.common.learning.models import load_classifier, load_encoder, normalise
from components.common.storage import open_store
from tests import stages, tiny


def images(world: tiny.World, mode: str = "L", size: int = 8) -> Images:
    return Images(world.data, open_store(world.store), mode, size, 2)


@pytest.mark.parametrize(("mode", "size"), [("L", 8), ("RGB", 12)])
@pytest.mark.parametrize("memory", [loading.MEMORY, 0])
def test_pixels_are_those_of_a_direct_decode_whether_kept_or_not(tiny_world, monkeypatch, mode, size, memory):
    monkeypatch.setattr(loading, "MEMORY", memory)
    rows = np.array([5, 0, 899, 5, 17, 5])
    reader = ShardReader(tiny_world.data, open_store(tiny_world.store))
    expected = np.stack([to_square(decode(reader.image_bytes(row), mode, 1 << 20), size) for row in rows.tolist()])
    some = images(tiny_world, mode, size)
    for _ in range(2):  # the second time from memory
        batch = some.batch(rows)
        assert batch.dtype == torch.uint8
        assert np.array_equal(batch.numpy(), expected)


def test_a_batch_is_the_callers_to_change(tiny_world):
    some = images(tiny_world)
    before = some.batch(np.array([1, 2])).clone()
    some.batch(np.array([1, 2])).zero_()
    assert torch.equal(some.batch(np.array([1, 2])), before)


def test_large_images_are_held_with_a_margin_for_crops():
    assert [load_size(size) for size in (8, 64, 70, 224)] == [8, 64, 80, 256]


def test_logits_do_not_depend_on_the_batches(tiny_world):
    model, spec, _ = load_classifier(tiny_world.classifier)
    rows = np.arange(50)
    whole = logits(model, spec, images(tiny_world), rows, 64)
    assert (whole.shape, whole.dtype) == ((50, 10), np.float32)
    np.testing.assert_allclose(logits(model, spec, images(tiny_world), rows, 7), whole, atol=1e-4)
    with torch.no_grad():
        np.testing.assert_allclose(model(normalise(images(tiny_world).batch(rows), spec)), whole, atol=1e-4)


def test_a_model_left_in_training_predicts_as_it_should_all_the_same(tiny_world):
    model, spec, _ = load_classifier(tiny_world.classifier)
    pixels = images(tiny_world).batch(np.arange(4))
    expected = predict_pixels(model, spec, pixels)
    before = model.state_dict()["encoder.layers.0.1.running_mean"].clone()
    assert np.array_equal(predict_pixels(model.train(), spec, pixels), expected)
    assert torch.equal(model.state_dict()["encoder.layers.0.1.running_mean"], before)


def test_embeddings_are_directions(tiny_world, tmp_path):
    encoder, spec, _ = load_encoder(stages.encoder(tmp_path))
    vectors = embed(encoder, spec, images(tiny_world), np.arange(20), 6)
    np.testing.assert_allclose(np.linalg.norm(vectors, axis=1), 1, atol=1e-5)
    np.testing.assert_allclose(vectors, np.load(tiny_world.embeddings / "embeddings.npy")[:20], atol=1e-3)


def test_no_rows_is_the_callers_mistake(tiny_world):
    model, spec, _ = load_classifier(tiny_world.classifier)
    with pytest.raises(ValueError, match="no rows"):
        logits(model, spec, images(tiny_world), np.array([], np.int64), 4)
