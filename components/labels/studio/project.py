"""A project of Label Studio for the candidates of one name: how it is found, made and looked through."""

import difflib
from collections.abc import Iterator, Sequence
from typing import Any, NamedTuple
from xml.sax.saxutils import quoteattr

from components.common.errors import BadInputError
from components.common.labels.studio import CONTROLS, IMAGE_ID
from components.common.names import class_name
from components.labels.studio.client import AbsentError, LabelStudio

NONE_OF_THESE = "None of these"  # the choice where an image is of no class
DATASET, ROUND = "dataset", "round"  # of a task's data: the name that its image belongs to, and when it was asked
MANY = 30  # classes: more are chosen from a list that one can search


class Project(NamedTuple):
    number: int
    title: str
    control: str  # name of the Choices that hold the class
    choices: tuple[str, ...]  # what can be answered

    @property
    def told(self) -> str:
        return f"project {self.number} ({self.title!r})"


def find_project(server: LabelStudio, which: str) -> Project | None:
    """The project of this number or title; None where no project has the title.

    Raises BadInputError where there is no such number, several have the title, or its annotators give no classes.
    """
    if which.isdecimal():
        try:
            return _project(server.get(f"/api/projects/{which}/"))
        except AbsentError:
            raise BadInputError(
                f"--project {which}: no such project on {server.url}; expected the number in the project's address, or "
                f"its title{_titles(server)}"
            ) from None
    found = [one for one in server.pages("/api/projects/", "results", title=which) if one["title"] == which]
    if len(found) > 1:
        numbers = ", ".join(str(one["id"]) for one in sorted(found, key=lambda one: one["id"]))
        raise BadInputError(f"--project {which!r}: {len(found)} projects have this title; give a number: {numbers}")
    return _project(found[0]) if found else None


def existing_project(server: LabelStudio, which: str) -> Project:
    """The project of this number or title. Raises BadInputError where there is none."""
    found = find_project(server, which)
    if found is None:
        near = difflib.get_close_matches(which, [one["title"] for one in server.pages("/api/projects/", "results")], 1)
        meant = f"; did you mean {near[0]!r}?" if near else _titles(server)
        raise BadInputError(f"--project {which!r}: no such project on {server.url}{meant}")
    return found


def make_project(server: LabelStudio, title: str, classes: Sequence[str], annotators: int) -> Project:
    """A new project that asks so many people for one of the classes, or none of them."""
    wanted = {"title": title, "label_config": labelling_config(classes), "maximum_annotations": annotators}
    return _project(server.post("/api/projects/", wanted))


def labelling_config(classes: Sequence[str]) -> str:
    """Label Studio's XML for tasks as labelstudio.json holds them: the picture, and one choice of the classes."""
    values = [*classes, *([] if NONE_OF_THESE in classes else [NONE_OF_THESE])]
    choices = "".join(f"\n    <Choice value={quoteattr(value)}/>" for value in values)
    layout = 'layout="select"' if len(values) > MANY else 'showInline="true"'
    return f"""<View>
  <Image name="image" value="$image" zoom="true"/>
  <Choices name="{CONTROLS[0]}" toName="image" choice="single" {layout}>{choices}
  </Choices>
</View>
"""


def tasks(server: LabelStudio, project: Project, **query: Any) -> Iterator[dict[str, Any]]:
    """The tasks of a project, by their numbers."""
    return server.pages("/api/tasks/", "tasks", project=project.number, resolve_uri="false", **query)


def image_of(task: dict[str, Any]) -> str:
    """The id of the image that a task shows; empty where it is no task of ours."""
    data = task.get("data") or {}
    found = data.get(IMAGE_ID) or data.get("id")
    return found if isinstance(found, str) else ""


def other_dataset(task: dict[str, Any], name: str) -> str:
    """The name of the dataset that a task says it belongs to, where that is another one."""
    told = (task.get("data") or {}).get(DATASET, name)
    return "" if told == name else str(told)


def _project(about: dict[str, Any]) -> Project:
    number, title = about["id"], about["title"]
    controls = {
        name: tuple(class_name(label) for label in control.get("labels") or ())
        for name, control in (about.get("parsed_label_config") or {}).items()
        if control.get("type") == "Choices"
    }
    named = [name for name in CONTROLS if name in controls]
    if len(controls) != 1 and len(named) != 1:
        found = ", ".join(sorted(controls)) or "none"
        raise BadInputError(
            f"project {number} ({title!r}): its labelling interface has {len(controls)} controls of type Choices "
            f"({found}); expected one, or one that is called {' or '.join(CONTROLS)}; or let push make a project"
        )
    control = named[0] if named else next(iter(controls))
    return Project(number, title, control, controls[control])


def _titles(server: LabelStudio) -> str:
    """The projects there are, as the end of an error."""
    there = [f"{one['title']!r} ({one['id']})" for one in server.pages("/api/projects/", "results")]
    return f"; there are {', '.join(there[:10])}" if there else "; there is none yet, push makes one"
