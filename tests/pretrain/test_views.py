"""Two views per image: each epoch an exact shuffle, and the same bytes whenever it is made again."""

import numpy as np
import pytest
import torch
from torch import Tensor

from components.common.data.stream import epoch_windows
from components.common.learning.loading import Images
from components.common.settings import Augment
from components.common.storage import open_store
from components.pretrain.views import torch_views
from tests import tiny
from tests.stages import DIGITS, OFF


@pytest.fixture(scope="module")
def images(tiny_world: tiny.World) -> Images:
    return Images(tiny_world.data, open_store(tiny_world.store), "L", 8, 1)


def made(
    images: Images, rows: np.ndarray, seed: int = 0, epoch: int = 0, batch: int = 16, changes: Augment = DIGITS
) -> list[tuple[Tensor, Tensor]]:
    return list(torch_views(images, rows, batch, changes, 8, seed, epoch))


def test_an_incomplete_last_batch_is_dropped(images):
    batches = made(images, np.arange(40))
    assert [tuple(first.shape) for first, _ in batches] == [(16, 1, 8, 8)] * 2
    assert all(
        view.dtype == torch.float32 and float(view.min()) >= 0 and float(view.max()) <= 1
        for pair in batches
        for view in pair
    )


def test_an_epoch_repeats_to_the_byte_and_differs_from_others(images):
    def content(seed: int, epoch: int) -> bytes:
        return b"".join(view.numpy().tobytes() for pair in made(images, np.arange(40), seed, epoch) for view in pair)

    assert content(0, 3) == content(0, 3)
    assert len({content(0, 3), content(0, 4), content(1, 3)}) == 3


def test_changes_are_drawn_anew_for_each_epoch_and_seed(images):
    same = np.full(16, 7)  # one image, so that its place in the order does not show
    drawn = {made(images, same, seed, epoch)[0][0].numpy().tobytes() for seed in (0, 1) for epoch in (0, 1)}
    assert len(drawn) == 4


def test_the_two_views_show_the_same_images_changed_apart(images):
    for first, second in made(images, np.arange(40), changes=OFF):
        assert torch.equal(first, second)
    for first, second in made(images, np.arange(40)):
        assert not any(torch.equal(a, b) for a, b in zip(first, second, strict=True))


def test_unchanged_views_are_the_images_in_the_order_of_the_epoch(images):
    order = epoch_windows(images.reader.dataset, np.arange(40), 5, 2, images.reader.held)[0].rows
    seen = torch.cat([first for first, _ in made(images, np.arange(40), seed=5, epoch=2, changes=OFF)])
    torch.testing.assert_close(seen, images.batch(order[:32]) / 255, atol=1e-5, rtol=0)


def test_only_the_rows_asked_for_are_decoded(tiny_world):
    fresh = Images(tiny_world.data, open_store(tiny_world.store), "L", 8, 1)
    made(fresh, np.array([3, 5, 8, 13]), batch=2)
    assert np.flatnonzero(fresh._has).tolist() == [3, 5, 8, 13]
