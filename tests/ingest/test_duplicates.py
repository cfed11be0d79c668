"""Looks, candidates and confirmation: against all pairs, closed forms, and real copies of real photos."""

from itertools import permutations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image
from scipy.fft import dctn

from components.ingest.duplicates import CROWD, FINE, RADIUS, align, candidates, confirmed, connected, fit_waves, groups
from components.ingest.example import mnist
from components.ingest.looks import BITS, RECORD, SIDE, WINDOWS, hashes, look, waves
from tests import natural

WHOLE = np.array([[0.0, 1, 0, 1]])


def looked(images: list[Image.Image]) -> tuple[np.ndarray, np.ndarray]:
    """Hashes and records."""
    looks = [look(image) for image in images]
    bits = np.frombuffer(b"".join(one.hashes for one in looks), np.uint64).reshape(-1, len(WINDOWS))
    return bits, np.frombuffer(b"".join(one.record for one in looks), RECORD)


def found_groups(images: list[Image.Image]) -> dict[int, int]:
    bits, records = looked(images)
    ids = [f"{number:05d}" for number in range(len(images))]
    return {int(image): int(first) for image, first in groups(ids, bits, records, np.ones(len(ids), bool)).items()}


def all_pairs(bits: np.ndarray) -> dict[tuple[int, int], int]:
    """Least distance between a window of the first and the whole of the second, of every pair either way round."""
    return {(a, b): int(np.bitwise_count(bits[a] ^ bits[b, 0]).min()) for a, b in permutations(range(len(bits)), 2)}


@given(st.integers(2, 24), st.integers(0, 2**32 - 1))
@settings(max_examples=60, deadline=None)
def test_filing_by_bytes_finds_what_all_pairs_find(count: int, seed: int) -> None:
    draws = np.random.default_rng(seed)
    bits = draws.integers(0, 2**64, (count, len(WINDOWS)), np.uint64)
    for row in range(1, count):  # near to an earlier one, by flips of up to 9 bits anywhere
        flips = draws.choice(64, draws.integers(0, 10), replace=False).astype(np.uint64)
        bits[row, draws.integers(len(WINDOWS))] = bits[draws.integers(row), 0] ^ np.bitwise_or.reduce(np.uint64(1) << flips, initial=0)
    pairs, windows = candidates(bits)
    distance = all_pairs(bits)
    found = {(a, b): int(np.bitwise_count(bits[a, window] ^ bits[b, 0]))
             for (a, b), window in zip(pairs.tolist(), windows, strict=True)}
    assert len(found) == len(pairs), "each pair once"
    assert {pair for pair, least in distance.items() if least < RADIUS} <= set(found)
    assert all(distance[pair] <= least <= RADIUS for pair, least in found.items())
    assert all(found[pair] == least for pair, least in distance.items() if least < RADIUS), "the best window"


def test_a_crowd_of_equal_hashes_is_a_chain_not_a_square() -> None:
    bits = np.full((CROWD + 500, len(WINDOWS)), 7, np.uint64)
    pairs, _ = candidates(bits)
    assert len(pairs) == len(bits) - 1
    assert set(connected(pairs).values()) == {0}
    assert len(candidates(bits[:1])[0]) == len(candidates(bits[:0])[0]) == 0


@given(st.lists(st.tuples(st.integers(0, 12), st.integers(0, 12)).filter(lambda pair: pair[0] != pair[1])))
def test_components_equal_those_of_a_slow_search(pairs: list[tuple[int, int]]) -> None:
    expected = {node: node for pair in pairs for node in pair}
    for _ in expected:
        for a, b in pairs:
            expected[a] = expected[b] = min(expected[a], expected[b])
    assert connected(np.array(pairs, np.int64).reshape(-1, 2)) == expected


def test_waves_are_a_cosine_transform_in_whole_numbers() -> None:
    pixels = np.random.default_rng(0).integers(0, 256, (SIDE, SIDE)).astype(np.uint8)
    found = waves(pixels)
    np.testing.assert_array_equal(found, np.round(found))
    assert (found.shape, np.abs(found).max() < 2**53) == ((len(WINDOWS), BITS), True)
    expected = dctn(pixels.astype(float))[[1, 0], [0, 1]] / 4 * 1024**2
    np.testing.assert_allclose(sorted(found[0, :2]), sorted(expected), rtol=0.01)
    assert (hashes(found)[0] == hashes(-found)[0]) == (not found[0].any()), "the negative has all other signs"
    assert np.bitwise_count(hashes(found) ^ hashes(-found)).tolist() == [BITS] * len(WINDOWS)


def test_alignment_ignores_brightness_and_finds_a_crop() -> None:
    photo = natural.patches(200, 200)[0].convert("L")
    a = np.asarray(photo.resize((SIDE, SIDE)), np.float32)[None]
    assert align(a, a, WHOLE)[0] == pytest.approx(0, abs=1e-9)
    assert align(a, 0.5 * a + 30, WHOLE)[0] == pytest.approx(0, abs=1e-6)
    noise = np.random.default_rng(0).normal(size=(2, 1, SIDE, SIDE)).astype(np.float32).cumsum(2)
    assert align(a, noise[0], WHOLE)[0] > 0.1
    cropped = np.asarray(photo.crop((6, 4, 195, 197)).resize((SIDE, SIDE)), np.float32)[None]
    assert align(a, cropped, WHOLE)[0] < FINE / 4
    bits, records = looked([photo, photo.crop((6, 4, 195, 197))])
    pairs, windows = candidates(bits)
    assert [0, 1] in pairs.tolist()
    where, energy = fit_waves(records["waves"], pairs[:1], windows[:1])
    np.testing.assert_allclose(where[0], [6 / 200, 195 / 200, 4 / 200, 197 / 200], atol=0.02)
    assert energy[0] < 0.002


def test_copies_of_photos_are_found_and_different_photos_kept_apart() -> None:
    originals = natural.patches(128, 96)
    draws = np.random.default_rng(1)
    count = len(originals)
    images = originals + [natural.copy(image, kind, draws) for kind in natural.KINDS for image in originals]
    group = found_groups(images)
    for number, kind in enumerate(natural.KINDS, start=1):
        found = [group.get(row + number * count) == group.get(row, -1) for row in range(count)]
        assert np.mean(found) > 0.95, kind
    assert all(row % count == first % count for row, first in group.items()), "patches of one photo do not overlap enough to be one"


def test_digits_are_not_near_duplicates_of_each_other() -> None:
    pixels, _ = mnist()
    assert found_groups([Image.fromarray(one) for one in pixels[::4]]) == {}


def test_the_batches_do_not_matter(monkeypatch: pytest.MonkeyPatch) -> None:
    originals = natural.patches(128, 160)
    draws = np.random.default_rng(2)
    bits, records = looked(originals + [natural.copy(image, "cropped", draws) for image in originals])
    pairs, windows = candidates(bits)
    expected = confirmed(records, pairs, windows)
    for name, value in (("PAIRS", 5), ("ALIGNED", 2), ("QUERIES", 7), ("CODES", 3)):
        monkeypatch.setattr(f"components.ingest.duplicates.{name}", value)
    again = candidates(bits)
    np.testing.assert_array_equal(again[0], pairs)
    np.testing.assert_array_equal(confirmed(records, *again), expected)
    assert len({tuple(sorted(pair)) for pair in pairs[expected].tolist()}) >= 0.9 * len(originals)
