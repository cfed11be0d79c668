"""People's answers: a table or Label Studio's export, each mistake in one line that says where."""

import json
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from PIL import Image

from components.common.artifacts import LABELS, load_dataset
from components.common.data.reader import ShardReader
from components.common.errors import BadInputError
from components.common.labels.studio import TASK_FIELDS
from components.common.storage import FolderStore, open_store
from components.labels.store import Answer as Vote
from components.labels.store import LabelStore
from components.sample.answers import (
    Answer,
    Answers,
    file_answers,
    labels_table,
    purposes_of,
    source_answers,
    store_answers,
)
from components.sample.picks import Pick
from components.sample.publish import label_studio_json
from tests import tiny
from tests.common.labels.test_studio import EXPORTS
from tests.ingest.source.listed import list_all


def ids(world: tiny.World) -> list[str]:
    return world.data.column("id").tolist()


def read(world: tiny.World, folder: Path, text: str) -> Answers:
    """`A`, `B` and `C` in the text stand for the ids of rows 0, 1 and 2."""
    for row, letter in enumerate("ABC"):
        text = text.replace(f"{letter},", f"{ids(world)[row]},")
    (folder / "labels.csv").write_bytes(text.encode())
    return file_answers(load_dataset(world.dataset), str(folder / "labels.csv"))


def table(world: tiny.World, folder: Path, text: str) -> dict[int, Answer]:
    answers = read(world, folder, text)
    assert not answers.conflicts
    return answers.given


def studio(world: tiny.World, folder: Path, tasks: Any) -> dict[int, Answer]:
    (folder / "export.json").write_text(tasks if isinstance(tasks, str) else json.dumps(tasks))
    answers = file_answers(world.data, str(folder / "export.json"))
    assert not answers.conflicts
    return answers.given


def task(image: str, *choices: str, **more: Any) -> dict[str, Any]:
    result = [{"value": {"choices": list(choices)}, "from_name": "label", "type": "choices"}] if choices else []
    return {"data": {"id": image}, "annotations": [{"result": result, **more}]}


def test_a_table_gives_answers_by_row(tiny_world, tmp_path):
    assert table(tiny_world, tmp_path, "id,label\nA,3\nC, 7 \n") == {0: Answer("3", "person"), 2: Answer("7", "person")}
    assert table(tiny_world, tmp_path, "id,label,annotator,rank\nA,3,Ada,9\nB,4,,\n") == {
        0: Answer("3", "Ada"),
        1: Answer("4", "person"),
    }


@pytest.mark.parametrize(
    "text",
    [
        "\ufeffid,label\r\nA,3\r\n",  # saved by a spreadsheet
        "id,label\nA,3\nB,\nC,  \n",  # not all answered yet
        'rank,id,reason,label\n1,A,"typical, they say",3\n2,B,,\n',  # candidates.csv itself, filled in
        "id,label\nA,3\nA,3\n",  # said twice
        "id,label\n\nA,3",
    ],
)
def test_tables_as_people_keep_them(tiny_world, tmp_path, text):
    assert table(tiny_world, tmp_path, text) == {0: Answer("3", "person")}


def test_an_empty_file_of_answers_is_none(tiny_world, tmp_path):
    assert table(tiny_world, tmp_path, "id,label\n") == {}
    assert studio(tiny_world, tmp_path, []) == {}


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("id,label\nA,3\nfeed,3\n", r"labels.csv:3: no image 'feed' in dataset digits; expected ids of candidates.csv"),
        ("id,label\nA,3\nB,catt\n", r"labels.csv:3: class 'catt' is not one of \['0', '1'"),
        ("id,class\nA,3\n", r"labels.csv:1: expected the columns id,label; found id,class; name them "),
        ("id|label\n", r"labels.csv:1: expected the columns id,label; found id\|label; name them "),
        ("", r"labels.csv:1: expected the columns id,label; found nothing; name them "),
        ("label,id\n3\n", r"labels.csv:2: no image ''"),
    ],
)
def test_a_mistake_in_a_table_is_one_line_with_its_place(tiny_world, tmp_path, text, said):
    with pytest.raises(BadInputError, match=said) as error:
        table(tiny_world, tmp_path, text)
    assert "\n" not in str(error.value)


def test_the_nearest_names_are_proposed(tiny_world, tmp_path):
    cats = replace(tiny_world.data, classes=("cat", "dog"))
    (tmp_path / "labels.csv").write_text(f"id,label\n{ids(tiny_world)[0]},catt\n")
    with pytest.raises(BadInputError, match=r"labels.csv:2: class 'catt' is not one of .*; did you mean 'cat'\?"):
        file_answers(cats, str(tmp_path / "labels.csv"))
    (tmp_path / "labels.csv").write_text(f"id,label\n{ids(tiny_world)[0][:-1]},cat\n")
    with pytest.raises(BadInputError, match=rf"candidates.csv; did you mean the id {ids(tiny_world)[0]}\?"):
        file_answers(cats, str(tmp_path / "labels.csv"))


def test_a_file_that_is_absent_or_no_text_is_one_line(tiny_world, tmp_path):
    with pytest.raises(
        BadInputError, match=r"none\.csv does not exist; expected a CSV .* or Label Studio's JSON export"
    ):
        file_answers(tiny_world.data, str(tmp_path / "none.csv"))
    (tmp_path / "labels.csv").write_bytes("id,label\nä".encode("latin-1"))
    with pytest.raises(BadInputError, match=r"labels\.csv:2: not UTF-8 at byte 0 of the line; save it as UTF-8"):
        file_answers(tiny_world.data, str(tmp_path / "labels.csv"))


def test_a_relative_name_is_read_from_here(tiny_world, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    Path("answers.csv").write_text(f"id,label\n{ids(tiny_world)[4]},8\n")
    assert file_answers(tiny_world.data, "answers.csv").given == {4: Answer("8", "person")}


def test_an_export_of_label_studio_gives_answers_by_row(tiny_world, tmp_path):
    one, two, three, four = ids(tiny_world)[:4]
    tasks = [
        task(one, "3", completed_by=7),
        task(two, "4", was_cancelled=True),
        task(three),
        {"data": {"id": four}},
        task(four, "9", id=1),
    ]
    assert studio(tiny_world, tmp_path, tasks) == {0: Answer("3", "7"), 3: Answer("9", "person")}


def test_people_who_agree_are_one_answer(tiny_world, tmp_path):
    both = task(ids(tiny_world)[0], "3")
    both["annotations"] += task("", "3")["annotations"]
    assert studio(tiny_world, tmp_path, [both]) == {0: Answer("3", "person")}


def test_people_who_disagree_leave_their_image_open_and_are_listed(tiny_world, tmp_path, capfd):
    text = "id,label,annotator\nA,7,Ada\nB,4,Ada\nA,3,Bob\nA,3,Joe\nA,7,Eve\nB,4,Bob\nC,,Bob\n"
    found = read(tiny_world, tmp_path, text)
    assert (found.given, found.conflicts) == ({1: Answer("4", "Bob")}, {0: ("3", "7")})
    path = tmp_path / "labels.csv"
    assert capfd.readouterr().out == (
        f"{path}: annotators disagree, left open (1): image {ids(tiny_world)[0][:16]!r} is "
        f"'7' ({path}:2, Ada) and '3' ({path}:4, Bob)\n"
    )
    many = "".join(f"{image},3,Ada\n{image},4,Bob\n" for image in ids(tiny_world)[:12])
    assert len(read(tiny_world, tmp_path, f"id,label,annotator\n{many}").conflicts) == 12
    said = capfd.readouterr().out
    assert said.count("(") == 1 + 20
    assert said.endswith("; and 2 more\n")


def test_what_more_people_say_than_anything_else_holds_or_what_was_said_last(tiny_world, tmp_path, capfd):
    text = "id,label,annotator\nA,7,Ada\nA,3,Bob\nA,7,Eve\nA,3,Ada\nB,4,\nB,5,\nB,4,\nC,1,\nC,2,\n"
    found = read(tiny_world, tmp_path, text)  # Ada changed her mind, and the others have no names
    assert (found.given, found.conflicts) == ({0: Answer("3", "Ada"), 1: Answer("4", "person")}, {2: ("1", "2")})
    path = tmp_path / "labels.csv"
    assert f"decided by the rule (2): image {ids(tiny_world)[0][:16]!r} is '3' ({path}:3, Bob) and '7'" in (
        capfd.readouterr().out
    )
    latest = file_answers(tiny_world.data, str(path), "latest")
    assert (latest.given[2], latest.conflicts) == (Answer("2", "person"), {})


def answered(image: str, kind: str, label: str | None, who: str, minute: int, number: int = 1) -> Vote:
    return Vote(image, kind, label, who, datetime(2026, 3, 1, 12, minute, 0, 7, tzinfo=UTC), "the page", number)


def test_the_store_answers_by_its_rule_and_what_was_passed_over_is_known(tiny_world, tmp_path, capfd):
    labels = LabelStore(FolderStore(tmp_path), "digits")
    one, two, three, four, five = ids(tiny_world)[:5]
    labels.append([answered(one, "class", "3", "Ada", 1), answered(two, "class", "4", "Ada", 2)])
    labels.append([answered(two, "class", "5", "Bob", 3, 2)])
    labels.append([answered(three, "skip", None, "Bob", 4, 2)])
    labels.append([answered(four, "none", None, "Ada", 5, 4)])
    labels.append([answered("f" * 64, "class", "4", "Ada", 6, 9)])
    labels.append([answered(five, "class", "4", "Ada", 7), answered(five, "withdrawn", None, "Ada", 8)])
    labels.rename("3", "three", "Ada", datetime(2026, 3, 2, tzinfo=UTC))
    version = labels.version()
    labels.append([answered(five, "class", "9", "Eve", 9)])
    found = store_answers(tiny_world.data, labels, version, "majority")
    assert found.given == {0: Answer("three", "Ada", datetime(2026, 3, 1, 12, 1, tzinfo=UTC))}
    assert found.conflicts == {1: ("4", "5")}
    assert found.passed == {2: "passed over", 3: "none of the classes"}
    assert found.round == 4, "of an image that is here"
    assert found.classes == ["0", "1", "2", "4", "5", "6", "7", "8", "9", "three"]
    assert "labels/digits: 1 labelled images are not in this version of the dataset" in capfd.readouterr().out
    assert store_answers(tiny_world.data, labels, "", "latest").given.keys() == {0, 1, 4}


def exported(world: tiny.World, name: str, target: Path) -> Path:
    """An export of Label Studio, with ids of this world."""
    text = (EXPORTS / name).read_text()
    for row, letter in enumerate("ABCDEF"):
        text = text.replace(letter * 8, ids(world)[row])
    target.write_text(text)
    return target


@pytest.mark.parametrize("name", ["json.json", "json-min.json", "csv.csv", "tsv.tsv"])
def test_every_export_of_label_studio_is_read(tiny_world, tmp_path, name):
    answers = file_answers(tiny_world.data, str(exported(tiny_world, name, tmp_path / name)))
    assert {row: answer.label for row, answer in answers.given.items()} == {0: "3", 1: "7"}
    assert answers.conflicts == {2: ("3", "7")}


def test_tasks_that_we_write_come_back_from_label_studio(tiny_world, tmp_path):
    picks = [Pick(5, "train", "random draw")]
    (made,) = json.loads(
        label_studio_json(tiny_world.data, ShardReader(tiny_world.data, open_store(tiny_world.store)), picks)
    )
    assert set(made["data"]) == set(TASK_FIELDS) - {"round", "dataset"}  # which `labels push` adds
    short = {**made["data"], "id": 1, "choice": "3", "annotator": 1, "annotation_id": 2, "lead_time": 1.5}
    assert studio(tiny_world, tmp_path, [short]) == {5: Answer("3", "1")}


def test_a_class_may_be_spelled_in_either_form_of_unicode(tiny_world, tmp_path):
    (tmp_path / "labels.csv").write_text(f"id,label\n{ids(tiny_world)[0]},cafe\u0301\n", encoding="utf-8")
    for name in ("café", "cafe\u0301"):
        answers = file_answers(replace(tiny_world.data, classes=(name,)), str(tmp_path / "labels.csv"))
        assert answers.given == {0: Answer(name, "person")}, "as the source writes it"


def test_one_file_of_a_european_excel_is_read_by_ingest_and_by_sample(tiny_world, tmp_path):
    """Semicolons, Windows line ends, a mark, an umlaut, an empty row and cells that once held something."""
    one, two = ids(tiny_world)[:2]
    (tmp_path / "photos").mkdir()
    for name in ("a.png", "b.png"):
        Image.new("L", (9, 9)).save(tmp_path / "photos" / name)
    text = f'\ufeffID;Path;Label;Bemerkung\r\n{one};a.png;Bär;\r\n;;;\r\n{two};b.png; Reh ;"scheu;\r\nklein";;\r\n'
    (tmp_path / "labels.csv").write_bytes(text.encode())
    listed = list_all(str(tmp_path / "photos"), str(tmp_path / "labels.csv"))
    assert {file.key: file.label for file in listed.images} == {"a.png": "Bär", "b.png": "Reh"}
    answers = file_answers(replace(tiny_world.data, classes=("Bär", "Reh")), str(tmp_path / "labels.csv"))
    assert answers.given == {0: Answer("Bär", "person"), 1: Answer("Reh", "person")}


def test_an_image_of_several_classes_is_refused(tiny_world, tmp_path):
    with pytest.raises(
        BadInputError, match=r"export\.json: task 1: several classes \['3', '4'\] for one image; expected one"
    ):
        studio(tiny_world, tmp_path, [task(ids(tiny_world)[0], "3", "4")])


def test_an_export_with_unknown_image_or_class_names_its_task(tiny_world, tmp_path):
    good = task(ids(tiny_world)[0], "3")
    with pytest.raises(BadInputError, match=r"export\.json: task 2: no image 'feed'"):
        studio(tiny_world, tmp_path, [good, task("feed", "3")])
    with pytest.raises(BadInputError, match=r"export\.json: task 2: class 'x' is not one of"):
        studio(tiny_world, tmp_path, [good, task(ids(tiny_world)[1], "x")])


def test_the_source_answers_only_what_it_is_asked(tiny_world):
    labels = tiny_world.data.column("label")
    assert source_answers(tiny_world.data, [5, 2]) == {5: Answer(labels[5], "source"), 2: Answer(labels[2], "source")}


def test_the_table_holds_the_answers_that_have_a_purpose_in_the_order_of_the_index(tiny_world):
    answers = {row: Answer(str(row), "Ada") for row in (9, 3, 6, 1)}
    purposes = purposes_of([Pick(6, "validation", ""), Pick(3, "train", ""), Pick(8, "test", "")], [9])
    assert purposes == {9: "train", 6: "validation", 3: "train", 8: "test"}
    made = labels_table(tiny_world.data, answers, purposes, "file")
    assert made.schema == LABELS
    assert made.column("id").to_pylist() == [ids(tiny_world)[row] for row in (3, 6, 9)]
    assert made.select(["label", "purpose", "source", "annotator", "time", "weight"]).to_pylist()[1] == {
        "label": "6",
        "purpose": "validation",
        "source": "file",
        "annotator": "Ada",
        "time": None,
        "weight": 1.0,
    }
