"""Near-duplicates: against every pair judged alone, closed forms, and real copies of real photos."""

import subprocess
import sys
from functools import cache
from itertools import combinations, permutations
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image
from scipy.fft import dctn

from components.ingest.duplicates import search
from components.ingest.duplicates.alignment import align
from components.ingest.duplicates.search import (
    AREA,
    EDGE,
    FINE,
    GAIN,
    MISSED,
    connected,
    find_pairs,
    space,
    view,
    windows,
)
from components.ingest.duplicates.thumbnails import (
    BLANK,
    CUT,
    KEPT,
    MIDDLE,
    SIDE,
    contrast,
    thumbnail,
    whole_waves,
    window_waves,
)
from components.ingest.example import mnist
from tests import natural

WHOLE = np.array([[0.0, 1, 0, 1]])


@cache
def digits() -> list[Image.Image]:
    return [Image.fromarray(one) for one in mnist()[0][::4]]


def thumbnails_of(images: list[Image.Image]) -> np.ndarray:
    return np.stack([thumbnail(image) for image in images])


def groups_in(thumbnails: np.ndarray, fresh: np.ndarray | None = None) -> dict[int, int]:
    with TemporaryDirectory() as folder:
        (Path(folder) / "thumbnails").write_bytes(thumbnails.tobytes())
        everything = np.ones(len(thumbnails), bool)
        pairs = find_pairs(
            Path(folder) / "thumbnails", len(thumbnails), everything if fresh is None else fresh, Path(folder)
        )
        assert [entry.name for entry in Path(folder).iterdir()] == ["thumbnails"]
    assert pairs.tolist() == sorted([a, b] for a, b in {(a, b) for a, b in pairs.tolist() if a < b})
    return connected(pairs)


def album(patches: int, others: int) -> np.ndarray:
    """Patches, a copy of each of a kind in turn, digits, and blanks."""
    draws = np.random.default_rng(3)
    originals = natural.patches(160, 160)[:patches]
    copies = [
        natural.copy(image, natural.KINDS[number % len(natural.KINDS)], draws) for number, image in enumerate(originals)
    ]
    return thumbnails_of(
        [*originals, *copies, *digits()[:others], Image.new("L", (9, 9), 7), Image.new("L", (9, 9), 7)]
    )


def shows_a_window(a: np.ndarray, b: np.ndarray) -> bool:
    """Least squares by the book, then the alignment by pixels."""
    models = window_waves(a[None])[0]
    target = whole_waves(b[None])[0]
    weights, *_ = np.linalg.lstsq(models.T, target, rcond=None)
    where = MIDDLE + weights[1:] / weights[0] * CUT * [-1, 1, -1, 1]
    missed = np.square(target - weights @ models).sum() / np.square(target).sum()
    inside = (
        (where >= EDGE[0]).all() and (where <= EDGE[1]).all() and (where[1] - where[0]) * (where[3] - where[2]) <= AREA
    )
    if weights[0] <= 0 or missed > MISSED or not inside:
        return False
    energy, gain, _ = align(a[None].astype(np.float32), b[None].astype(np.float32), where[None], SIDE, 4)
    return bool(energy[0] <= FINE and 1 / GAIN <= gain[0] <= GAIN)


def edges_of(thumbnails: np.ndarray) -> set[tuple[int, int]]:
    seen = np.flatnonzero(contrast(thumbnails) >= BLANK).tolist()
    return {(min(a, b), max(a, b)) for a, b in permutations(seen, 2) if shows_a_window(thumbnails[a], thumbnails[b])}


def as_array(pairs: set[tuple[int, int]]) -> np.ndarray:
    return np.array(sorted(pairs), np.int64).reshape(-1, 2)


def test_groups_are_those_of_every_pair_judged_alone() -> None:
    shown = album(20, 10)
    edges = edges_of(shown)
    assert len(edges) >= 19, "nearly each copy with its original"
    assert groups_in(shown) == connected(as_array(edges))


@pytest.fixture(scope="module")
def small() -> tuple[np.ndarray, set[tuple[int, int]]]:
    shown = album(5, 3)
    shown = np.concatenate([shown, shown[5:8] - (shown[5:8] > 99).astype(np.uint8)])  # so that some have two copies
    return shown, {(a, b) for a, b in combinations(range(len(shown)), 2) if groups_in(shown[[a, b]])}


@given(st.data())
@settings(max_examples=40, deadline=None)
def test_only_pairs_with_a_fresh_one_connect_in_any_order(
    small: tuple[np.ndarray, set[tuple[int, int]]], data: st.DataObject
) -> None:
    shown, edges = small
    assert len(edges) >= 8
    order = data.draw(st.permutations(range(len(shown))))
    fresh = np.array(data.draw(st.lists(st.booleans(), min_size=len(shown), max_size=len(shown))))
    place = {row: number for number, row in enumerate(order)}
    expected = {tuple(sorted((place[a], place[b]))) for a, b in edges if fresh[place[a]] or fresh[place[b]]}
    assert groups_in(shown[order], fresh) == connected(np.array(sorted(expected), np.int64).reshape(-1, 2))


def test_the_sizes_of_batches_and_threads_do_not_matter(monkeypatch: pytest.MonkeyPatch) -> None:
    shown = album(30, 10)
    expected = groups_in(shown)
    assert len(expected) >= 46
    for name, value in (("QUERIES", 5), ("TILE", 7), ("CHUNK", 3), ("PAIRS", 4), ("ALIGNED", 2), ("THREADS", 1)):
        monkeypatch.setattr(search, name, value)
        assert groups_in(shown) == expected


def test_a_crowd_of_copies_costs_a_chain_not_a_square(monkeypatch: pytest.MonkeyPatch) -> None:
    photo = thumbnail(natural.patches(200, 200)[0]).astype(np.int16)
    noise = np.random.default_rng(0).integers(-2, 3, (1000, SIDE, SIDE))
    asked: list[int] = []
    judge = search.same

    def counted(a: np.ndarray, b: np.ndarray, window: np.ndarray) -> np.ndarray:
        asked.append(len(a))
        return judge(a, b, window)

    monkeypatch.setattr(search, "same", counted)
    assert set(groups_in(np.clip(photo + noise, 0, 255).astype(np.uint8)).values()) == {0}
    assert sum(asked) < 20 * len(noise)


@pytest.mark.parametrize("count", [0, 1, 2])
def test_blank_thumbnails_pair_with_nothing(count: int) -> None:
    shown = np.full((count, SIDE, SIDE), 80, np.uint8)
    shown[:, ::2] += 5
    assert groups_in(shown) == {}
    assert groups_in(shown, np.zeros(count, bool)) == {}


@given(st.lists(st.tuples(st.integers(0, 12), st.integers(0, 12)).filter(lambda pair: pair[0] != pair[1])))
def test_components_equal_those_of_a_slow_search(pairs: list[tuple[int, int]]) -> None:
    expected = {node: node for pair in pairs for node in pair}
    for _ in expected:
        for a, b in pairs:
            expected[a] = expected[b] = min(expected[a], expected[b])
    assert connected(np.array(pairs, np.int64).reshape(-1, 2)) == expected


def test_waves_are_a_cosine_transform_in_whole_numbers() -> None:
    pixels = np.random.default_rng(0).integers(0, 256, (2, SIDE, SIDE)).astype(np.uint8)
    found = whole_waves(pixels)
    moved = window_waves(pixels)
    assert (found.shape, moved.shape) == ((2, KEPT), (2, 5, KEPT))
    np.testing.assert_array_equal(found, np.round(found))
    np.testing.assert_array_equal(moved, np.round(moved))
    assert np.abs(found).max() < 2**53
    np.testing.assert_allclose(
        found[:, :2], dctn(pixels.astype(float), axes=(1, 2))[:, [1, 0], [0, 1]] / 4 * 1024**2, rtol=0.01
    )
    np.testing.assert_allclose(contrast(pixels), pixels.std((1, 2)), rtol=1e-12)


def test_waves_tell_where_a_crop_lies() -> None:
    photo = natural.patches(200, 200)[0].convert("L")
    shown = thumbnails_of([photo, photo.crop((6, 4, 195, 197))])
    missed, where = windows(space(shown), np.array([0, 1]), view(shown[[1, 0]])["waves"])
    np.testing.assert_allclose(where[0], [6 / 200, 195 / 200, 4 / 200, 197 / 200], atol=0.005)
    assert missed[0] < 0.002 < missed[1]
    negative, _ = windows(space(255 - shown), np.array([0]), view(shown)["waves"][1:])
    assert negative[0] == 1


def test_alignment_tells_brightness_apart_and_finds_a_crop() -> None:
    photo = natural.patches(200, 200)[0].convert("L")
    a = np.asarray(photo.resize((SIDE, SIDE)), np.float32)[None]
    noise = np.random.default_rng(0).normal(size=(2, 1, SIDE, SIDE)).astype(np.float32).cumsum(2)
    cropped = np.asarray(photo.crop((6, 4, 195, 197)).resize((SIDE, SIDE)), np.float32)[None]
    for side in (16, SIDE):
        assert align(a, a, WHOLE, side, 2)[0][0] == pytest.approx(0, abs=1e-9)
        energy, gain, _ = align(a, 0.5 * a + 30, WHOLE, side, 2)
        assert (energy[0], gain[0]) == (pytest.approx(0, abs=1e-6), pytest.approx(0.5))
        assert align(a, noise[0], WHOLE, side, 2)[0][0] > 0.1
    energy, _, where = align(a, cropped, WHOLE, SIDE, 4)
    assert energy[0] < FINE / 4
    np.testing.assert_allclose(where[0], [6 / 200, 195 / 200, 4 / 200, 197 / 200], atol=0.005)


def test_copies_of_photos_are_found_and_different_photos_kept_apart() -> None:
    originals = natural.patches(128, 96)
    draws = np.random.default_rng(1)
    count = len(originals)
    images = originals + [natural.copy(image, kind, draws) for kind in natural.KINDS for image in originals]
    group = groups_in(thumbnails_of(images))
    for number, kind in enumerate(natural.KINDS, start=1):
        found = [group.get(row + number * count) == group.get(row, -1) for row in range(count)]
        assert np.mean(found) > 0.97, kind
    assert all(row % count == first % count for row, first in group.items()), (
        "patches of one photo do not overlap enough to be one"
    )


def test_digits_are_not_near_duplicates_of_each_other() -> None:
    assert groups_in(thumbnails_of(digits())) == {}


MEASURED = """
import sys
from pathlib import Path
import numpy as np
from components.ingest.duplicates.search import find_pairs
path, count = Path(sys.argv[1]), int(sys.argv[2])
find_pairs(path, count, np.ones(count, bool), path.parent)
print(next(line.split()[1] for line in open("/proc/self/status") if line.startswith("VmHWM")))
"""


def test_memory_does_not_grow_with_the_images(tmp_path: Path) -> None:
    draws = np.random.default_rng(0)
    with (tmp_path / "thumbnails").open("wb") as file:
        for _ in range(9):
            coarse = draws.integers(0, 256, (1000, 8, 8)).astype(np.uint8)
            file.write(coarse.repeat(SIDE // 8, 1).repeat(SIDE // 8, 2).tobytes())
    peak = [
        int(
            subprocess.run(
                [sys.executable, "-c", MEASURED, str(tmp_path / "thumbnails"), count],
                capture_output=True,
                check=True,
                text=True,
            ).stdout
        )
        for count in ("4000", "9000")
    ]
    assert peak[1] - peak[0] < 8 << 10, "KiB, where the thumbnails of 5,000 more are 20 MiB"
