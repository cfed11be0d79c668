"""The JSON of a lineage is PROV-JSON, as its submission to the W3C describes it, and says what the text says.

https://www.w3.org/submissions/prov-json/: a document holds prefixes, elements by name and relations by name; an
attribute is a literal, a typed literal or an array of these.
"""

import json
from datetime import datetime
from typing import Any

import pytest

from components.common.artifacts import TRAIN
from tests.lineage.world import ANNA, BOB, CLEO, World, says

ELEMENTS = {"entity", "activity", "agent"}
RELATIONS = {  # what each must name, and what kind of element that is
    "used": {"prov:activity": "activity", "prov:entity": "entity"},
    "wasGeneratedBy": {"prov:entity": "entity", "prov:activity": "activity"},
    "wasDerivedFrom": {"prov:generatedEntity": "entity", "prov:usedEntity": "entity"},
    "wasAttributedTo": {"prov:entity": "entity", "prov:agent": "agent"},
    "wasAssociatedWith": {"prov:activity": "activity", "prov:agent": "agent"},
    "hadMember": {"prov:collection": "entity", "prov:entity": "entity"},
}
THINGS = ("release", "older", "image", "new", "label", "person", "batch")


@pytest.fixture(params=THINGS)
def word(request, world: World) -> str:
    image = world.image(world.disputed)
    return {
        "release": "champion",
        "older": world.first,
        "image": image,
        "new": world.new,
        "label": f"{image}@{CLEO}",
        "person": f"@{BOB}",
        "batch": world.batches[0].rpartition("/")[2],
    }[request.param]


def document(world: World, capsys: pytest.CaptureFixture[str], *words: str) -> dict[str, Any]:
    return json.loads(says(capsys, world.uri, *words, "-o", "json"))


def test_the_document_is_of_the_published_structure(world, capsys, word):
    made = document(world, capsys, word)
    prefixes = made.pop("prefix")
    assert made.keys() <= ELEMENTS | RELATIONS.keys()
    assert all("://" in uri or uri.startswith("urn:") for uri in prefixes.values())
    names = {kind: made.get(kind, {}) for kind in ELEMENTS}
    for kind, elements in names.items():
        for name, attributes in elements.items():
            qualified(name, prefixes)
            for key, value in attributes.items():
                qualified(key, prefixes)
                attribute(value, prefixes)
                if key in ("prov:startTime", "prov:endTime"):
                    assert kind == "activity"
                    assert datetime.fromisoformat(value).tzinfo
    for relation, ends in RELATIONS.items():
        for name, told in made.get(relation, {}).items():
            assert name.startswith("_:")
            assert ends.keys() <= told.keys() <= ends.keys() | {"prov:label"}
            assert "prov:label" not in told or relation != "hadMember"
            for end, kind in ends.items():
                assert told[end] in names[kind], (relation, told)


def qualified(name: str, prefixes: dict[str, str]) -> None:
    prefix, _, local = name.partition(":")
    assert prefix in {*prefixes, "prov"}, name
    assert local
    assert not set(local) & set(" \"<>{}|\\^`()',;[]@:"), name


def attribute(value: Any, prefixes: dict[str, str]) -> None:
    if isinstance(value, list):
        assert value
        for each in value:
            assert not isinstance(each, list)
            attribute(each, prefixes)
    elif isinstance(value, dict):
        assert value.keys() == {"$", "type"}
        assert isinstance(value["$"], str)
        qualified(value["type"], prefixes)
        if value["type"] == "prov:QUALIFIED_NAME":
            qualified(value["$"], prefixes)
    else:
        assert isinstance(value, str | int | float)


def test_a_path_leads_from_the_image_to_the_releases_and_their_answers(world: World, capsys):
    image = world.image(world.rows[TRAIN][0])
    made = document(world, capsys, image)
    came = {(one["prov:generatedEntity"], one["prov:usedEntity"]) for one in made["wasDerivedFrom"].values()}
    reached = {f"sha256:{image}"}
    while more := {effect for effect, cause in came if cause in reached} - reached:
        reached |= more
    assert {f"store:releases/digits/{version}" for version in (world.first, world.second)} <= reached
    answers = [name for name in reached if name.startswith("gleaner:answer/")]
    assert len(answers) == 2
    members = [one for one in made["hadMember"].values() if one["prov:entity"] == f"sha256:{image}"]
    assert [one["prov:collection"] for one in members] == [f"store:datasets/digits/{world.made.data.id}"]
    assert made["prefix"]["store"].endswith("/store/")


def test_a_release_was_generated_by_a_run_that_used_what_it_is_made_of(world: World, capsys):
    made = document(world, capsys)
    release = f"store:releases/digits/{world.second}"
    (generated,) = made["wasGeneratedBy"].values()
    assert generated["prov:entity"] == release
    used = {one["prov:entity"] for one in made["used"].values() if one["prov:activity"] == generated["prov:activity"]}
    labels = f"{release}/labels.parquet"
    assert used == {
        labels,
        f"store:datasets/digits/{world.made.data.id}",
        f"store:releases/digits/{world.first}",
    }
    people = {one["prov:agent"] for one in made["wasAttributedTo"].values() if one["prov:entity"] == labels}
    assert len(people) == 3
    assert {made["agent"][one]["prov:label"] for one in people} == {ANNA, BOB, CLEO}
    (decision,) = (name for name in made["activity"] if ":decision/" in name)
    assert made["activity"][decision]["gleaner:why"] == "fewer wrong sevens"
    settings = json.loads(made["activity"][generated["prov:activity"]]["gleaner:settings"])
    assert settings["sample"]["label_access"] == "store"
