"""Read the annotations of CVAT, in the form "CVAT for images 1.1": the tags of whole images.

    <annotations>
      <meta><task><assignee><username>ann</username></assignee></task></meta>
      <image id="0" name="pets/7.png" width="9" height="9"><tag label="cat" source="manual"></tag></image>
    </annotations>

Read piece by piece. A document type is refused: with one come entities, which can grow to any size or name a file.
"""

from typing import IO
from xml.parsers import expat  # a document type, and with it every entity, is refused below

from components.common.errors import BadInputError
from components.common.labels.answers import OPEN, Line
from components.common.names import class_name

PIECE = 1 << 20  # bytes
EXPECTED = "expected an export of CVAT as `CVAT for images 1.1`"
SHAPES = {"box", "polygon", "polyline", "points", "cuboid", "mask", "ellipse", "skeleton"}
LONGEST = 1000  # characters of a name


def cvat_lines(file: IO[bytes], name: str) -> list[Line]:
    """A line for each image: its tag, or that it has none. An image with other tags too, or with shapes alone, is
    wrong.

    Raises BadInputError, with the line, where it is no such document.
    """
    found = _Images(name)
    try:
        while piece := file.read(PIECE):
            found.parser.Parse(piece, False)
        found.parser.Parse(b"", True)
    except expat.ExpatError as error:
        raise BadInputError(f"{name}:{error.lineno}: not XML ({expat.ErrorString(error.code)}); {EXPECTED}") from None
    return found.lines


class _Images:
    """What the parser has met so far."""

    def __init__(self, name: str) -> None:
        self.name = name
        self.lines: list[Line] = []
        self.path: list[str] = []  # elements around the one at hand
        self.assignee = ""  # of the task; CVAT does not tell who annotated an image
        self.image: str | None = None
        self.tags: list[str] = []
        self.shapes: set[str] = set()
        self.parser = expat.ParserCreate()
        self.parser.buffer_text = True
        self.parser.StartDoctypeDeclHandler = self._doctype
        self.parser.StartElementHandler = self._start
        self.parser.EndElementHandler = self._end
        self.parser.CharacterDataHandler = self._text

    def _refuse(self, why: str) -> BadInputError:
        return BadInputError(f"{self.name}:{self.parser.CurrentLineNumber}: {why}; {EXPECTED}")

    def _doctype(self, *_: object) -> None:
        raise self._refuse("declares a document type, which no export of CVAT does")

    def _start(self, element: str, attributes: dict[str, str]) -> None:
        if not self.path and element != "annotations":
            raise self._refuse(f"begins with <{element[:LONGEST]}>")
        if element == "track":
            raise self._refuse("holds the tracks of a video")
        self.path.append(element)
        if self.path == ["annotations", "image"]:
            self.image = attributes.get("name", "")
            self.tags, self.shapes = [], set()
        elif self.path[:2] == ["annotations", "image"] and len(self.path) == 3:
            if element == "tag":
                self.tags.append(class_name(attributes.get("label", "")))
            elif element in SHAPES:
                self.shapes.add(element)

    def _text(self, text: str) -> None:
        if self.path == ["annotations", "meta", "task", "assignee", "username"]:
            self.assignee = (self.assignee + text)[:LONGEST].strip()

    def _end(self, element: str) -> None:
        self.path.pop()
        if self.path == ["annotations"] and element == "image":
            number = len(self.lines) + 1
            self.lines.append(self._line(f"{self.name}: image {number}"))

    def _line(self, where: str) -> Line:
        labels = sorted(set(self.tags))
        wrong = ""
        if len(labels) > 1:
            wrong = f"several tags {labels} on one image; expected one"
        elif not labels and self.shapes:
            wrong = f"annotated by {', '.join(sorted(self.shapes))} and no tag; expected a tag for the whole image"
        elif labels == [""]:
            wrong = "a tag without a label"
        elif labels and not self.image:
            wrong = "an image without a name"
        kind = "" if labels or wrong else OPEN
        return Line(where, self.image or "", labels[0] if labels else "", kind, self.assignee, wrong=wrong)
