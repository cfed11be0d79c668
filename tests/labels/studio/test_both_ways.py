"""Push and pull, against a real Label Studio and against its recorded answers: nothing twice, nothing lost."""

import re

import pytest

from components.common.files import json_text
from components.labels.rules import standing
from components.labels.store import CLASS, NONE, SKIP
from components.labels.studio.project import labelling_config
from tests.labels.studio import world
from tests.labels.studio.conftest import ANN, BOB

NUMBER = re.compile(r"project (\d+)")


def project_of(said: str) -> int:
    found = NUMBER.search(said)
    assert found, said
    return int(found[1])


def test_push_makes_a_project_and_sends_each_image_once(gleaner, studio, digits):
    said = gleaner("push", "--project", "round by round", "--annotators", "2")
    number = project_of(said)
    assert said == (
        f"round 1: 6 images sent to the new project {number} ('round by round'), 0 were there, 0 are answered already\n"
        f"label at URL/projects/{number}/data, then: gleaner labels pull\n"
    )
    about = studio.ask("GET", f"/api/projects/{number}/")
    assert about["parsed_label_config"]["choice"]["labels"] == [*digits.dataset.classes, "None of these"]
    assert about["maximum_annotations"] == 2
    listed = studio.ask("GET", f"/api/tasks/?project={number}&include=data&page_size=50")["tasks"]
    assert [task["data"]["image_id"] for task in listed] == digits.asked
    assert {(task["data"]["round"], task["data"]["dataset"]) for task in listed} == {(1, "digits")}
    assert all(task["data"]["image"].startswith("data:image/png;base64,") for task in listed)

    again = gleaner("push", "--project", "round by round")
    assert again.startswith(f"round 1: 0 images sent to the project {number} ('round by round'), 6 were there, 0 are")
    world.publish(digits, 2)
    said = gleaner("push", "--project", str(number))
    assert said.startswith(f"round 2: 6 images sent to the project {number} ('round by round'), 0 were there, 0 are")
    assert len(studio.tasks(number)) == 12


def test_a_push_that_broke_off_goes_on(gleaner, studio, digits):
    number = project_of(gleaner("push", "--project", "broken off"))
    gone = studio.tasks(number)
    assert studio.ask("POST", f"/api/dm/actions?project={number}&id=delete_tasks", _some(gone, digits.asked[2:]))
    assert [*studio.tasks(number)] == digits.asked[:2]
    assert gleaner("push", "--project", "broken off").startswith("round 1: 4 images sent to the project")
    assert sorted(studio.tasks(number)) == sorted(digits.asked)


def _some(tasks: dict[str, int], images: list[str]) -> dict[str, object]:
    return {"selectedItems": {"all": False, "included": [tasks[image] for image in images]}}


def test_pull_brings_every_answer_with_who_and_when_once(gleaner, studio, digits):
    number = project_of(gleaner("push", "--project", "every answer"))
    tasks = studio.tasks(number)
    first, second, third, fourth, *_ = digits.asked
    studio.annotate(tasks[first], "3")
    eights = studio.annotate(tasks[first], "8", BOB)
    studio.annotate(tasks[second], None)
    changed = studio.annotate(tasks[third], "None of these", BOB)
    twice = {"choices": ["1", "7"]}
    wrong = [{"from_name": "choice", "to_name": "image", "type": "choices", "value": twice}]
    studio.ask("POST", f"/api/tasks/{tasks[fourth]}/annotations/", {"result": wrong})

    said = gleaner("pull", "--project", "every answer")
    assert said.startswith(
        f"HOST/projects/{number}: 5 entries = 4 accepted + 0 known already + 0 not answered + 1 refused\n"
    )
    got = digits.labels.read().answers
    assert {(one.id, one.kind, one.label, one.annotator, one.round) for one in got} == {
        (first, CLASS, "3", ANN, 1),
        (first, CLASS, "8", BOB, 1),
        (second, SKIP, None, ANN, 1),
        (third, NONE, None, BOB, 1),
    }
    assert all(re.fullmatch(rf"127\.0\.0\.1:\d+/projects/{number}: task \d+, annotation \d+", one.task) for one in got)
    there = studio.ask("GET", f"/api/annotations/{changed}/")
    (none,) = [one for one in got if one.kind == NONE]
    assert none.time.isoformat().replace("+00:00", "Z") == there["updated_at"]

    again = gleaner("pull", "--project", "every answer")
    assert "5 entries = 0 accepted + 4 known already + 0 not answered + 1 refused" in again
    better = [{"from_name": "choice", "to_name": "image", "type": "choices", "value": {"choices": ["5"]}}]
    studio.ask("PATCH", f"/api/annotations/{changed}/", {"result": better}, BOB)
    said = gleaner("pull", "--project", "every answer")
    assert "5 entries = 1 accepted + 3 known already + 0 not answered + 1 refused" in said
    assert [one.label for one in digits.labels.read().answers if one.id == third] == [None, "5"]

    said = gleaner("push", "--project", "every answer, elsewhere")
    assert " 5 images sent to the new project" in said, "bob's correction holds; the others are open"
    assert said.partition("\n")[0].endswith("0 were there, 1 are answered already")

    studio.ask("DELETE", f"/api/annotations/{eights}/", person=BOB)
    left = f"1 answers of an earlier HOST/projects/{number} are not in it now"
    assert left in gleaner("pull", "--project", "every answer")
    assert gleaner("pull", "--project", "every answer", "--withdraw").endswith("1 answers are withdrawn\n")
    assert left not in gleaner("pull", "--project", "every answer")
    assert {one.annotator for one in standing(digits.labels.read().answers)[first]} == {ANN}


def test_a_personal_access_token_gives_access_and_is_asked_again(gleaner, studio, monkeypatch, tmp_path):
    (tmp_path / "token").write_text(studio.personal + "\n")
    monkeypatch.delenv("LABEL_STUDIO_API_KEY")
    said = gleaner("push", "--project", "by a personal token", "--token-file", str(tmp_path / "token"))
    assert said.startswith("round 1: 6 images sent to the new project")
    assert gleaner("pull", "--project", "by a personal token", "--token-file", str(tmp_path / "token")).startswith(
        f"HOST/projects/{project_of(said)}: 0 entries = 0 accepted"
    )


@pytest.mark.parametrize("command", ["push", "pull"])
def test_a_token_that_is_not_taken_is_one_line(gleaner, monkeypatch, command):
    monkeypatch.setenv("LABEL_STUDIO_API_KEY", "0" * 40)
    assert gleaner(command, code=2) == (
        "error: labels: URL: does not take this token (Invalid token.); expected a token of Label Studio (Account & "
        "Settings there) in LABEL_STUDIO_API_KEY, or in a file that --token-file names\n"
    )


def test_projects_that_do_not_fit_are_one_line(gleaner, studio, digits):
    assert gleaner("pull", "--project", "987654", code=2).startswith(
        "error: labels: --project 987654: no such project on URL; expected the number in the project's address, or its "
        "title; there are "
    )
    gleaner("push", "--project", "a project")
    assert gleaner("pull", "--project", "A projekt", code=2) == (
        "error: labels: --project 'A projekt': no such project on URL; did you mean 'a project'?\n"
    )
    assert "refused with 400 ({'title': ['Ensure this field has at least 3 characters.']})" in gleaner(
        "push", "--project", "ab", code=2
    )
    config = '<View><Text name="text" value="$text"/><TextArea name="said" toName="text"/></View>'
    free = studio.ask("POST", "/api/projects/", {"title": "free text", "label_config": config})["id"]
    assert gleaner("push", "--project", "free text", code=2) == (
        f"error: labels: project {free} ('free text'): its labelling interface has 0 controls of type Choices (none); "
        "expected one, or one that is called choice or label or class; or let push make a project\n"
    )
    config = labelling_config(["a"])
    for _ in range(2):
        body = {"title": "twins", "label_config": config}
        twin = studio.ask("POST", "/api/projects/", body)["id"]
    assert gleaner("push", "--project", "twins", code=2) == (
        f"error: labels: --project 'twins': 2 projects have this title; give a number: {twin - 1}, {twin}\n"
    )
    studio.ask("POST", f"/api/projects/{twin}/import", [{"data": {"image": "x.png"}}])
    assert gleaner("push", "--project", str(twin), code=2) == (
        f"error: labels: project {twin} ('twins') has 1 tasks, none with an image_id; expected a project that push "
        "made, or one without tasks\n"
    )
    other = {"image": "x.png", "image_id": "f" * 64, "dataset": "flowers"}
    studio.ask("POST", f"/api/projects/{twin - 1}/import", [{"data": other}])
    assert gleaner("push", "--project", str(twin - 1), code=2) == (
        f"error: labels: project {twin - 1} ('twins') asks about dataset 'flowers', and these candidates are of "
        "'digits'; give another --project, which is made where no project has the title\n"
    )
    studio.annotate(studio.tasks(twin - 1)["f" * 64], "a")
    assert gleaner("pull", "--project", str(twin - 1), code=2).endswith(
        f"error: labels: pull: project {twin - 1} ('twins'): none of its 1 annotations is an answer about 'digits'; "
        "expected a project that push has filled\n"
    )


def test_a_dataset_without_classes_gets_them_from_the_command(gleaner, studio, digits):
    key = f"{digits.candidates.key}/summary.json"
    digits.store.write(key, json_text({**digits.candidates.about, "classes": []}).encode())
    assert gleaner("push", "--project", "no classes", code=2) == (
        f"error: labels: {digits.candidates.key}: the dataset names no classes, and project 'no classes' is to be made "
        "with them; give each with --class NAME\n"
    )
    said = gleaner("push", "--project", "no classes", "--class", 'cat & "co"', "--class", "<dog>")
    about = studio.ask("GET", f"/api/projects/{project_of(said)}/")
    assert about["parsed_label_config"]["choice"]["labels"] == ['cat & "co"', "<dog>", "None of these"]


def test_hundreds_of_classes_are_a_list_to_search(studio):
    classes = [f"class {number}" for number in range(300)]
    about = studio.ask("POST", "/api/projects/", {"title": "hundreds", "label_config": labelling_config(classes)})
    assert about["parsed_label_config"]["choice"]["labels"] == [*classes, "None of these"]
    assert 'layout="select"' in about["label_config"]


def test_without_candidates_nothing_is_pushed(gleaner, digits):
    digits.store.delete(f"{digits.candidates.key}/summary.json")
    assert gleaner("push", code=2).endswith("candidates/digits/: nobody is asked yet; run `gleaner run` first\n")


def test_a_class_called_as_no_class_is_offered_once():
    assert labelling_config(["None of these", "cat"]).count("None of these") == 1
