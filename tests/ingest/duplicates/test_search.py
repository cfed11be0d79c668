"""The search as a whole: against every pair judged alone, whatever the batches, threads, cells and order of images."""

import subprocess
import sys
from itertools import combinations, permutations
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from components.ingest.duplicates import cells, search
from components.ingest.duplicates.alignment import align
from components.ingest.duplicates.connections import connected
from components.ingest.duplicates.kinds import DETAILED, EDITED, FINE, FINE_TONES, GAIN, GROUND, NEAR
from components.ingest.duplicates.tangents import AREA, EDGE, MISSED
from components.ingest.duplicates.thumbnails import BLANK, CUT, MIDDLE, SIDE, contrast, whole_waves, window_waves
from components.ingest.duplicates.tones import detail, equalised, largest_tone
from tests import exhaustive, natural
from tests.ingest.duplicates.albums import album, as_array, digits, groups_in, thumbnails_of


def shows_a_window(a: np.ndarray, b: np.ndarray, most: float) -> tuple[bool, float]:
    """Least squares by the book, then the alignment by pixels; and how many times the contrast of a's window b has."""
    models = window_waves(a[None])[0]
    target = whole_waves(b[None])[0]
    weights, *_ = np.linalg.lstsq(models.T, target, rcond=None)
    where = MIDDLE + weights[1:] / weights[0] * CUT * [-1, 1, -1, 1]
    missed = np.square(target - weights @ models).sum() / np.square(target).sum()
    inside = (where >= EDGE[0]).all() and (where <= EDGE[1]).all()
    if weights[0] <= 0 or missed > MISSED or not inside or (where[1] - where[0]) * (where[3] - where[2]) > AREA:
        return False, 0
    energy, gain, _ = align(a[None].astype(np.float32), b[None].astype(np.float32), where[None], SIDE, 4)
    return bool(energy[0] <= most), float(gain[0])


def is_near(a: np.ndarray, b: np.ndarray) -> bool:
    fits, gain = shows_a_window(a, b, FINE)
    return fits and 1 / GAIN <= gain <= GAIN


def is_edited(a: np.ndarray, b: np.ndarray) -> bool:
    """That detail correlates is left out: where the rest holds, only its amount matters (test_kinds)."""
    share, _ = detail(*np.stack([a, b])[:, None].astype(np.float32))
    one, other = equalised(np.stack([a, b]))
    plain = largest_tone(np.stack([a, b])).max() <= GROUND and share[0] >= DETAILED
    return bool(plain) and shows_a_window(one, other, FINE_TONES)[0]


def edges_of(thumbnails: np.ndarray) -> set[tuple[int, int]]:
    seen = permutations(np.flatnonzero(contrast(thumbnails) >= BLANK).tolist(), 2)
    pairs = ((a, b, thumbnails[a], thumbnails[b]) for a, b in seen)
    return {(min(a, b), max(a, b)) for a, b, one, other in pairs if is_near(one, other) or is_edited(one, other)}


def test_groups_are_those_of_every_pair_judged_alone() -> None:
    shown = album(18, 10)
    edges = edges_of(shown)
    assert len(edges) >= 16, "nearly each copy with its original"
    assert groups_in(shown) == connected(as_array(edges))


@pytest.fixture(scope="module")
def small() -> tuple[np.ndarray, set[tuple[int, int]]]:
    shown = album(5, 3)
    # so that some have two copies, and some an edited one
    shown = np.concatenate(
        [shown, shown[5:8] - (shown[5:8] > 99).astype(np.uint8), (shown[:2] // 1.5).astype(np.uint8)]
    )
    return shown, {(a, b) for a, b in combinations(range(len(shown)), 2) if groups_in(shown[[a, b]])}


@given(st.data())
@settings(max_examples=40, deadline=None)
def test_only_pairs_with_a_fresh_one_connect_in_any_order(
    small: tuple[np.ndarray, set[tuple[int, int]]], data: st.DataObject
) -> None:
    shown, edges = small
    assert len(edges) >= 10
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
    monkeypatch.setattr(cells, "CHUNK", 11)
    assert groups_in(shown) == expected


@pytest.mark.parametrize("least", [2, 5, 20])
def test_cells_lose_hardly_a_copy_and_invent_none(least: int, monkeypatch: pytest.MonkeyPatch) -> None:
    originals = natural.patches(128, 32)
    draws = np.random.default_rng(0)
    copies = [natural.copy(image, "all three", draws) for image in originals]
    shown = thumbnails_of([*originals, *copies, *digits()])
    direct = np.unique(np.sort(np.concatenate([exhaustive.copies(shown, kind) for kind in (NEAR, EDITED)]), 1), axis=0)
    everywhere = connected(direct)
    monkeypatch.setattr(cells, "LEAST", least)
    found = groups_in(shown)
    assert np.mean([found.get(a, -1) == found.get(b) for a, b in direct.tolist()]) >= 0.995
    assert all(everywhere[row] == everywhere[first] for row, first in found.items())
    monkeypatch.setattr(search, "THREADS", 1)
    assert groups_in(shown) == found


def test_a_crowd_of_copies_costs_a_chain_not_a_square(monkeypatch: pytest.MonkeyPatch) -> None:
    photo = thumbnails_of(natural.patches(200, 200)[:1]).astype(np.int16)
    noise = np.random.default_rng(0).integers(-2, 3, (500, SIDE, SIDE))
    asked: list[int] = []

    def counted(a: np.ndarray, b: np.ndarray, window: np.ndarray) -> np.ndarray:
        asked.append(len(a))
        return NEAR.judge(a, b, window)

    monkeypatch.setattr(search, "NEAR", NEAR._replace(judge=counted))
    assert set(groups_in(np.clip(photo + noise, 0, 255).astype(np.uint8)).values()) == {0}
    assert sum(asked) < 20 * len(noise)


@pytest.mark.parametrize("count", [0, 1, 2])
def test_blank_thumbnails_pair_with_nothing(count: int) -> None:
    shown = np.full((count, SIDE, SIDE), 80, np.uint8)
    shown[:, ::2] += 5
    assert groups_in(shown) == {}
    assert groups_in(shown, np.zeros(count, bool)) == {}


@pytest.mark.parametrize(("kinds", "least"), [(natural.KINDS, 0.97), (natural.EDITS, 0.8)])
def test_copies_of_photos_are_found_and_different_photos_kept_apart(kinds: tuple[str, ...], least: float) -> None:
    originals = natural.patches(128, 96)
    draws = np.random.default_rng(1)
    count = len(originals)
    images = originals + [natural.copy(image, kind, draws) for kind in kinds for image in originals]
    group = groups_in(thumbnails_of(images))
    for number, kind in enumerate(kinds, start=1):
        found = [group.get(row + number * count) == group.get(row, -1) for row in range(count)]
        assert np.mean(found) > least, kind
    apart = "patches of one photo do not overlap enough to be one"
    assert all(row % count == first % count for row, first in group.items()), apart


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
