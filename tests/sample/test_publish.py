"""What people get: a table, a page without holes, and a file that Label Studio imports."""

import base64
import csv
import io
import json
from dataclasses import replace

import pyarrow as pa
import pytest

from components.common.artifacts import CANDIDATES, CLUSTERS, Dataset
from components.common.data.reader import ShardReader
from components.common.storage import open_store
from components.sample.answers import Answer
from components.sample.picks import Pick
from components.sample.publish import SHOWN, candidates_csv, candidates_table, caption, label_studio_json, sheet
from tests import tiny

PICKS = [
    Pick(4, "train", "typical of a cluster of 9 (typicality 1.50)"),
    Pick(2, "train", "random draw"),
    Pick(8, "validation", "random draw for validation"),
]
HOSTILE = '"><script>alert(1)</script>,\n&'


@pytest.fixture(scope="module")
def reader(tiny_world: tiny.World) -> ShardReader:
    return ShardReader(tiny_world.data, open_store(tiny_world.store))


def renamed(world: tiny.World, name: str) -> Dataset:
    index = world.data.index
    sources = pa.array([name] * index.num_rows)
    return replace(world.data, name=name, index=index.set_column(index.column_names.index("source"), "source", sources))


def test_the_table_has_a_line_per_pick_with_all_its_fields(tiny_world):
    known = {2: Answer("7", "ann"), 11: Answer("3", "bob")}
    text = candidates_csv(tiny_world.data, PICKS, [None, 4, 2], known)
    ids = tiny_world.data.column("id")
    sources = tiny_world.data.column("source")
    rows = list(csv.DictReader(io.StringIO(text)))
    assert [list(row.values()) for row in rows] == [
        [ids[4], "1", "train", PICKS[0].reason, "", sources[4], ""],
        [ids[2], "2", "train", "random draw", ids[4], sources[2], "7"],
        [ids[8], "1", "validation", "random draw for validation", ids[2], sources[8], ""],
        [ids[11], "", tiny_world.data.column("split")[11], "labelled before", "", sources[11], "3"],
    ]
    assert list(rows[0]) == ["id", "rank", "purpose", "reason", "nearest_labelled", "source", "label"]


def test_the_same_is_a_table_for_machines_by_purpose_with_clusters(tiny_world):
    ids = tiny_world.data.column("id")
    clusters = pa.Table.from_pylist([{"id": ids[4], "cluster": 6}, {"id": ids[2], "cluster": 0}], schema=CLUSTERS)
    picks = [PICKS[2], *PICKS[:2]]
    table = candidates_table(tiny_world.data, picks, [2, None, 4], {2: Answer("7", "ann")}, clusters)
    assert table.schema == CANDIDATES
    assert [list(row.values()) for row in table.to_pylist()] == [
        [ids[4], 1, "train", PICKS[0].reason, None, 6, None],
        [ids[2], 2, "train", "random draw", ids[4], 0, "7"],
        [ids[8], 1, "validation", "random draw for validation", ids[2], -1, None],
    ]


def test_a_hostile_path_stays_in_its_field(tiny_world):
    rows = list(csv.DictReader(io.StringIO(candidates_csv(renamed(tiny_world, HOSTILE), PICKS, [None] * 3, {}))))
    assert [row["source"] for row in rows] == [HOSTILE] * 3


def test_label_studio_gets_tasks_with_pictures_and_no_answer(tiny_world, reader):
    tasks = json.loads(label_studio_json(tiny_world.data, reader, PICKS))
    assert [task["data"]["id"] for task in tasks] == [tiny_world.data.column("id")[pick.row] for pick in PICKS]
    for task, pick in zip(tasks, PICKS, strict=True):
        assert set(task) == {"data"}
        assert set(task["data"]) == {"image", "id", "image_id", "rank", "purpose", "reason"}
        assert task["data"]["image_id"] == task["data"]["id"]
        kind, _, data = task["data"]["image"].partition(",")
        assert kind == "data:image/png;base64"
        assert base64.b64decode(data) == reader.image_bytes(pick.row)


def test_the_page_shows_every_pick_and_the_labels_that_are_known(tiny_world, reader):
    page = sheet(tiny_world.data, reader, PICKS, {4: Answer("seven", "x"), 5: Answer("hidden", "x")}, 1)
    assert page.count("<img ") == 3
    assert "1 · seven · typical of a cluster of 9<" in page
    assert "hidden" not in page
    assert "Which 3 of the 900 images of digits to label; 1 were labelled before." in page
    assert "Train: 2 images" in page
    assert "Validation: 1 images" in page
    assert "Test" not in page


def test_the_page_escapes_names_and_labels(tiny_world, reader):
    page = sheet(
        renamed(tiny_world, HOSTILE), reader, [replace(PICKS[0], reason=HOSTILE)], {4: Answer(HOSTILE, HOSTILE)}, 0
    )
    assert "<script" not in page
    assert "&lt;script&gt;" in page


def test_a_long_list_is_cut_and_says_so(tiny_world, reader):
    picks = [Pick(row, "train", "random draw") for row in range(SHOWN + 1)]
    page = sheet(tiny_world.data, reader, picks, {}, 0)
    assert page.count("<img ") == SHOWN
    assert f"The first {SHOWN} of {SHOWN + 1}." in page


def test_no_picks_are_a_page_too(tiny_world, reader):
    assert "Which 0 of the 900 images" in sheet(tiny_world.data, reader, [], {}, 20)


def test_a_caption_leaves_figures_out_and_keeps_the_class_that_is_expected():
    pick = Pick(4, "train", "typical of a cluster of 9 (typicality 1.50); perhaps a 7")
    assert caption(1, pick, {}) == "1 · typical of a cluster of 9; perhaps a 7"
