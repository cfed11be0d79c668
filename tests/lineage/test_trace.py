"""Which releases learned from an image, as what, and what nobody knows any more."""

import pytest

from components.common.artifacts import SPLITS, TRAIN
from components.common.storage import open_store
from components.lineage.trace import HELD_OUT, LABELLED, UNLABELLED, datasets_of, releases_of
from components.release.settings import ReleaseSettings
from components.release.stage import run as run_release
from tests import tiny


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory) -> tiny.World:
    """Three labels of each purpose but the test's, and a release."""
    folder = tmp_path_factory.mktemp("lineage")
    made = tiny.build(folder, {TRAIN: 100, "validation": 5, "calibration": 20, "test": 60})
    found = tiny.evaluated(made, folder)
    run_release(
        made.classifier,
        found.calibration,
        found.evaluation,
        "digits",
        made.store,
        ReleaseSettings(),
        folder / "release",
    )
    return made


def test_an_image_is_found_in_the_versions_that_hold_it(world):
    image = world.data.column("id")[7]
    (held,) = datasets_of(open_store(world.store), image)
    assert (held.dataset, held.version, held.id) == ("digits", world.data.id, image)
    assert held.split == world.data.column("split")[7]
    assert held.source == world.data.column("source")[7]
    assert datasets_of(open_store(world.store), "0" * 64) == []


@pytest.mark.parametrize("split", SPLITS)
def test_a_release_says_what_an_image_was_to_it(world, split):
    store, ids = open_store(world.store), world.data.column("id")
    with_label, without = world.rows[split][0], world.data.rows(split)[-1]
    (told,) = releases_of(store, ids[with_label])
    assert told.how == (LABELLED if split == TRAIN else split)
    assert told.learned is (split != "test")
    (told,) = releases_of(store, ids[without])
    assert told.how == (UNLABELLED if split == TRAIN else HELD_OUT)
    assert told.learned is (split == TRAIN)
    assert releases_of(store, "0" * 64) == []
