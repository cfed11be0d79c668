"""The audit on the page: real looks, the real page's server and store, and the accuracy that comes of it."""

import json

import numpy as np
import pyarrow as pa
import pytest
from PIL import Image

from components.common.audits import AUDIT
from components.common.audits import drawn as drawn_of
from components.common.data.images import png
from components.common.files import sha256_bytes
from components.common.storage import Store, open_store
from components.labels import commands
from components.labels.store import CLASS
from components.monitor.audit import csv_of, measured
from tests.labelling.person import Person
from tests.labelling.test_desk import ANN, BEA, desk, ids
from tests.labelling.test_server import client
from tests.labelling.world import ASKED, World, serve
from tests.monitor.audits import VERSION, look, table

ALL = sum(ASKED.values())


def new_image(number: int) -> bytes:
    """A file that came to the server and that no dataset holds."""
    return png(Image.fromarray(np.full((12, 16), number, np.uint8)))


@pytest.fixture
def store(world: World) -> Store:
    return open_store(world.store)


@pytest.fixture
def drawn(world: World, store: Store) -> list[str]:
    """A look that drew two images that the dataset holds, one of them held out, one that it does not, and one of which
    nobody kept the pixels. The model says 3 of all.
    """
    data = new_image(7)
    held, train = (world.dataset.rows(split)[-1] for split in ("test", "train"))
    column = world.dataset.column("id")
    images = [str(column[held]), str(column[train]), sha256_bytes(data), "e" * 64]
    made = table([(image, "3") for image in images]).to_pylist()
    made[2]["picture"] = data
    look(store, "digits", 1, pa.Table.from_pylist(made, schema=AUDIT))
    return images


def of(store: Store) -> dict[str, object]:
    found = measured(store, "digits", "digits", VERSION)
    assert found
    return found


def test_the_page_shows_what_was_drawn_and_what_people_say_measures_the_model(world, store, drawn):
    truth = {**world.truth, drawn[2]: "3"}
    with serve(world.store) as server:
        ann = client(server)
        told = ann.say("next", purpose="audit", count=10)
        assert [image["id"] for image in told["next"]] == drawn[:3]
        counts = {each["purpose"]: (each["images"], each["done"]) for each in told["progress"]["purposes"]}
        assert counts["audit"] == (3, 0)
        assert (told["next"][2]["width"], told["next"][2]["height"]) == (16, 12)
        assert not any("reason" in image or "nearest" in image for image in told["next"])
        assert "3" not in json.dumps([{**image, "id": ""} for image in told["next"][:1]]), "nobody is told the answer"
        status, headers, body = ann.ask(f"image/{drawn[2]}")
        assert (status, headers["content-type"], body) == (200, "image/png", new_image(7))
        assert ann.ask(f"image/{drawn[0]}")[0] == 200
        assert ann.refused(f"image/{drawn[3]}")[0] == 404
        for image in drawn[:3]:
            told = ann.say("answer", purpose="audit", images=[image], kind="class", label=truth[image])
        assert told["next"] == []
        counts = {each["purpose"]: (each["images"], each["done"]) for each in told["progress"]["purposes"]}
        assert counts["audit"] == (3, 3)
    found = of(store)
    right = sum(truth[image] == "3" for image in drawn[:3])
    assert (found["drawn"], found["labelled"], found["right"], found["waiting"]) == (4, 3, right, 1)
    with serve(world.store) as server:
        told = client(server).say("next", purpose="audit")
    assert told["next"] == [], "what is said is not asked again"


def test_the_audit_comes_first_and_of_everybody_alike(world, drawn):
    here = desk(world)
    assert ids(here.next(ANN, count=2)) == drawn[:2]
    assert ids(here.next(BEA, count=1)) == drawn[2:3]
    assert len(here.next(ANN, count=ALL + 9)) == ALL + 2


def test_draws_of_a_look_that_comes_later_are_asked_about_too(world, store, drawn, monkeypatch):
    here = desk(world)
    here.answer(ANN, drawn[:1], CLASS, "3")
    later = sha256_bytes(new_image(9))
    made = table([(later, "3")], picture=new_image(9))
    look(store, "digits", 2, made)
    monkeypatch.setattr("components.labelling.desk.STALE", 0.0)
    here.look(ANN)
    assert ids(here.next(ANN, "audit", count=9)) == [*drawn[1:3], later]
    counts = {each["purpose"]: (each["images"], each["done"]) for each in here.progress()["purposes"]}
    assert counts["audit"] == (4, 1)


def test_a_picture_that_is_none_is_not_shown(world, store):
    look(store, "digits", 1, table([("d" * 64, "3")], picture=b"\x89PNG and then nothing"))
    here = desk(world)
    assert here.asked.audited.unseen == 1
    assert here.next(ANN, "audit") == []


def test_a_pick_that_is_audited_too_is_shown_without_its_reason(world, store):
    first = next(iter(desk(world).asked.picks.values()))
    assert "reason" in desk(world).item(first.id, ANN)
    look(store, "digits", 1, table([(first.id, "3")]))
    shown = desk(world).item(first.id, ANN)
    assert (shown["purpose"], "reason" in shown) == ("audit", False)


def test_answers_about_audited_images_are_imported_though_no_dataset_holds_them(world, store, drawn, tmp_path, capsys):
    pointer = json.dumps({"format": 1, "id": world.dataset.id, "previous": None}).encode()
    store.write("datasets/digits/latest.json", pointer)
    answers = next(drawn_of(store, "digits")).answers
    lines = csv_of(answers).splitlines()
    assert lines[0] == "id,served,where,label"
    assert len(lines) == 5
    assert not any(line.endswith("3") for line in lines[1:]), "what the model said is left out"
    filled = [lines[0], *(f"{line}3" for line in lines[1:])]
    (tmp_path / "audit.csv").write_text("\n".join(filled) + "\n")
    (tmp_path / "others.csv").write_text("id,label\n" + "f" * 64 + ",3\n")
    where = ["--name", "digits", "--store", world.store]
    commands.main(["import", *where, str(tmp_path / "audit.csv"), "--annotator", "ann"])
    assert "4 entries = 4 accepted" in capsys.readouterr().out
    assert (of(store)["labelled"], of(store)["accuracy"]) == (4, 1.0)
    with pytest.raises(SystemExit, match="2"):
        commands.main(["import", *where, str(tmp_path / "others.csv")])
    assert "no image 'ffff" in capsys.readouterr().err


def test_in_a_browser_the_audit_is_a_purpose_like_others(world, store, drawn, chromium):
    truth = {**world.truth, drawn[2]: "3"}
    with serve(world.store) as server:
        ann = Person(chromium, server.link, "Ann", truth.get)
        assert ann.page.inner_text("#purpose").casefold() == "audit"
        assert ann.answer(3) == drawn[:3]
        assert ann.errors == []
    assert of(store)["labelled"] == 3
