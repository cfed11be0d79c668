"""Labels for near neighbours: against a slow reading of the rule, closed forms, and what may never get a label."""

from fractions import Fraction

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from threadpoolctl import threadpool_limits

from components.common.artifacts import LABELS, SPLITS, TRAIN, VALIDATION, load_embeddings, load_labels, save_labels
from components.common.data.splits import labelled
from components.sample import propagate as module
from components.sample.propagate import (
    AGREEING,
    PRECISION,
    Labelled,
    learned_bound,
    nearest_centre,
    propagate,
    spread_labels,
    with_propagated,
)
from components.sample.strategies.pool import Pool
from tests import tiny

NOBODY = Labelled(np.empty((0, 2), np.float32), np.empty(0, np.int64), np.empty(0, np.int64))


def at(*degrees: float) -> np.ndarray:
    """Points on the unit circle, float16 (n, 2)."""
    angle = np.deg2rad(degrees)
    return np.stack([np.cos(angle), np.sin(angle)], axis=1).astype(np.float16)


def pool_of(x: np.ndarray, threads: int = 1) -> Pool:
    n = len(x)
    return Pool(x, np.arange(n), np.empty(0, np.int64), np.ones(n, bool), threads=threads)


def slow_guess(image: np.ndarray, cluster: int, known: list[tuple[np.ndarray, int, int]]) -> tuple[int, float] | None:
    """Class and distance, by sorting."""
    by_distance = sorted((float(np.linalg.norm(image - other)), place) for place, (other, _, _) in enumerate(known))
    if len(by_distance) < AGREEING:
        return None
    near = [place for distance, place in by_distance if distance <= by_distance[AGREEING - 1][0]]
    distance, nearest = by_distance[0]
    _, label, of = known[nearest]
    return (label, distance) if of == cluster and {known[place][1] for place in near} == {label} else None


def slow_spread(x, clusters, allowed, known, held) -> tuple[dict[int, int], float]:
    """Positions and classes, and the weight."""
    points = list(zip(known.vectors.astype(float), known.labels.tolist(), known.clusters.tolist(), strict=True))
    tries = []
    for place, (image, label, cluster) in enumerate(points):
        if guess := slow_guess(image, cluster, points[:place] + points[place + 1 :]):
            tries.append((guess[1], guess[0] == label))
    for image, label, cluster in zip(held.vectors.astype(float), held.labels, held.clusters, strict=True):
        if guess := slow_guess(image, cluster, points):
            tries.append((guess[1], guess[0] == label))
    good = []
    for bound in sorted({distance for distance, _ in tries}):
        within = [right for distance, right in tries if distance <= bound]
        if (precision := Fraction(sum(within) + 1, len(within) + 2)) >= Fraction(PRECISION).limit_denominator(100):
            good.append((bound, float(precision)))
    if not good:
        return {}, 0.0
    bound, weight = good[-1]
    said = {place: slow_guess(x[place].astype(float), clusters[place], points) for place in np.flatnonzero(allowed)}
    return {int(place): guess[0] for place, guess in said.items() if guess and guess[1] <= bound + 1e-4}, weight


@settings(max_examples=40, deadline=None)
@given(st.integers(0, 9999), st.integers(0, 25), st.integers(0, 20), st.booleans())
def test_spread_is_that_of_a_slow_reading(seed, many, held_out, small_blocks):
    rng = np.random.default_rng(seed)

    def images(n: int) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        labels = rng.integers(0, 2, n)
        x = np.eye(4)[labels] + 0.25 * rng.normal(size=(n, 4))
        clusters = np.where(rng.random(n) < 0.1, 7, labels)
        flipped = np.where(rng.random(n) < 0.05, 1 - labels, labels)
        return (x / np.linalg.norm(x, axis=1, keepdims=True)).astype(np.float32), flipped, clusters

    known, held = Labelled(*images(many)), Labelled(*images(held_out))
    x, _, clusters = images(40)
    allowed = rng.random(40) < 0.8
    before = module.AT_ONCE
    module.AT_ONCE = 50 if small_blocks else before
    try:
        spread = propagate(pool_of(x), known, clusters, allowed, held)
    finally:
        module.AT_ONCE = before
    labels, weight = slow_spread(x, clusters, allowed, known, held)
    assert dict(zip(spread.positions.tolist(), spread.labels.tolist(), strict=True)) == labels
    assert spread.weight == pytest.approx(weight)
    assert spread.weight < 1


def test_the_bound_is_the_distance_up_to_which_guesses_hold():
    """Nine right guesses, then wrong ones: 10 of 11 is the last precision of at least 0.9."""
    distance = np.arange(12) / 10
    right = np.arange(12) < 9
    assert learned_bound(distance, right) == (0.8, pytest.approx(10 / 11))
    assert learned_bound(distance[::-1], right[::-1]) == (0.8, pytest.approx(10 / 11))
    assert learned_bound(distance[:8], right[:8]) == (0.7, pytest.approx(0.9))
    assert learned_bound(distance[:7], right[:7]) == (0.0, 0.0)  # too few to say so
    assert learned_bound(distance, ~right) == (0.0, 0.0)
    assert learned_bound(np.empty(0), np.empty(0, bool)) == (0.0, 0.0)


def test_guesses_at_one_distance_stand_or_fall_together():
    assert learned_bound(np.full(10, 0.5), np.arange(10) < 9) == (0.0, 0.0)  # 10 of 12, though the first nine are right
    assert learned_bound(np.full(10, 0.5), np.ones(10, bool)) == (0.5, pytest.approx(11 / 12))


def circle() -> tuple[Labelled, Labelled]:
    """Class 0 labelled around 0 degrees, class 1 around 90; validation images 2 degrees from a labelled one."""
    known = Labelled(at(-4, -2, 0, 2, 4, 86, 88, 90, 92, 94), np.repeat([0, 1], 5), np.repeat([0, 1], 5))
    return known, Labelled(at(-6, 6, 84, 96), np.array([0, 0, 1, 1]), np.array([0, 0, 1, 1]))


def test_neighbours_within_the_bound_get_the_label():
    """Everything held out is right at 2 degrees, 14 of 14, so the bound is the chord of 2 degrees."""
    known, held = circle()
    x = at(-5, 1, 5.5, 7, 45, 87, 89)
    clusters = np.array([0, 0, 0, 0, 0, 1, 0])
    spread = propagate(pool_of(x), known, clusters, np.arange(7) != 5, held)
    assert spread.bound == pytest.approx(2 * np.sin(np.deg2rad(1)), abs=1e-3)
    assert (spread.checked, spread.right, spread.weight) == (14, 14, pytest.approx(15 / 16))
    assert spread.positions.tolist() == [0, 1, 2]  # 7 and 45 are too far, 87 is not allowed, 89 is of another cluster
    assert spread.labels.tolist() == [0, 0, 0]
    assert spread.told.startswith("propagated 3 labels to images within 0.035 of a labelled one: 14 of 14 held-out")


def test_where_neighbours_are_wrong_nothing_spreads():
    known, held = circle()
    turned = Labelled(known.vectors, np.arange(10) % 2, known.clusters)
    spread = propagate(pool_of(at(1, 89)), turned, np.array([0, 1]), np.ones(2, bool), held)
    assert (len(spread.positions), spread.weight) == (0, 0.0)
    assert spread.told.startswith("no label was propagated: of 0 held-out labels")


def test_too_few_labels_spread_nothing():
    few = Labelled(at(0, 90), np.array([0, 1]), np.array([0, 1]))
    for known in (few, NOBODY):
        spread = propagate(pool_of(at(1)), known, np.array([0]), np.ones(1, bool), NOBODY)
        assert (len(spread.positions), spread.weight, spread.checked) == (0, 0.0, 0)


def test_equal_labels_at_one_and_two_threads_and_in_any_blocks(monkeypatch):
    rng = np.random.default_rng(0)
    centres = np.eye(16)[:4]
    labels, held_labels, hidden = np.arange(80) % 4, np.arange(20) % 4, np.arange(20_000) % 4

    def images(of: np.ndarray) -> np.ndarray:
        x = centres[of] + 0.15 * rng.normal(size=(len(of), 16))
        return (x / np.linalg.norm(x, axis=1, keepdims=True)).astype(np.float16)

    known, held, x = (
        Labelled(images(labels), labels, labels),
        Labelled(images(held_labels), held_labels, held_labels),
        images(hidden),
    )
    found = []
    for threads in (1, 2, 2):
        with threadpool_limits(threads):
            found.append(propagate(pool_of(x, threads), known, hidden, np.ones(20_000, bool), held))
    assert len(found[0].positions) > 10_000
    assert (found[0].labels == hidden[found[0].positions]).all()
    for other in found[1:]:
        assert np.array_equal(other.positions, found[0].positions)
        assert np.array_equal(other.labels, found[0].labels)
        assert other[2:] == found[0][2:]


def test_the_nearest_centre():
    assert nearest_centre(at(10, 80, 45), at(0, 90).astype(np.float32)).tolist() == [
        0,
        1,
        1 - (at(45)[0, 0] >= at(45)[0, 1]),
    ]


@pytest.fixture
def spread_world(tiny_world: tiny.World) -> tuple[tiny.World, Pool]:
    rows = tiny_world.data.rows(TRAIN)
    vectors = load_embeddings(tiny_world.embeddings, tiny_world.data)
    few = np.searchsorted(rows, tiny_world.rows[TRAIN][:150])
    return tiny_world, Pool(vectors, rows, few, np.ones(len(rows), bool))


def test_propagated_labels_stand_beside_peoples_and_are_counted_apart(spread_world, tmp_path, monkeypatch):
    world, pool = spread_world
    monkeypatch.setattr(module, "PRECISION", 0.6)  # the tiny encoder is of random weights
    given_rows = {split: world.rows[split] for split in SPLITS} | {TRAIN: world.rows[TRAIN][:150]}
    tiny.labels(tmp_path / "before", world.data, given_rows)
    table, about = load_labels(tmp_path / "before")
    together = np.zeros(len(pool), np.int64)
    answered = np.array([int(np.setdiff1d(np.arange(len(pool)), pool.labelled)[0])])
    grown, spread = spread_labels(
        world.data, pool, table, about["classes"], together, np.zeros((1, pool.vectors.shape[1])), answered
    )
    assert len(spread.positions) > 20
    assert not set(spread.positions) & {*pool.labelled, *answered}
    save_labels(tmp_path / "after", grown, about["classes"], "candidates/digits/")
    again, after = load_labels(tmp_path / "after")
    assert after["counts"] == about["counts"]
    assert (about["propagated"], after["propagated"]) == (0, len(spread.positions))
    entries = again.to_pylist()
    row_of = {image: row for row, image in enumerate(world.data.column("id"))}
    order = [row_of[entry["id"]] for entry in entries]
    assert order == sorted(set(order))
    made = [entry for entry in entries if entry["source"] == "propagated"]
    assert {(entry["purpose"], entry["annotator"], entry["time"]) for entry in made} == {(TRAIN, "gleaner", None)}
    assert {entry["weight"] for entry in made} == {float(np.float32(spread.weight))}
    kept = [entry for entry in entries if entry["source"] != "propagated"]
    assert kept == sorted(table.to_pylist(), key=lambda entry: row_of[entry["id"]])
    for split in SPLITS[1:]:  # what measures is as it was
        assert np.array_equal(labelled(world.data, again, about["classes"], split)[0], np.sort(given_rows[split]))
    assert len(labelled(world.data, again, about["classes"], TRAIN)[0]) == 150 + len(made)


def test_held_out_and_labelled_images_cannot_get_a_label_from_neighbours(tiny_world):
    table, _ = load_labels(tiny_world.labels)
    empty = LABELS.empty_table()
    for row, labels in ((tiny_world.rows[VALIDATION][0], empty), (tiny_world.rows[TRAIN][0], table)):
        with pytest.raises(ValueError, match=rf"rows \[{row}\] are held out or have a label"):
            with_propagated(labels, tiny_world.data, np.array([row]), ["3"], 0.9)
