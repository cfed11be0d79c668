"""The page in a real browser: people label with the keyboard, alone and together, and nothing gets lost."""

import signal
from collections import Counter

import pytest
from playwright.sync_api import Browser

from components.common.storage import open_store
from tests.labelling.person import Person
from tests.labelling.world import ASKED, World, publish, serve

ALL = sum(ASKED.values())


def test_a_round_is_labelled_with_the_keyboard(world: World, chromium: Browser) -> None:
    with serve(world.store, "--then", "gleaner run my.yaml") as server:
        ann = Person(chromium, server.link, "Ann", world.truth.__getitem__)
        assert "token" not in ann.page.url
        done = ann.answer(ALL + 1)
        assert len(done) == len(set(done)) == ALL
        assert ann.progress() == {purpose: f"{n}/{n}" for purpose, n in ASKED.items()}
        assert "Round 1 is labelled" in ann.page.inner_text("#done")
        assert "gleaner run my.yaml" in ann.page.inner_text("#done")
        ann.leaves()
    said = world.answers()
    assert {answer.id: answer.label for answer in said} == {image: world.truth[image] for image in done}
    assert {(answer.kind, answer.annotator, answer.task, answer.round) for answer in said} == {
        ("class", "Ann", "page", 1)
    }
    splits = dict(zip(world.dataset.column("id"), world.dataset.column("split"), strict=True))
    assert [splits[image] for image in done] == [purpose for purpose, n in ASKED.items() for _ in range(n)]


def test_training_images_say_why_and_held_out_ones_nothing(world: World, chromium: Browser) -> None:
    with serve(world.store) as server:
        ann = Person(chromium, server.link, "Ann", world.truth.__getitem__)
        (first,) = ann.answer()
        assert "typical of a cluster of" in ann.page.inner_text("#reason")
        assert ann.page.inner_text("#near") == f"nearest labelled: {world.truth[first]}"
        ann.turns(lambda: ann.page.click("[data-purpose=test]"))
        ann.answer()
        assert ann.page.inner_text("#purpose") == "test"
        assert ann.page.inner_text("#reason") == ""
        assert ann.page.locator("#near").is_hidden()
        assert ann.progress()["test"] == f"1/{ASKED['test']}"
        ann.leaves()


def test_skip_none_and_undo_are_kept_as_answers(world: World, chromium: Browser) -> None:
    with serve(world.store) as server:
        ann = Person(chromium, server.link, "Ann", world.truth.__getitem__)
        first, second = ann.seen(), ann.turns(lambda: ann.page.keyboard.press("."))
        third = ann.turns(lambda: ann.page.keyboard.press("-"))
        assert ann.turns(lambda: ann.page.keyboard.press("Backspace")) == second
        assert ann.turns(lambda: ann.page.keyboard.press("Control+z")) == first
        assert ann.progress()["train"] == f"0/{ASKED['train']}"
        ann.page.keyboard.press("Backspace")  # there is nothing more to take back
        ann.page.wait_for_function("() => document.getElementById('live').textContent.includes('nothing')")
        assert ann.answer(2) == first + second
        assert ann.seen() == third
        ann.leaves()
    kinds = [answer.kind for answer in world.answers()]
    assert kinds == ["skip", "none", "withdrawn", "withdrawn", "class", "class"]


def test_a_reload_and_a_new_server_go_on_where_it_was(world: World, chromium: Browser) -> None:
    with serve(world.store) as server:
        ann = Person(chromium, server.link, "Ann", world.truth.__getitem__)
        done = ann.answer(3)
        following = ann.seen()
        ann.page.reload()
        assert ann.seen() == following
        assert ann.page.inner_text("#who") == "Ann"
        server.process.send_signal(signal.SIGKILL)
        server.process.wait()
    assert [answer.id for answer in world.answers()] == done
    with serve(world.store) as server:
        ann.page.goto(server.link)
        assert ann.seen() == following
        assert ann.progress()["train"] == f"3/{ASKED['train']}"
        assert ann.turns(lambda: ann.page.keyboard.press("Backspace")) == done[-1:]


def test_the_next_image_waits_until_the_answer_is_kept(world: World, chromium: Browser) -> None:
    with serve(world.store) as server:
        ann = Person(chromium, server.link, "Ann", world.truth.__getitem__)
        (image,) = ann.seen()
        server.process.send_signal(signal.SIGSTOP)
        ann.page.keyboard.press(world.truth[image])
        ann.page.keyboard.press("1")  # meant for an image that nobody has seen yet
        ann.page.wait_for_timeout(500)
        assert image in str(ann.page.get_attribute("#image", "src"))
        assert world.answers() == []
        server.process.send_signal(signal.SIGCONT)
        assert ann.seen() != [image]
        assert [answer.id for answer in world.answers()] == [image]
        server.process.kill()
        server.process.wait()
        ann.page.keyboard.press("1")
        ann.page.wait_for_selector("#notice.bad:visible")
        assert "Not kept yet: the server cannot be reached" in ann.page.inner_text("#notice")
        assert len(world.answers()) == 1


def test_zooming_answers_nothing(world: World, chromium: Browser) -> None:
    with serve(world.store) as server:
        ann = Person(chromium, server.link, "Ann", world.truth.__getitem__)
        image = ann.seen()
        for key in ("Enter", "+", "+", "7", "ArrowLeft"):
            ann.page.keyboard.press(key)
        assert "scale(1.96)" in str(ann.page.get_attribute("#zoomed", "style"))
        ann.page.keyboard.press("Escape")
        ann.page.wait_for_selector("#zoom", state="hidden")
        assert ann.seen() == image
        ann.answer()
        ann.leaves()
    assert len(world.answers()) == 1


def test_two_people_are_never_asked_the_same(world: World, chromium: Browser) -> None:
    with serve(world.store) as server:
        ann = Person(chromium, server.link, "Ann", world.truth.__getitem__)
        bea = Person(chromium, server.link, "Bea", world.truth.__getitem__)
        for _ in range(ALL):
            assert not {*ann.seen()} & {*bea.seen()}
            ann.answer()
            bea.answer()
        assert not ann.seen()
        assert not bea.seen()
        ann.leaves()
        bea.leaves()
    said = Counter(answer.id for answer in world.answers())
    assert len(said) == ALL
    assert set(said.values()) == {1}


def test_with_two_annotators_each_image_is_seen_by_two_and_the_disputed_by_a_third(
    world: World, chromium: Browser
) -> None:
    with serve(world.store, "--annotators", "2") as server:
        ann = Person(chromium, server.link, "Ann", world.truth.__getitem__)
        bea = Person(chromium, server.link, "Bea", lambda image: "0" if image == disputed else world.truth[image])
        disputed = next(image for image in ann.seen() + bea.seen() if world.truth[image] != "0")
        assert len(ann.answer(ALL + 1)) == len(bea.answer(ALL + 1)) == ALL
        assert bea.progress()["train"] == f"{ASKED['train'] - 1}/{ASKED['train']}"
        cleo = Person(chromium, server.link, "Cleo", world.truth.__getitem__)
        assert cleo.answer(ALL + 1) == [disputed]
        assert cleo.progress()["train"] == f"{ASKED['train']}/{ASKED['train']}"
        for person in (ann, bea, cleo):
            person.leaves()


def test_a_group_is_labelled_at_a_stroke_and_taken_back_at_one(world: World, chromium: Browser) -> None:
    with serve(world.store) as server:
        ann = Person(chromium, server.link, "Ann", world.truth.__getitem__)
        ann.turns(lambda: ann.page.click("#groups"))
        images = ann.seen()
        odd = images[1]
        ann.page.click(f"#grid [data-id='{odd}']")
        ann.turns(lambda: ann.page.keyboard.press("7"))
        assert {(answer.id, answer.label) for answer in world.answers()} == {(i, "7") for i in images if i != odd}
        assert len({answer.time for answer in world.answers()}) == 1
        assert odd not in ann.seen()
        back = ann.turns(lambda: ann.page.keyboard.press("Backspace"))
        assert {*back} == {*images} - {odd}
        labelled = ann.answer_groups(60)
        assert len(labelled) == len({*labelled}) >= 60
        train = {*world.dataset.column("id")[world.dataset.rows("train")]}
        assert {*labelled} <= train
        ann.leaves()
    last = {answer.id: answer for answer in world.answers()}
    assert all(last[image].label == world.truth[image] for image in labelled)


def test_tiles_are_reached_and_turned_with_the_keyboard(world: World, chromium: Browser) -> None:
    with serve(world.store) as server:
        ann = Person(chromium, server.link, "Ann", world.truth.__getitem__)
        images = ann.turns(lambda: ann.page.keyboard.press(","))
        for key in ("ArrowRight", "ArrowRight", " "):
            ann.page.keyboard.press(key)
        out = ann.page.locator("#grid [aria-pressed=false]")
        assert [tile.get_attribute("data-id") for tile in out.all()] == [images[1]]
        ann.page.keyboard.press("*")
        assert out.count() == len(images) - 1
        ann.leaves()


def test_newer_candidates_are_offered_while_the_page_is_open(world: World, chromium: Browser) -> None:
    with serve(world.store) as server:
        ann = Person(chromium, server.link, "Ann", world.truth.__getitem__)
        first = ann.answer(2)
        publish(open_store(world.store), world.dataset, world.pixels, 2)
        assert ann.next_round()[0] not in first
        assert ann.page.inner_text("#round") == "round 2"
        ann.answer(1)
        ann.leaves()
    assert [answer.round for answer in world.answers()] == [1, 1, 2]


@pytest.mark.parametrize("view", ["single", "groups", "done"])
def test_it_fits_a_phone(world: World, chromium: Browser, view: str) -> None:
    with serve(world.store) as server:
        ann = Person(chromium, server.link, "Ann", world.truth.__getitem__, has_touch=True, color_scheme="dark")
        ann.page.set_viewport_size({"width": 360, "height": 700})
        if view == "groups":
            ann.turns(lambda: ann.page.tap("#groups"))
        if view == "done":
            ann.answer(ALL)
            ann.seen()
        else:
            ann.turns(lambda: ann.page.tap("#classes [data-class='7']"))
            for button in ann.page.locator("#classes button, #actions button").all():
                box = button.bounding_box()
                assert box
                assert box["height"] >= 44
                assert box["x"] >= 0
                assert box["x"] + box["width"] <= 360
        assert ann.page.evaluate("document.documentElement.scrollWidth") <= 360
        assert ann.page.evaluate("document.documentElement.scrollHeight") <= 700
        ann.leaves()
