"""Held-out draws of a dataset that has grown: fair to what is new, and kept for every run to come."""

from collections import Counter
from math import ceil
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from components.common import draws
from components.common.artifacts import CALIBRATION, TEST, TRAIN, VALIDATION, Dataset, load_labels
from components.common.errors import BadInputError
from components.common.storage import FolderStore, IntegrityError
from components.sample.newer import all_held_out, newest_in_line
from components.sample.picks import Pick, held_out_picks
from components.sample.settings import SampleSettings
from tests import tiny
from tests.sample.test_embed import store as other_store
from tests.sample.test_store_rounds import Person, asked, run

HELD = (VALIDATION, CALIBRATION, TEST)
store = other_store  # a fixture


@pytest.fixture
def world(tiny_world: tiny.World, store: FolderStore) -> tiny.World:
    return tiny_world._replace(store=store.uri)


def earlier(world: tiny.World, images: int, store: FolderStore, folder: Path) -> Dataset:
    """The version of the dataset before all but the first so many of its images (in an order of no meaning) came."""
    rows = np.random.default_rng(5).permutation(world.data.index.num_rows)[:images]
    return tiny.earlier(world.data, rows, store.uri, folder)


def settings(**changes: Any) -> SampleSettings:
    small = {"validation_budget": 10, "calibration_budget": 20, "test_budget": 30}
    return SampleSettings.model_validate({**small, **changes})


def ids(data: Dataset, picks: list[Pick], split: str) -> list[str]:
    return [data.column("id")[pick.row] for pick in picks if pick.purpose == split]


def test_without_a_version_the_draw_is_among_all_images_as_ever(world, store):
    assert all_held_out(world.data, settings(), 0, (), store) == held_out_picks(world.data, settings(), 0)
    assert draws.keys(store, "digits") == []


def test_what_is_few_among_all_gets_a_draw_of_its_own(world, store, tmp_path, capsys):
    before = earlier(world, 700, store, tmp_path / "before")
    old = set(before.column("id"))
    plain = held_out_picks(world.data, settings(), 0)
    picks = all_held_out(world.data, settings(new_since=before.id, new_share=0.5), 0, (), store)
    assert picks[: len(plain)] == plain
    assert len({pick.row for pick in picks}) == len(picks)
    for split, budget in zip(HELD, (10, 20, 30), strict=True):
        new = [image for image in ids(world.data, picks, split) if image not in old]
        there = [image for image in world.data.column("id")[world.data.rows(split)] if image not in old]
        assert set(new) <= set(there)
        assert len(new) == min(len(there), ceil(budget / 2)), "those that the draw among all holds are some of them"
    assert "sample.new_since: 200 of 900 images came after version" in capsys.readouterr().out


def test_each_new_image_is_as_likely_as_any_other(world):
    after = np.random.default_rng(5).permutation(world.data.index.num_rows)[:300]
    counts = Counter(
        row
        for seed in range(300)
        for row in newest_in_line(world.data, settings(new_share=1), seed, (), after)[VALIDATION]
    )
    new = np.intersect1d(after, world.data.rows(VALIDATION))
    assert set(counts) == set(new.tolist())
    expected = 300 * 10 / len(new)
    spread = expected * (1 - expected / 300)  # each is drawn or not, in 300 draws
    assert np.mean([(counts[row] - expected) ** 2 for row in new.tolist()]) / spread < 2


def test_what_was_drawn_once_stays_drawn_when_nobody_asks_for_it_any_more(world, store, tmp_path):
    before = earlier(world, 700, store, tmp_path / "before")
    asking = settings(new_since=before.id, new_share=1)
    first = all_held_out(world.data, asking, 0, (), store)
    keys = draws.keys(store, "digits")
    assert len(keys) == 1
    later = all_held_out(world.data, settings(draws=keys), 0, (), store)
    again = all_held_out(world.data, asking.model_copy(update={"draws": keys}), 0, (), store)
    assert {(pick.row, pick.purpose) for pick in first} == {(pick.row, pick.purpose) for pick in later}
    assert again == first
    assert draws.keys(store, "digits") == keys, "the same draw again adds nothing"
    passed = {next(pick.row for pick in first if "newer" in pick.reason)}
    assert passed.isdisjoint(pick.row for pick in all_held_out(world.data, settings(draws=keys), 0, passed, store))
    refilled = all_held_out(world.data, asking, 0, passed, store)
    assert passed.isdisjoint(pick.row for pick in refilled)


def test_a_dataset_that_has_not_grown_is_said(world, store, capsys):
    picks = all_held_out(world.data, settings(new_since=world.data.id), 0, (), store)
    assert picks == held_out_picks(world.data, settings(), 0)
    assert "so none can be drawn; add what was served to the source" in capsys.readouterr().out
    assert draws.keys(store, "digits") == []


def test_a_version_or_a_draw_that_is_gone_or_was_changed_is_one_line(world, store, tmp_path):
    with pytest.raises(BadInputError, match=r"datasets/digits/abc/dataset.json: is gone") as error:
        all_held_out(world.data, settings(new_since="abc"), 0, (), store)
    assert "\n" not in str(error.value)
    with pytest.raises(BadInputError, match=r"draws/digits/abc.json: does not exist") as error:
        all_held_out(world.data, settings(draws=["draws/digits/abc.json"]), 0, (), store)
    assert "\n" not in str(error.value)
    key = draws.save(store, "digits", {"images": {}})
    store.write(key, b"{}")
    with pytest.raises(IntegrityError, match="was changed"):
        all_held_out(world.data, settings(draws=[key]), 0, (), store)


def test_labels_of_a_run_that_was_asked_for_new_images_count_in_runs_that_were_not(world, store, tmp_path):
    """By the stage and the label store: a run of the watch asks, people answer, and a run of the schedule measures."""
    before = earlier(world, 700, store, tmp_path / "before")
    old = set(before.column("id"))
    person = Person(world)
    run(world, tmp_path / "watch", person, new_since=before.id, new_share=1.0)
    for purpose in (TRAIN, *HELD):
        person.say(asked(tmp_path / "watch", purpose), 1)
    tests = set(asked(tmp_path / "watch", TEST))
    assert len([image for image in tests if image not in old]) == 5, "as many as the budget, beside the draw of all"
    run(world, tmp_path / "later", person, draws=draws.keys(store, "digits"))
    table, _ = load_labels(tmp_path / "later" / "labels")
    labelled = {row["id"] for row in table.to_pylist() if row["purpose"] == TEST}
    assert labelled == tests
    run(world, tmp_path / "blind", person)
    table, _ = load_labels(tmp_path / "blind" / "labels")
    lost = tests - {row["id"] for row in table.to_pylist() if row["purpose"] == TEST}
    assert lost, "what this would be without the record of the draw"
