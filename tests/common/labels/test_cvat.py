"""Exports of CVAT as `CVAT for images 1.1`: tags of whole images."""

import io

import pytest

from components.common.errors import BadInputError
from components.common.labels.answers import OPEN, Line
from components.common.labels.cvat import cvat_lines

# As a server of CVAT 2 writes it, shortened.
EXPORT = """<?xml version="1.0" encoding="utf-8"?>
<annotations>
  <version>1.1</version>
  <meta>
    <task>
      <id>7</id>
      <name>pets</name>
      <labels><label><name>cat</name><color>#fafa37</color><type>tag</type><attributes></attributes></label></labels>
      <owner><username>admin</username><email></email></owner>
      <assignee><username>ann</username><email>a@b.org</email></assignee>
    </task>
    <dumped>2026-03-01 12:00:00.000000+00:00</dumped>
  </meta>
  <image id="0" name="in/0.png" width="9" height="9">
    <tag label="cat" source="manual"><attribute name="sure">yes</attribute></tag>
    <box label="ear" source="manual" occluded="0" xtl="1" ytl="1" xbr="2" ybr="2" z_order="0"></box>
  </image>
  <image id="1" name="in/1.png" width="9" height="9"></image>
  <image id="2" name="in/2.png" width="9" height="9">
    <box label="ear" source="manual" occluded="0" xtl="1" ytl="1" xbr="2" ybr="2" z_order="0"></box>
  </image>
  <image id="3" name="in/3.png" width="9" height="9"><tag label="cat"/><tag label="dog"/></image>
</annotations>
"""


SEVERAL = "several tags ['cat', 'dog'] on one image; expected one"


def lines(text: str) -> list[Line]:
    return cvat_lines(io.BytesIO(text.encode()), "a.xml")


def test_a_tag_is_the_answer_of_the_one_whose_task_it_is() -> None:
    assert lines(EXPORT) == [
        Line("a.xml: image 1", "in/0.png", "cat", "", "ann"),
        Line("a.xml: image 2", "in/1.png", "", OPEN, "ann"),
        Line(
            "a.xml: image 3",
            "in/2.png",
            "",
            "",
            "ann",
            wrong="annotated by box and no tag; expected a tag for the whole image",
        ),
        Line("a.xml: image 4", "in/3.png", "cat", "", "ann", wrong=SEVERAL),
    ]


BOMB = "<!DOCTYPE annotations [<!ENTITY a 'aaaaaaaaaa'><!ENTITY b '&a;&a;&a;&a;&a;&a;&a;&a;'>]>"
OUTSIDE = '<!DOCTYPE annotations [<!ENTITY a SYSTEM "file:///etc/passwd">]>'


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("", r"a\.xml:1: not XML \(no element found\); expected an export of CVAT as `CVAT for images 1\.1`"),
        ("<annotations><image>", r"a\.xml:1: not XML \(no element found\)"),
        ("<annotations>\n<image></annotations>", r"a\.xml:2: not XML \(mismatched tag\)"),
        ("<annotations>&b;</annotations>", r"a\.xml:1: not XML \(undefined entity\)"),
        (f"{BOMB}<annotations>&b;</annotations>", r"a\.xml:1: declares a document type, which no export of CVAT does"),
        (f"\n{OUTSIDE}<annotations>&a;</annotations>", r"a\.xml:2: declares a document type"),
        ("<annotation><object/></annotation>", r"a\.xml:1: begins with <annotation>; expected"),  # Pascal VOC
        ("<annotations><track id='0' label='cat'/></annotations>", r"a\.xml:1: holds the tracks of a video; expected"),
    ],
)
def test_what_is_no_such_export_is_one_line(text: str, said: str) -> None:
    with pytest.raises(BadInputError, match=f"^{said}"):
        lines(text)
