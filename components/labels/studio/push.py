"""Send what people are asked to a project of Label Studio: each image once, whatever was sent before."""

import json
from collections.abc import Iterable, Iterator, Sequence
from typing import Any, NamedTuple

from components.common.errors import BadInputError, FailedError
from components.common.storage import IntegrityError
from components.labels.candidates import Candidates
from components.labels.rules import resolve
from components.labels.store import LabelStore
from components.labels.studio.client import PAGE, LabelStudio
from components.labels.studio.project import (
    DATASET,
    ROUND,
    Project,
    find_project,
    image_of,
    make_project,
    other_dataset,
    tasks,
)

TASKS = "labelstudio.json"
PIECE = 8 << 20  # bytes of pictures that one request holds; Label Studio takes 250 MB


class Pushed(NamedTuple):
    """Images by what became of them; together all that are asked for."""

    project: Project
    made: bool  # the project is new
    sent: int
    there: int  # in the project already


def push(
    server: LabelStudio,
    which: str,
    candidates: Candidates,
    asked: Sequence[dict[str, Any]],
    classes: Sequence[str],
    annotators: int = 1,
) -> Pushed:
    """Send tasks of candidates to the project of this number or title, which is made where no project has the title.

    What was sent before, by a push that broke off too, is not sent again. asked: from `unanswered`; classes: what can
    be answered in a new project; annotators: how many people see each image there.
    """
    project = find_project(server, which)
    made = project is None
    if project is None:
        if not classes:
            raise BadInputError(
                f"{candidates.key}: the dataset names no classes, and project {which!r} is to be made with them; give "
                "each with --class NAME"
            )
        project = make_project(server, which, classes, annotators)
    there = set() if made else _there(server, project, candidates.about["dataset"]["name"])
    missing = [task for task in asked if image_of(task) not in there]
    for piece in _pieces(missing):
        answer = server.post(f"/api/projects/{project.number}/import", piece)
        taken = answer.get("task_count", len(piece))
        if taken != len(piece):
            raise FailedError(f"{server.url}: {project.told} took {taken} of {len(piece)} tasks; run it again")
    return Pushed(project, made, len(missing), len(asked) - len(missing))


def unanswered(labels: LabelStore, candidates: Candidates, rule: str) -> tuple[list[dict[str, Any]], int]:
    """The tasks of images without an answer, as labelstudio.json has them, each with its round; and how many images are
    answered.
    """
    key = f"{candidates.key}/{TASKS}"
    try:
        read = json.loads(candidates.store.read(key))
    except (KeyError, ValueError):
        raise IntegrityError(
            f"{candidates.store.uri}/{key}: no list of tasks; remove {candidates.key}/ and run again"
        ) from None
    picks = candidates.picks()
    known = {
        image
        for image, label in zip(picks.column("id").to_pylist(), picks.column("label").to_pylist(), strict=True)
        if label is not None
    }
    now = resolve(labels.read(), rule)
    known |= now.held.keys() | now.none.keys()
    asked = [task for task in read if image_of(task) not in known]
    for task in asked:
        task["data"] |= {ROUND: candidates.round, DATASET: candidates.about["dataset"]["name"]}
    return asked, len(read) - len(asked)


def _there(server: LabelStudio, project: Project, name: str) -> set[str]:
    """The images that a project shows. Raises BadInputError where they are of another dataset, or none of ours."""
    images, strange = set(), 0
    for task in tasks(server, project, include="id,data"):
        if other := other_dataset(task, name):
            raise BadInputError(
                f"{project.told} asks about dataset {other!r}, and these candidates are of {name!r}; give another "
                "--project, which is made where no project has the title"
            )
        strange += not image_of(task)
        images.add(image_of(task))
    if strange and images == {""}:
        raise BadInputError(
            f"{project.told} has {strange:,} tasks, none with an image_id; expected a project that push made, or one "
            "without tasks"
        )
    return images


def _pieces(missing: Iterable[dict[str, Any]]) -> Iterator[list[dict[str, Any]]]:
    """The tasks in their order, in requests of bounded size."""
    piece: list[dict[str, Any]] = []
    size = 0
    for task in missing:
        length = len(task["data"]["image"])
        if piece and (size + length > PIECE or len(piece) == PAGE):
            yield piece
            piece, size = [], 0
        piece.append(task)
        size += length
    if piece:
        yield piece
