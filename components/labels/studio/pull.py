"""Read what people answered in a project of Label Studio: every annotation, skipped ones too, with who and when."""

import json
from collections.abc import Iterator
from contextlib import suppress
from datetime import datetime
from typing import Any

from components.common.labels.answers import SKIP, Line, is_text, moment, person
from components.common.names import class_name
from components.labels.studio.client import LabelStudio
from components.labels.studio.project import ROUND, Project, image_of, other_dataset, tasks

ANNOTATED = {  # by somebody who answered, or skipped
    "conjunction": "or",
    "items": [
        {"filter": f"filter:tasks:{count}", "operator": "greater", "type": "Number", "value": 0}
        for count in ("total_annotations", "cancelled_annotations")
    ],
}


def origin(server: LabelStudio, project: Project) -> str:
    """What the places of a project's answers begin with."""
    return f"{server.url.partition('://')[2]}/projects/{project.number}"


def annotations(server: LabelStudio, project: Project, name: str) -> Iterator[Line]:
    """All annotations there are, page by page. name: of the labels, which the images must belong to."""
    people = {user["id"]: user for user in server.get("/api/users/")}
    seen = set[int]()
    for task in tasks(server, project, fields="all", query=json.dumps({"filters": ANNOTATED})):
        for annotation in task.get("annotations") or ():
            if annotation["id"] not in seen:  # somebody answers while we read, and entries move to other pages
                seen.add(annotation["id"])
                by = annotation.get("completed_by")
                who = person(people.get(by, by) if isinstance(by, int) else by) if by else ""
                yield _line(origin(server, project), project, task, annotation, who, name)


def _line(begin: str, project: Project, task: dict[str, Any], annotation: dict[str, Any], who: str, name: str) -> Line:
    where = f"{begin}: task {task['id']}, annotation {annotation['id']}"
    image = image_of(task)
    is_skipped = bool(annotation.get("was_cancelled"))
    chosen = [] if is_skipped else _chosen(project, annotation)
    wrong = ""
    if not image:
        wrong = "the task has no image_id; expected a task that push has sent, or one of labelstudio.json"
    elif other := other_dataset(task, name):
        wrong = f"the task is of dataset {other!r}, not of {name!r}"
    elif not is_skipped and len(chosen) != 1:
        wrong = f"several classes {chosen} for one image; expected one" if chosen else "submitted without a class"
    elif chosen and not is_text(chosen[0]):
        wrong = f"class {chosen[0]!r} is no text; expected the name of a class"
    asked = task["data"].get(ROUND)
    return Line(
        where,
        image,
        class_name(chosen[0]) if chosen else "",
        SKIP if is_skipped else "",
        who,
        _time(annotation),
        asked if isinstance(asked, int) and asked > 0 else 0,
        wrong=wrong,
    )


def _chosen(project: Project, annotation: dict[str, Any]) -> list[str]:
    """The choices of the control that holds the class."""
    chosen = {
        str(choice)
        for result in annotation.get("result") or ()
        if result.get("from_name") == project.control
        for choice in (result.get("value") or {}).get("choices") or ()
    }
    return sorted(chosen)


def _time(annotation: dict[str, Any]) -> datetime | None:
    """Of the last change."""
    with suppress(ValueError, TypeError, OverflowError):
        return moment(annotation.get("updated_at") or annotation["created_at"])
    return None
