"""`gleaner labels import`: what is accepted, what is refused and with which words, and what is said beside."""

import csv
import json
import zipfile
from dataclasses import replace
from pathlib import Path

import pytest

from components.common.data.identity import id_of
from components.common.storage import open_store
from tests.labels.test_candidates import publish as publish_candidates
from tests.labels.world import NAME, World, content, publish


@pytest.fixture
def world(tmp_path: Path) -> World:
    return World(tmp_path)


def test_a_table_is_accepted_once_and_known_afterwards(world, capsys):
    file = world.csv("a.csv", [(0, "cat"), (1, "dog"), (2, "")])
    assert world.call("import", file) == 0
    assert capsys.readouterr().out == "a.csv: 3 entries = 2 accepted + 0 known already + 1 not answered + 0 refused\n"
    assert world.call("import", file) == 0
    assert capsys.readouterr().out == "a.csv: 3 entries = 0 accepted + 2 known already + 1 not answered + 0 refused\n"
    assert world.said() == [(0, "cat"), (1, "dog")]
    assert [one.task for one in world.labels.read().answers] == ["a.csv:2", "a.csv:3"]


def test_where_one_is_refused_nothing_is_written_unless_told(world, capsys):
    file = world.csv("a.csv", [(0, "cat"), (1, "doge")])
    assert world.call("import", file) == 2
    said = capsys.readouterr()
    assert said.out == "a.csv: 2 entries = 1 acceptable + 0 known already + 0 not answered + 1 refused\n"
    assert said.err.splitlines() == [
        "a.csv:3: class 'doge' is not one of 'cat', 'dog', 'owl'; did you mean 'dog'?",
        "error: labels: import: a.csv: 1 of 2 entries are refused, so nothing was written; mend them, or accept the "
        "others with --keep-going",
    ]
    assert world.said() == []
    refused = world.folder / "refused.csv"
    assert world.call("import", file, "--keep-going", "--refused", str(refused)) == 0
    assert world.said() == [(0, "cat")]
    [row] = csv.DictReader(refused.read_text().splitlines())
    assert (row["where"], row["image"], row["label"]) == ("a.csv:3", world.id(1), "doge")


@pytest.mark.parametrize(
    ("row", "reason"),
    [
        ("{cut},cat", "no image '{cut}' in dataset digits; did you mean the id {id}?"),
        ("0001.PNG,cat", "no image '0001.PNG' in dataset digits; did you mean 'in/0001.png'?"),
        ("in/0001.jpg,cat", "no image 'in/0001.jpg' in dataset digits; did you mean 'in/0001.png' or "),
        ("?,cat", "no image '?' in dataset digits"),
        ("{id},Dog", "class 'Dog' is not one of 'cat', 'dog', 'owl'; did you mean 'dog'?"),
        ("{id},zebra crossing", "class 'zebra crossing' is not one of 'cat', 'dog', 'owl'"),
        ("{id},cat,2999-01-01", "time 2999-01-01T00:00:00+00:00 has not come yet"),
        (",cat", "no id"),
    ],
)
def test_what_is_refused_is_told_with_what_may_have_been_meant(world, capsys, row, reason):
    given = {"id": world.id(1), "cut": world.id(1)[:12]}
    file = world.file("a.csv", f"id,label,time\n{row.format(**given)}\n")
    assert world.call("import", file) == 2
    assert capsys.readouterr().err.startswith(f"a.csv:2: {reason.format(**given)}")


def test_one_person_who_says_two_things_at_once_is_asked_which(world, capsys):
    file = world.csv("a.csv", [(0, "cat,ann"), (0, "dog,ann"), (1, "cat,ann"), (1, "cat,ann")], "id,label,annotator")
    assert world.call("import", file, "--keep-going") == 0
    said = capsys.readouterr()
    assert said.err.splitlines()[0] == (
        "a.csv:2: the same annotator says 'cat' (a.csv:2) and 'dog' (a.csv:3) of one image; keep one, or name the "
        "annotators"
    )
    assert said.out.startswith("a.csv: 4 entries = 1 accepted + 1 known already + 0 not answered + 2 refused\n")


def test_skip_and_none_are_answers(world):
    assert world.call("import", world.csv("a.csv", [(0, "skip"), (1, "None of these")])) == 0
    assert world.said() == [(0, "skip"), (1, "none")]


def test_a_class_may_be_called_skip(tmp_path):
    world = World(tmp_path, classes=("none of these", "skip"))
    assert world.call("import", world.csv("a.csv", [(0, "skip"), (1, "none of these")])) == 0
    assert [(one.kind, one.label) for one in world.labels.read().answers] == [
        ("class", "skip"),
        ("class", "none of these"),
    ]


def test_where_the_source_has_no_classes_new_ones_are_accepted_on_demand(tmp_path, capsys):
    world = World(tmp_path, classes=())
    file = world.csv("a.csv", [(0, "cat")])
    assert world.call("import", file) == 2
    assert capsys.readouterr().err.startswith(
        "a.csv:2: class 'cat' is new; --new-classes accepts it, since the source has no classes\n"
    )
    assert world.call("import", file, "--new-classes") == 0
    assert world.call("import", world.csv("b.csv", [(1, "cat"), (2, "kat")])) == 2
    assert "b.csv:3: class 'kat' is new; did you mean 'cat'?; --new-classes" in capsys.readouterr().err


def test_an_export_of_another_project_is_told_in_one_line(world, capsys):
    file = world.file("a.csv", "id,label\n" + "".join(f"{number:064x},cat\n" for number in range(40)))
    assert world.call("import", file) == 2
    said = capsys.readouterr().err.splitlines()
    assert len(said) == 2
    assert said[0].startswith(
        "a.csv: 40 of 40 images are not in dataset digits; is it of another project? expected ids such as "
    )


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["{0}/nowhere.csv"], "error: labels: {0}/nowhere.csv: no such file or folder; expected one of answers\n"),
        (
            ["{0}/a.csv", "--refused", "{0}"],
            "error: labels: {0}: cannot be written: Is a directory; name another file\n",
        ),
    ],
)
def test_files_that_are_not_there_or_cannot_be_written_are_one_line(world, capsys, words, said):
    world.csv("a.csv", [(0, "cat")])
    assert world.call("import", *(word.format(world.folder) for word in words)) == 2
    assert capsys.readouterr().err.startswith(said.format(world.folder))
    assert world.said() == []


def test_a_table_without_id_is_told(world, capsys):
    assert world.call("import", world.file("a.csv", "name,class\nx,cat\n")) == 2
    assert capsys.readouterr().err == (
        "error: labels: a.csv:1: expected the columns id,label; found name,class; name them in the first line, with "
        "commas, semicolons or tabs between them\n"
    )


def test_the_round_is_the_files_the_flags_or_that_of_the_newest_candidates(world):
    publish_candidates(world.store, "aaaa", round=3)
    world.call("import", world.csv("a.csv", [(0, "cat,"), (1, "cat,2")], "id,label,round"))
    world.call("import", world.csv("b.csv", [(2, "cat,2")], "id,label,round"), "--round", "5")
    assert [one.round for one in world.labels.read().answers] == [3, 2, 5]


def test_class_folders_know_images_by_contents_id_and_path(world, capsys):
    files = {
        "cat/renamed.png": content(0),
        f"dog/{world.id(1)}.jpg": b"saved anew",
        "owl/in/0002.png": b"saved anew",
        "none of these/x.png": content(3),
        "skip/y.png": content(4),
        f"cat/{world.id(5)}.png": content(6),
    }
    for name, data in files.items():
        world.file(f"sorted/{name}", data)
    assert world.call("import", str(world.folder / "sorted"), "--keep-going") == 0
    assert capsys.readouterr().err == (
        f"sorted:cat/{world.id(5)}.png: its contents are image {world.id(6)[:12]}, its name is of {world.id(5)[:12]}\n"
    )
    assert sorted(world.said()) == [(0, "cat"), (1, "dog"), (2, "owl"), (3, "none"), (4, "skip")]


def test_a_zip_of_class_folders_says_the_same(world):
    with zipfile.ZipFile(world.folder / "cvat.zip", "w") as archive:
        archive.writestr("cat/a.png", content(0))
        archive.writestr("no_label/b.png", content(1))
    assert world.call("import", str(world.folder / "cvat.zip")) == 0
    assert world.said() == [(0, "cat")]


def test_a_file_of_the_object_store_is_read(world, tmp_path, s3_bucket):
    data = Path(world.csv("a.csv", [(0, "cat")])).read_bytes()
    open_store(f"{s3_bucket}/x").write("a.csv", data)
    assert world.call("import", f"{s3_bucket}/x/a.csv") == 0
    assert world.said() == [(0, "cat")]


def test_nothing_is_known_before_an_ingest(tmp_path, capsys):
    world = World(tmp_path)
    world.store.delete(f"datasets/{NAME}/latest.json")
    assert world.call("import", world.csv("a.csv", [(0, "cat")])) == 2
    assert capsys.readouterr().err.endswith(
        "latest.json: does not exist, so no image is known; expected a run of `ingest` before its images are "
        "labelled: gleaner run CONFIG\n"
    )


def test_the_newest_version_of_the_dataset_counts(world):
    grown = replace(World(world.folder / "other", images=20).data, id="")
    grown = replace(grown, id=id_of(grown))
    publish(world.store, world.folder / "grown", grown)
    assert world.call("import", world.csv("a.csv", [(19, "cat")])) == 0


def test_a_dry_run_writes_nothing_and_json_has_the_sums(world, capsys):
    file = world.csv("a.csv", [(0, "cat"), (1, "")])
    assert world.call("import", file, "--dry-run") == 0
    assert capsys.readouterr().out.endswith("nothing was written: --dry-run\n")
    assert world.said() == []
    assert world.call("import", file, "-o", "json") == 0
    told = json.loads(capsys.readouterr().out)
    sums = {"entries": 2, "accepted": 1, "known": 0, "unanswered": 1, "refused": 0, "written": True}
    assert sums.items() <= told.items()
