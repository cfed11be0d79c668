"""Who is asked about: the strategy for training, a draw that no model touches for all that measures."""

from dataclasses import replace

import numpy as np
import pytest

from components.common.artifacts import CALIBRATION, TEST, TRAIN, VALIDATION
from components.sample.picks import Pick, held_out_picks, nearest_labelled
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


def test_of_an_image_that_was_passed_over_the_next_in_line_takes_the_place(tiny_world):
    line = rows(held_out_picks(tiny_world.data, budgets(validation_budget=8), 0), VALIDATION)
    assert rows(held_out_picks(tiny_world.data, budgets(), 0, {line[2]: "passed over"}), VALIDATION) == [
        *line[:2],
        *line[3:8],
    ]


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


def test_nearest_images_are_the_same_by_blocks_as_one_by_one(tiny_world, monkeypatch):
    x = vectors(tiny_world)
    draw = np.random.default_rng(0)
    purposes = [TRAIN if draw.random() < 0.7 else TEST for _ in range(150)]
    picks = [Pick(int(row), purpose, "") for row, purpose in zip(draw.permutation(900)[:150], purposes, strict=True)]
    answered = np.setdiff1d(draw.permutation(900)[:200], [pick.row for pick in picks])
    whole = nearest_labelled(x, picks, answered)
    known = answered.tolist()
    for pick, near in zip(picks, whole, strict=True):
        likeness = x[known].astype(np.float64) @ x[pick.row].astype(np.float64)
        assert x[near].astype(np.float64) @ x[pick.row].astype(np.float64) == pytest.approx(likeness.max(), abs=1e-6)
        assert near in known
        known += [pick.row] if pick.purpose == TRAIN else []
    monkeypatch.setattr("components.sample.picks.BLOCK", 16)
    monkeypatch.setattr("components.sample.picks.PICKS", 7)
    assert nearest_labelled(x, picks, answered) == whole
