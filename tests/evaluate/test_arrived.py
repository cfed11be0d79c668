"""What came since the champion learned: new data is measured by itself."""

from pathlib import Path

import numpy as np
import pytest

from components.common.storage import open_store
from components.evaluate.gates import judge
from components.evaluate.predictions import answers
from tests import tiny
from tests.evaluate.test_champion import against, release
from tests.evaluate.test_champion import calibration as fitted

calibration = fitted  # a fixture


def test_what_came_since_the_champion_learned_is_a_slice_of_its_own(tiny_world, calibration, tmp_path):
    (tmp_path / "datasets" / "digits").mkdir(parents=True)
    for there in (Path(tiny_world.store) / "datasets" / "digits").iterdir():
        (tmp_path / "datasets" / "digits" / there.name).symlink_to(there)
    store = open_store(str(tmp_path))
    kept = np.arange(0, tiny_world.data.index.num_rows, 3)
    before = tiny.earlier(tiny_world.data, kept, store.uri)
    digests = {"dataset": before.id, "labels": "", "code": ""}
    gone = against(tiny_world, calibration, str(tmp_path), release(tiny_world, str(tmp_path), digests=digests))
    assert not [line for line in gone[1]["slices"] if line["by"] == "arrived"], "its dataset is gone"
    tiny.earlier(tiny_world.data, kept, store.uri, tmp_path / "before")
    found, figures = against(
        tiny_world, calibration, str(tmp_path), release(tiny_world, str(tmp_path), digests=digests)
    )
    new = ~np.isin(found.rows, kept)
    lines = {line["name"]: line for line in figures["slices"] if line["by"] == "arrived"}
    assert {name: line["images"] for name, line in lines.items()} == {"new": new.sum(), "old": (~new).sum()}
    assert lines["new"]["accuracy"] == pytest.approx(found.final.right[new].mean())
    gate = judge(["accuracy[arrived=new] not below champion", "accuracy[arrived=new] >= 0.5"], figures, answers(found))
    assert [row["images"] for row in gate][-1] == new.sum()
    assert all(row["passed"] for row in gate[:2])
