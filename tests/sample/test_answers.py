"""People's answers: a CSV or Label Studio's export, each mistake in one line that says where."""

import json
from pathlib import Path
from typing import Any

import pytest

from components.common.artifacts import LABELS, load_dataset
from components.common.errors import BadInputError
from components.sample.answers import Answer, file_answers, labels_table, purposes_of, source_answers
from components.sample.picks import Pick
from tests import tiny


def ids(world: tiny.World) -> list[str]:
    return world.data.column("id").tolist()


def table(world: tiny.World, folder: Path, text: str) -> dict[int, Answer]:
    """`A`, `B` and `C` in the text stand for the ids of rows 0, 1 and 2."""
    for row, letter in enumerate("ABC"):
        text = text.replace(f"{letter},", f"{ids(world)[row]},")
    (folder / "labels.csv").write_bytes(text.encode())
    return file_answers(load_dataset(world.dataset), str(folder / "labels.csv"))


def studio(world: tiny.World, folder: Path, tasks: Any) -> dict[int, Answer]:
    (folder / "export.json").write_text(tasks if isinstance(tasks, str) else json.dumps(tasks))
    return file_answers(world.data, str(folder / "export.json"))


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
        (
            "id,label\nA,3\nB,4\nA,5\n",
            r"labels.csv:4: image '[0-9a-f]{16}' is '5' here and '3' before; keep one answer",
        ),
        ("id,class\nA,3\n", r"labels.csv:1: lacks the columns \['label'\]; expected id,label"),
        ("id;label\n", r"labels.csv:1: lacks the columns \['id', 'label'\]"),
        ("", r"labels.csv:1: lacks the columns"),
        ("label,id\n3\n", r"labels.csv:2: no image ''"),
    ],
)
def test_a_mistake_in_a_table_is_one_line_with_its_place(tiny_world, tmp_path, text, said):
    with pytest.raises(BadInputError, match=said) as error:
        table(tiny_world, tmp_path, text)
    assert "\n" not in str(error.value)


def test_a_file_that_is_absent_or_no_text_is_one_line(tiny_world, tmp_path):
    with pytest.raises(
        BadInputError, match=r"none\.csv does not exist; expected a CSV .* or Label Studio's JSON export"
    ):
        file_answers(tiny_world.data, str(tmp_path / "none.csv"))
    (tmp_path / "labels.csv").write_bytes("id,label\nä".encode("latin-1"))
    with pytest.raises(BadInputError, match=r"labels\.csv: not UTF-8 at byte 9; save it as UTF-8"):
        file_answers(tiny_world.data, str(tmp_path / "labels.csv"))


def test_a_relative_name_is_read_from_here(tiny_world, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    Path("answers.csv").write_text(f"id,label\n{ids(tiny_world)[4]},8\n")
    assert file_answers(tiny_world.data, "answers.csv") == {4: Answer("8", "person")}


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


def test_people_who_agree_are_one_answer_and_who_differ_are_named(tiny_world, tmp_path):
    both = task(ids(tiny_world)[0], "3")
    both["annotations"] += task("", "3")["annotations"]
    assert studio(tiny_world, tmp_path, [both]) == {0: Answer("3", "person")}
    both["annotations"] += task("", "5")["annotations"]
    with pytest.raises(BadInputError, match=r"export\.json: task 1: image .* is '5' here and '3' before"):
        studio(tiny_world, tmp_path, [both])


@pytest.mark.parametrize(
    "tasks",
    [
        "{",
        "7",
        '{"a": 1}',
        "[1]",
        '[{"annotations": 3}]',
        '[{"annotations": [{}]}]',
        '[{"annotations": [{"result": [{"value": null}]}]}]',
        '[{"annotations": [{"result": [{"value": {"choices": ["3"]}}]}]}]',
    ],
)
def test_json_that_is_no_export_is_one_line(tiny_world, tmp_path, tasks):
    with pytest.raises(BadInputError, match=r"export\.json: not an export of Label Studio") as error:
        studio(tiny_world, tmp_path, tasks)
    assert "\n" not in str(error.value)


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
