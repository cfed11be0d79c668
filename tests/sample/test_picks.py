"""Who is asked about: the strategy for training, a draw that no model touches for all that measures."""

from dataclasses import replace

import numpy as np
import pytest

from components.common.artifacts import CALIBRATION, TEST, TRAIN, VALIDATION
from components.sample.picks import Pick, held_out_picks, nearest_labelled, training_picks
from components.sample.settings import SampleSettings
from tests import tiny

HELD = (VALIDATION, CALIBRATION, TEST)


def vectors(world: tiny.World) -> np.ndarray:
    return np.load(world.embeddings / "embeddings.npy")


def rows(picks: list[Pick], purpose: str) -> list[int]:
    return [pick.row for pick in picks if pick.purpose == purpose]


def budgets(**changes: object) -> SampleSettings:
    return SampleSettings.model_validate(
        {"train_budget": 12, "validation_budget": 7, "calibration_budget": 9, "test_budget": 5, **changes}
    )


@pytest.mark.parametrize("strategy", ["typiclust", "random"])
def test_training_picks_are_new_images_of_the_train_split(tiny_world, strategy):
    answered = tiny_world.rows[TRAIN][10:14]
    picks = training_picks(tiny_world.data, vectors(tiny_world), answered, budgets(strategy=strategy), 0)
    chosen = rows(picks, TRAIN)
    assert len(chosen) == len(set(chosen)) == len(picks) == 12 - 4
    assert set(chosen) <= set(tiny_world.data.rows(TRAIN).tolist()) - set(answered.tolist())
    assert all(
        pick.reason.startswith("typical of a cluster of " if strategy == "typiclust" else "random draw")
        for pick in picks
    )


@pytest.mark.parametrize("strategy", ["typiclust", "random"])
def test_a_budget_that_is_spent_or_beyond_the_split_is_kept_to(tiny_world, strategy):
    pool = tiny_world.data.rows(TRAIN)
    assert training_picks(tiny_world.data, vectors(tiny_world), pool[:12], budgets(strategy=strategy), 0) == []
    everything = training_picks(
        tiny_world.data, vectors(tiny_world), pool[:3], budgets(strategy=strategy, train_budget=10_000), 0
    )
    assert sorted(pick.row for pick in everything) == pool[3:].tolist()


def test_random_picks_follow_the_seed_and_not_the_embeddings(tiny_world):
    def picked(seed: int, x: np.ndarray) -> list[Pick]:
        return training_picks(tiny_world.data, x, np.empty(0, np.int64), budgets(strategy="random"), seed)

    x = vectors(tiny_world)
    assert picked(0, x) == picked(0, -x[::-1]) != picked(1, x)


def test_held_out_picks_lie_in_their_splits(tiny_world):
    picks = held_out_picks(tiny_world.data, budgets(), 0)
    assert {split: len(rows(picks, split)) for split in HELD} == {VALIDATION: 7, CALIBRATION: 9, TEST: 5}
    for split in HELD:
        assert set(rows(picks, split)) <= set(tiny_world.data.rows(split).tolist())
    # in line
    assert (
        rows(held_out_picks(tiny_world.data, budgets(test_budget=None), 0), TEST) != tiny_world.data.rows(TEST).tolist()
    )
    assert (
        sorted(rows(held_out_picks(tiny_world.data, budgets(test_budget=None), 0), TEST))
        == tiny_world.data.rows(TEST).tolist()
    )


def test_a_larger_budget_only_adds_and_new_images_only_push_in(tiny_world):
    few = rows(held_out_picks(tiny_world.data, budgets(), 3), VALIDATION)
    more = rows(held_out_picks(tiny_world.data, budgets(validation_budget=20), 3), VALIDATION)
    assert more[:7] == few
    ids = tiny_world.data.column("id")
    part = replace(tiny_world.data, index=tiny_world.data.index.slice(0, 600))
    before = [
        part.column("id")[row] for row in rows(held_out_picks(part, budgets(validation_budget=500), 3), VALIDATION)
    ]
    after = [ids[row] for row in rows(held_out_picks(tiny_world.data, budgets(validation_budget=500), 3), VALIDATION)]
    assert [image for image in after if image in set(before)] == before


def test_held_out_draws_are_random(tiny_world):
    drawn = {
        split: [rows(held_out_picks(tiny_world.data, budgets(), seed), split) for seed in range(300)] for split in HELD
    }
    for split in HELD:
        counts = np.bincount(
            [row for rows in drawn[split] for row in rows], minlength=len(tiny_world.data.column("id"))
        )
        of_split = counts[tiny_world.data.rows(split)]
        expected = 300 * len(drawn[split][0]) / len(of_split)
        assert counts.sum() == of_split.sum()
        assert np.abs(of_split - expected).max() < 5 * np.sqrt(expected)  # every image as often as any other
    assert len({tuple(each) for each in drawn[VALIDATION]}) == 300


def test_the_nearest_labelled_image_is_the_nearest_of_those_labelled_or_picked_before():
    x = np.array([[1, 0], [0.8, 0.6], [0, 1], [-1, 0], [0.6, 0.8]], np.float16)
    picks = [Pick(1, TRAIN, ""), Pick(4, VALIDATION, ""), Pick(2, TRAIN, ""), Pick(4, TRAIN, "")]
    assert nearest_labelled(x, picks, np.array([3])) == [3, 1, 1, 1]
    assert nearest_labelled(x, picks, np.array([], np.int64)) == [None, 1, 1, 1]
    assert nearest_labelled(x, [Pick(4, VALIDATION, ""), Pick(2, VALIDATION, "")], np.array([], np.int64)) == [
        None,
        None,
    ]
