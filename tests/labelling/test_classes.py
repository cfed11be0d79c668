"""Choosing a class on the page: keys, search among hundreds, and classes that people name themselves."""

from pathlib import Path

import numpy as np
import pytest
from playwright.sync_api import Browser
from sklearn.datasets import load_digits

from tests.labelling.person import Person
from tests.labelling.world import World, build_of, serve

MANY = 250


def named(folder: Path, names: list[str], is_told: bool = True) -> World:
    """Digits whose classes have these names, one after the other."""
    pixels = np.minimum(load_digits().images[:300] * 16, 255).astype(np.uint8)
    given = np.array([names[place % len(names)] for place in range(len(pixels))], dtype=object)
    return build_of(folder, pixels, given, str(folder / "store"), is_told=is_told)


def listed(ann: Person) -> list[str]:
    return ann.page.locator("#classes span").all_inner_texts()


@pytest.mark.parametrize(
    ("names", "keys"),
    [
        ([*"0123456789"], {"0": "0", "7": "7"}),
        (["bee", "ant", "cow"], {"ant": "1", "bee": "2", "cow": "3"}),
        (
            [f"a{n}" for n in range(10)] + ["zebra", "zoo", "é"],
            {"a0": "1", "a9": "0", "zebra": "z", "é": "q", "zoo": "w"},
        ),
        (["B", "C", "ant"], {"B": "b", "C": "c", "ant": "1"}),
    ],
)
def test_each_of_few_classes_has_a_key(
    tmp_path: Path, chromium: Browser, names: list[str], keys: dict[str, str]
) -> None:
    world = named(tmp_path, names)
    with serve(world.store) as server:
        ann = Person(chromium, server.link, "Ann", world.truth.__getitem__)
        assert {name: ann.key(name) for name in keys} == keys
        ann.answer(2)
        ann.leaves()
    assert all(answer.label == world.truth[answer.id] for answer in world.answers())


def test_hundreds_are_searched_and_what_was_used_gets_a_key(tmp_path: Path, chromium: Browser) -> None:
    world = named(tmp_path, [f"kind {n:03d}" for n in range(MANY)])
    with serve(world.store) as server:
        ann = Person(chromium, server.link, "Ann", lambda image: "kind 249")
        assert ann.key("kind 249") == ""
        ann.page.keyboard.press("/")
        ann.page.keyboard.type("IND 24")
        assert listed(ann) == [f"kind {n}" for n in range(240, 250)]
        ann.page.keyboard.press("ArrowDown")
        ann.turns(lambda: ann.page.keyboard.press("Enter"))
        ann.answer(1)
        key = ann.key("kind 249")
        assert key
        assert ann.key("kind 241")
        ann.page.reload()
        ann.seen()
        assert ann.key("kind 249") == key, "the browser remembers it"
        ann.turns(lambda: ann.page.keyboard.press(key))
        ann.page.keyboard.press("/")
        ann.page.keyboard.type("nothing like it")
        ann.page.keyboard.press("Enter")
        assert "No class has that name" in ann.page.inner_text("#more")
        ann.page.keyboard.press("Escape")
        assert ann.page.input_value("#search") == ""
        ann.leaves()
    assert [answer.label for answer in world.answers()] == ["kind 241", "kind 249", "kind 249"]


def test_where_the_source_names_no_class_people_do(tmp_path: Path, chromium: Browser) -> None:
    world = named(tmp_path, ["zebra", "lion"], is_told=False)
    with serve(world.store) as server:
        ann = Person(chromium, server.link, "Ann", world.truth.__getitem__)
        bea = Person(chromium, server.link, "Bea", world.truth.__getitem__)
        assert "type the name of one" in ann.page.inner_text("#more")
        for name in ("zebra", "ant"):
            ann.page.keyboard.press("/")
            ann.page.keyboard.type(name)
            ann.turns(lambda: ann.page.keyboard.press("Enter"))
        assert (ann.key("zebra"), ann.key("ant")) == ("1", "2"), "a class that comes later moves no key"
        ann.page.keyboard.press("/")
        ann.page.keyboard.type("zebro")
        ann.page.keyboard.press("Enter")
        ann.page.wait_for_selector("#sure[open]")
        assert "looks like 'zebra'" in ann.page.inner_text("#sure")
        ann.page.click("#sure [value=no]")
        ann.page.wait_for_selector("#sure", state="hidden")
        assert listed(ann)[-1] == "Add “zebro”"
        ann.page.keyboard.press("Escape")
        bea.page.wait_for_selector("#classes [data-class=zebra]", timeout=30_000)
        bea.turns(lambda: bea.page.click("#classes [data-class=zebra]"))
        ann.errors.clear()  # the browser notes the status of a refusal
        ann.leaves()
        bea.leaves()
    assert [answer.label for answer in world.answers()] == ["zebra", "ant", "zebra"]
