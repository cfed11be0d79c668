"""Exports of Label Studio. Those in exports/ were downloaded from a server of Label Studio 1.23.2.

Its project had a control `choice` and six tasks, imported as sample writes them. One person answered A, two agree on B
and differ on C, D was skipped, E not opened, F submitted without a choice.
"""

import json
from pathlib import Path
from typing import Any

import pytest

from components.common.errors import BadInputError
from components.common.labels.answers import Said, Settled, person, settled
from components.common.labels.studio import json_answers, row_answers
from components.common.labels.tables import read_table

EXPORTS = Path(__file__).parent / "exports"
META = {"annotator": 1, "annotation_id": 9, "created_at": "…", "updated_at": "…", "lead_time": 7.1}
OPEN = {**META, "annotator": None, "annotation_id": None}


def answers(tasks: Any) -> list[Said]:
    return list(json_answers(tasks if isinstance(tasks, str) else json.dumps(tasks), "e.json"))


def full(*choices: str, **more: Any) -> dict[str, Any]:
    result = [{"from_name": "choice", "value": {"choices": list(choices)}}] if choices else []
    return {"id": 7, "data": {"image_id": "A"}, "annotations": [{"result": result, "completed_by": 1, **more}]}


def flat(**more: Any) -> dict[str, Any]:
    return {"id": 7, "image_id": "A", "image": "data:", "rank": 1, **META, **more}


def of_rows(name: str) -> list[Said]:
    with (EXPORTS / name).open("rb") as file:
        return list(row_answers(read_table(file, name, ("id", "annotation_id")).rows, name))


def held(said: list[Said]) -> dict[str, Any]:
    result: Settled = settled(said)
    return {
        "answers": {image[0]: answer.label for image, answer in result.answers.items()},
        "conflicts": {
            image[0]: sorted((one.label, one.annotator) for one in told) for image, told in result.conflicts.items()
        },
    }


@pytest.mark.parametrize("name", ["json.json", "json-min.json", "csv.csv", "tsv.tsv"])
def test_every_export_of_one_project_says_the_same(name: str) -> None:
    said = answers((EXPORTS / name).read_text()) if name.endswith(".json") else of_rows(name)
    assert {(one.image, one.label, one.annotator) for one in said} == {
        ("A" * 8, "3", "1"),
        ("B" * 8, "7", "1"),
        ("B" * 8, "7", "4"),
        ("C" * 8, "3", "1"),
        ("C" * 8, "7", "4"),
    }
    assert held(said) == {"answers": {"A": "3", "B": "7"}, "conflicts": {"C": [("3", "1"), ("7", "4")]}}


def test_the_place_of_an_answer_is_its_entry() -> None:
    assert [one.where for one in answers((EXPORTS / "json-min.json").read_text())][:2] == [
        "e.json: task 1",
        "e.json: task 2",
    ]
    assert of_rows("csv.csv")[0].where == "csv.csv:2"


@pytest.mark.parametrize(
    ("tasks", "label"),
    [
        ([full("cat")], "cat"),
        ([full(" cafe\u0301 ")], "café"),
        ([{**full("cat"), "data": {"id": "A"}}], "cat"),  # of tasks that were made before image_id
        ([{"data": {"image_id": "A", "id": 7}, "completions": full("cat")["annotations"]}], "cat"),
        ([flat(choice="cat")], "cat"),
        ([flat(animal={"choices": ["cat"]})], "cat"),
        ([flat(animal=["cat", "cat"])], "cat"),  # in two regions
        ([flat(choice="cat", box=[{"x": 1, "rectanglelabels": ["ear"]}])], "cat"),
        ([flat(choice="cat", quality="good")], "cat"),
        ([flat(animal="cat", farm="North"), {"id": 8, "image_id": "B", "farm": "South", **OPEN}], "cat"),
        ([{"id": "A", "label": "cat"}], "cat"),
        ([{"id": "A", "label": 3}], "3"),
    ],
)
def test_answers_are_found(tasks: list[dict[str, Any]], label: str) -> None:
    assert [(one.image, one.label) for one in answers(tasks)] == [("A", label)]


@pytest.mark.parametrize(
    "tasks",
    [
        [],
        [full()],
        [full("cat", was_cancelled=True)],
        [full("cat", skipped=True)],
        [{"id": 7, "data": {"image_id": "A"}, "annotations": []}],
        [{"id": 7, "image_id": "A", "farm": "North", **OPEN}],
        [flat()],
        [flat(choice="")],
        [{"id": "A", "label": ""}, {"id": "B", "label": None}],
    ],
)
def test_nobody_has_answered_yet(tasks: list[dict[str, Any]]) -> None:
    assert answers(tasks) == []


BOX = [{"from_name": "box", "value": {"x": 1, "rectanglelabels": ["ear"]}}]


@pytest.mark.parametrize(
    ("tasks", "keys"),
    [
        ([{"a": 1, "b": 2}], "a, b"),
        ([{"data": {"image_id": "A", "rank": 1}}], "data, data.image_id, data.rank"),  # our own file, not exported
        ([{**full(), "annotations": [{"result": BOX}]}], "id, data, annotations, data.image_id"),
        ([flat(box=[{"rectanglelabels": ["ear"]}])], "id, image_id, image, rank, annotator, .*, lead_time, box"),
    ],
)
def test_entries_without_an_answer_that_is_understood_are_told_with_their_keys(tasks: Any, keys: str) -> None:
    with pytest.raises(
        BadInputError, match=rf"^e\.json: no answer is understood; the first entry has {keys}; expected "
    ):
        answers(tasks)


@pytest.mark.parametrize(
    ("tasks", "said"),
    [
        ('[{"id": 1},\n', r"e\.json:2: not JSON \(.*\); expected Label Studio's JSON or JSON-MIN export$"),
        ("[" * 200_000, r"e\.json: JSON that cannot be read \(RecursionError\); expected Label Studio's"),
        ("[" + "1" * 5000 + "]", r"e\.json: JSON that cannot be read \(ValueError\)"),
        ("7", r"e\.json: not a list of tasks; expected Label Studio's"),
        ('{"a": 1}', r"e\.json: not a list of tasks"),
        ([1], r"e\.json: not a list of tasks"),
        ([{"annotations": 3}], r"e\.json: task 1: not as Label Studio exports it \(TypeError"),
        ([{"data": 3}], r"e\.json: task 1: not as Label Studio exports it \(TypeError"),
        ([full(), {"annotations": [{}]}], r"e\.json: task 2: not as Label Studio exports it \(KeyError: 'result'\); "),
        (
            [{"annotations": full("cat")["annotations"]}],
            r"e\.json: task 1: not as .*KeyError.* expected data\.image_id",
        ),
        ([full("cat", "dog")], r"e\.json: task 1: several classes \['cat', 'dog'\] for one image; expected one$"),
        ([flat(choice={"choices": ["cat", "dog"]})], r"e\.json: task 1: several classes \['cat', 'dog'\] for one"),
        ([flat(a="cat", b="dog")], r"e\.json: several fields may be the answer: a, b; expected one of them to be call"),
        ([full("\ud800")], r"e\.json: task 1: class '\\ud800' is no text"),
        (
            [{"id": 7, "image": "x.png", "choice": "cat", **META}],
            r"e\.json: task 1: no field image_id \('id' is Label Studio's number of the task here\); the entry has "
            r"id, image, choice, annotator, .*; export as JSON instead",
        ),
    ],
)
def test_each_mistake_is_one_line_with_its_place(tasks: Any, said: str) -> None:
    with pytest.raises(BadInputError, match=f"^{said}") as error:
        answers(tasks)
    assert "\n" not in str(error.value)


@pytest.mark.parametrize(
    ("value", "name"),
    [("Ada", "Ada"), (7, "7"), ({"id": 7, "email": "a@b.org"}, "a@b.org"), ({"id": 7}, "7")],
)
def test_annotators_have_a_name(value: Any, name: str) -> None:
    assert person(value) == name


@pytest.mark.parametrize("value", [None, "", " ", {}, [], "\ud800"])
def test_who_has_no_name_is_a_person(value: Any) -> None:
    assert person(value) == "person"
