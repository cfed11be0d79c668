"""The views by DALI keep the promises of the views by torch: shape, range, switches, and bytes that repeat."""

from pathlib import Path

import numpy as np
import pytest
import torch
from torch import Tensor

from components.common.data.images import decode, to_square
from components.common.data.reader import HELD, ShardReader
from components.common.data.stream import epoch_windows
from components.common.settings import Augment
from components.common.storage import open_store
from components.pretrain.dali import dali_views
from components.pretrain.settings import PretrainSettings
from tests import tiny
from tests.stages import OFF, alone

ROWS = np.arange(20)
SIDE = 16
CHANGES = [
    {"crop": 0.5},
    {"flip_horizontal": 0.5},
    {"flip_vertical": 0.5},
    {"rotate": 40.0},
    {"brightness": 0.4},
    {"contrast": 0.4},
    {"saturation": 0.6},
    {"hue": 0.2},
    {"greyscale": 0.5},
    {"blur": 0.7},
    {"cutout": 0.4},
]


@pytest.fixture(scope="module")
def colour(tmp_path_factory: pytest.TempPathFactory) -> ShardReader:
    return reader(
        tmp_path_factory.mktemp("colour"),
        np.random.default_rng(0).integers(60, 200, (20, SIDE, SIDE, 3), dtype=np.uint8),
    )


@pytest.fixture(scope="module")
def grey(tiny_world: tiny.World) -> ShardReader:
    return ShardReader(tiny_world.data, open_store(tiny_world.store))


def reader(folder: Path, pixels: np.ndarray) -> ShardReader:
    data, _ = tiny.dataset(folder, str(folder / "store"), pixels, np.array(["a"] * len(pixels)))
    return ShardReader(data, open_store(str(folder / "store")))


def made(
    source: ShardReader,
    mode: str,
    changes: Augment,
    size: int = SIDE,
    seed: int = 0,
    epoch: int = 0,
    threads: int = 1,
    rows: np.ndarray = ROWS,
) -> list[tuple[Tensor, Tensor]]:
    settings = PretrainSettings(image_size=size, batch_size=8, augment=changes)
    return list(dali_views(source, mode, rows, settings, seed, epoch, threads))


def content(batches: list[tuple[Tensor, Tensor]]) -> bytes:
    return b"".join(view.numpy().tobytes() for pair in batches for view in pair)


def plain(source: ShardReader, mode: str, size: int) -> Tensor:
    order = epoch_windows(source.dataset, ROWS, 0, 0, HELD)[0].rows[:16]
    return (
        torch.from_numpy(
            np.stack([to_square(decode(source.image_bytes(row), mode, 1 << 20), size) for row in order.tolist()])
        )
        / 255
    )


def test_batches_have_their_shape_and_range(colour, grey):
    everything = Augment(rotate=20, blur=0.5, cutout=0.3, flip_vertical=0.5)
    for source, mode, channels in ((colour, "RGB", 3), (grey, "L", 1)):
        batches = made(source, mode, everything, size=12)
        assert len(batches) == 2  # 20 images are two batches of 8
        for view in (view for pair in batches for view in pair):
            assert (tuple(view.shape), view.dtype) == ((8, channels, 12, 12), torch.float32)
            assert float(view.min()) >= 0
            assert float(view.max()) <= 1


@pytest.mark.parametrize(("size", "levels"), [(SIDE, 3), (SIDE // 2, 9)])  # noise is the hardest to make smaller alike
def test_with_all_off_views_are_the_images_in_the_order_of_the_epoch(colour, size, levels):
    first, second = (torch.cat(views) for views in zip(*made(colour, "RGB", OFF, size=size), strict=True))
    assert torch.equal(first, second)
    torch.testing.assert_close(first, plain(colour, "RGB", size), atol=levels / 255, rtol=0)


def test_of_an_oblong_image_only_the_centre_square_is_seen(tmp_path):
    y, x = np.mgrid[0:SIDE, 0 : 3 * SIDE]
    oblong = reader(
        tmp_path, np.stack([np.stack([x * 5, y * 15, np.full_like(x, i)], axis=2) for i in range(20)]).astype(np.uint8)
    )
    assert torch.equal(torch.cat([first for first, _ in made(oblong, "RGB", OFF)]), plain(oblong, "RGB", SIDE))
    cropped = torch.cat([first for first, _ in made(oblong, "RGB", alone(crop=0.4))]) * 255
    assert float(cropped[:, 0].min()) >= SIDE * 5 - 1
    assert float(cropped[:, 0].max()) <= 2 * SIDE * 5


def test_with_all_off_grey_views_are_the_images(grey):
    torch.testing.assert_close(
        torch.cat([first for first, _ in made(grey, "L", OFF, size=8)]), plain(grey, "L", 8), atol=2 / 255, rtol=0
    )


@pytest.mark.parametrize("change", CHANGES, ids=lambda change: next(iter(change)))
def test_each_change_alone_moves_images_and_views_apart(colour, change):
    first, second = (torch.cat(views) for views in zip(*made(colour, "RGB", alone(**change)), strict=True))
    moved = [not torch.allclose(a, b, atol=4 / 255) for a, b in zip(first, plain(colour, "RGB", SIDE), strict=True)]
    assert sum(moved) > 2
    assert not torch.equal(first, second)


def test_dropped_colour_is_grey_and_a_certain_flip_mirrors(colour):
    drained = torch.cat([first for first, _ in made(colour, "RGB", alone(greyscale=1.0))])
    assert float((drained - drained.mean(dim=1, keepdim=True)).abs().max()) <= 2 / 255
    mirrored = torch.cat([first for first, _ in made(colour, "RGB", alone(flip_horizontal=1.0))])
    torch.testing.assert_close(mirrored, plain(colour, "RGB", SIDE).flip(3), atol=4 / 255, rtol=0)


def test_hue_turns_as_far_as_its_share_of_the_circle(tmp_path):
    red = np.tile(np.array([180, 90, 90], np.uint8), (400, 8, 8, 1))
    red[:, 0, 0, 0] = np.arange(400) % 250  # so that no two are the same file
    red[:, 0, 1, 0] = np.arange(400) // 250
    source = reader(tmp_path, red)
    turned = torch.cat([first for first, _ in made(source, "RGB", alone(hue=0.25), size=8, rows=np.arange(400))])[
        :, :, 4, 4
    ]
    to_plane = torch.tensor([[0.596, -0.274, -0.322], [0.211, -0.523, 0.312]])
    i, q = to_plane @ turned.T
    start = to_plane @ torch.tensor([180.0, 90, 90])
    angle = (torch.atan2(q, i) - torch.atan2(start[1], start[0])) * 180 / torch.pi
    assert 80 < float(angle.abs().max()) < 95  # a quarter either way


def test_the_same_seed_and_epoch_give_the_same_bytes_on_any_number_of_threads(colour):
    everything = Augment(rotate=20, blur=0.5, cutout=0.3)
    one = content(made(colour, "RGB", everything, threads=1))
    assert content(made(colour, "RGB", everything, threads=1)) == one
    assert content(made(colour, "RGB", everything, threads=2)) == one
    assert (
        len({one, content(made(colour, "RGB", everything, seed=1)), content(made(colour, "RGB", everything, epoch=1))})
        == 3
    )


def test_changes_are_drawn_anew_for_each_epoch_and_seed(colour):
    same = np.full(8, 7)  # one image, so that its place in the order does not show
    drawn = {
        content(made(colour, "RGB", alone(crop=0.5), seed=seed, epoch=epoch, rows=same))
        for seed in (0, 1)
        for epoch in (0, 1)
    }
    assert len(drawn) == 4
