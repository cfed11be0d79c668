"""Which releases learned from an image, as what, and what nobody knows any more."""

import pytest

from components.common.artifacts import SPLITS, TRAIN
from components.common.storage import IntegrityError
from components.lineage.trace import (
    HELD_OUT,
    HOW,
    LABELLED,
    MEANS,
    PROPAGATED,
    UNKNOWN,
    UNLABELLED,
    datasets_of,
    how_of,
    releases_of,
    releases_of_all,
)
from tests.lineage.world import World, copied

NOWHERE = "0" * 64


def told(found: list) -> dict[str, str]:
    return {one.version: one.how for one in found}


def test_an_image_is_found_in_the_versions_that_hold_it(world: World):
    image, data = world.image(7), world.made.data
    (held,) = datasets_of(world.store, image)
    assert (held.dataset, held.version, held.id) == ("digits", data.id, image)
    assert held.split == data.column("split")[7]
    assert held.source == data.column("source")[7]
    assert held.label == data.column("label")[7]
    assert datasets_of(world.store, NOWHERE) == []


@pytest.mark.parametrize("split", SPLITS[1:])
def test_a_held_out_image_measured_where_it_has_a_label_and_else_nothing(world: World, split):
    with_label, without = world.rows[split][0], world.made.data.rows(split)[-1]
    found = releases_of(world.store, world.image(with_label))
    assert told(found) == {world.first: split, world.second: split}
    assert {one.learned for one in found} == {split != "test"}
    found = releases_of(world.store, world.image(without))
    assert told(found) == {world.first: HELD_OUT, world.second: HELD_OUT}
    assert {one.learned for one in found} == {False}


def test_a_training_image_taught_with_its_label_or_without(world: World):
    early, late, never = world.rows[TRAIN][1], world.rows[TRAIN][-1], world.made.data.rows(TRAIN)[-1]
    assert told(releases_of(world.store, world.image(early))) == {world.first: LABELLED, world.second: LABELLED}
    assert told(releases_of(world.store, world.image(late))) == {world.first: UNLABELLED, world.second: LABELLED}
    found = releases_of(world.store, world.image(never))
    assert told(found) == {world.first: UNLABELLED, world.second: UNLABELLED}
    assert {one.learned for one in found} == {True}
    assert releases_of(world.store, NOWHERE) == []
    (_, labelled) = sorted(releases_of(world.store, world.image(late)), key=lambda one: one.version == world.second)
    assert (labelled.label, labelled.by) == (world.classes[late], "bob")


def test_many_images_at_once_are_told_as_each_alone(world: World):
    ids = [world.image(row) for row in range(0, 900, 45)] + [NOWHERE]
    assert releases_of_all(world.store, ids) == {image: releases_of(world.store, image) for image in ids}


def test_against_all_that_the_artifacts_say(world: World):
    """The slow way: every row of the index and of the labels in the release."""
    labelled = {world.ids[row]: split for split in SPLITS for row in world.rows[split]}
    found = releases_of_all(world.store, [*map(str, world.ids)])
    for row, image in enumerate(world.ids):
        split = world.made.data.column("split")[row]
        expected = labelled.get(image, UNLABELLED if split == TRAIN else HELD_OUT)
        assert told(found[image])[world.second] == (LABELLED if expected == TRAIN else expected)


def test_a_dataset_that_is_gone_leaves_unknown_what_only_it_knew(world: World, tmp_path):
    store = copied(world.store, str(tmp_path / "store"), lambda key: key.endswith("dataset.json"))
    assert datasets_of(store, world.image(7)) == []
    late = releases_of(store, world.image(world.rows[TRAIN][-1]))
    assert told(late) == {world.first: UNKNOWN, world.second: LABELLED}
    for one in late:
        assert one.learned is (None if one.version == world.first else True)
        assert ("is not in the store any more" in one.why) == (one.how == UNKNOWN)
    assert told(releases_of(store, NOWHERE)) == {world.first: UNKNOWN, world.second: UNKNOWN}


def test_labels_that_were_changed_make_a_release_unknown_and_say_where(world: World, tmp_path):
    store = copied(world.store, str(tmp_path / "store"))
    key = f"releases/digits/{world.first}/labels.parquet"
    store.write(key, store.read(f"releases/digits/{world.second}/labels.parquet"))
    found = {one.version: one for one in releases_of(store, world.image(world.rows[TRAIN][0]))}
    assert found[world.second].how == LABELLED
    assert found[world.first].how == UNKNOWN
    assert key in found[world.first].why


def test_an_index_that_cannot_be_read_is_an_error_and_no_answer(world: World, tmp_path):
    store = copied(world.store, str(tmp_path / "store"))
    key = f"datasets/digits/{world.made.data.id}/index.parquet"
    store.write(key, b"no table")
    with pytest.raises(IntegrityError, match=r"index\.parquet: no table with a column id that can be read"):
        datasets_of(store, world.image(7))


def test_each_way_has_words_and_neighbours_labels_are_told_apart():
    assert {*HOW} == {*MEANS}
    assert how_of({"purpose": TRAIN, "source": PROPAGATED}) == PROPAGATED
    assert how_of({"purpose": TRAIN, "source": "store"}) == LABELLED
