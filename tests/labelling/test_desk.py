"""What people are handed, and what becomes of their answers: rules of the desk, without a browser."""

import random
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest

from components.common.errors import BadInputError
from components.common.storage import open_store
from components.labelling import desk as desks
from components.labelling.desk import Desk
from components.labelling.leases import SECONDS, Leases, Seat
from components.labelling.refused import RefusedError
from components.labels.rules import resolve
from components.labels.store import CLASS, Answer, LabelStore
from tests.labelling.world import ASKED, World, publish

ANN, BEA, CLEO = (Seat(name, "1") for name in ("Ann", "Bea", "Cleo"))
ALL = sum(ASKED.values())


def desk(world: World, annotators: int = 1) -> Desk:
    return Desk(open_store(world.store), "digits", annotators)


def ids(images: list[dict[str, object]]) -> list[str]:
    return [str(image["id"]) for image in images]


def elsewhere(world: World, image: str, label: str, who: str, minutes: int = 0) -> None:
    """An answer that was imported."""
    time = datetime(2026, 3, 1, tzinfo=UTC) + timedelta(minutes=minutes)
    LabelStore(open_store(world.store), "digits").append([Answer(image, CLASS, label, who, time, "t.csv:2", 1)])


def test_images_come_by_purpose_and_rank_or_of_one_purpose_alone(world):
    here = desk(world)
    assert ids(here.next(ANN, count=ALL)) == [*here.asked.picks]
    asked = [pick.id for pick in here.asked.picks.values() if pick.purpose == "test"]
    here.leave(ANN)
    assert ids(here.next(ANN, "test", count=ALL)) == asked
    assert here.next(ANN, "test", have=asked) == []


@pytest.mark.parametrize("annotators", [1, 2])
def test_any_number_of_people_at_once_ask_no_image_more_often_than_wanted(world, annotators):
    here = desk(world, annotators)

    def label(number: int) -> None:
        seat, chance = Seat(f"person {number}", "1"), random.Random(number)
        while images := ids(here.next(seat, count=chance.randint(1, 4))):
            for image in images:
                here.answer(seat, [image], CLASS, world.truth[image])

    with ThreadPoolExecutor(5) as people:
        list(people.map(label, range(5)))
    said = Counter(answer.id for answer in world.answers())
    # whoever comes while the last images are before others goes away; nobody asks them again here
    assert set(said.values()) == {annotators}
    assert set(said) == set(here.asked.picks)


def test_what_somebody_has_before_them_comes_back_when_they_leave_or_are_long_away(world, monkeypatch):
    here = desk(world)
    now = [0.0]
    here._leases = Leases(lambda: now[0])
    first = ids(here.next(ANN, count=3))
    assert not {*first} & {*ids(here.next(BEA, count=3))}
    assert ids(here.next(ANN, count=3)) == first, "a page that is loaded again gets the same"
    now[0] += SECONDS - 1
    here.look(ANN)
    now[0] += 2
    assert not {*first} & {*ids(here.next(CLEO, count=3))}, "an open page keeps its images"
    here.leave(ANN)
    assert {*first} <= {*ids(here.next(CLEO, count=ALL))}


def test_two_tabs_of_one_person_get_different_images(world):
    here = desk(world, annotators=2)
    assert not {*ids(here.next(ANN, count=4))} & {*ids(here.next(Seat("Ann", "2"), count=4))}


def test_what_people_disagree_about_comes_first_for_somebody_else(world):
    here = desk(world)
    *_, last = here.asked.picks
    elsewhere(world, last, "1", "Ann")
    elsewhere(world, last, "7", "Bea", 1)
    here = desk(world)
    assert ids(here.next(CLEO))[0] == last
    assert last not in ids(here.next(ANN, count=ALL))
    (again,) = here.next(ANN, count=ALL, again=True)
    assert (again["id"], again["disagree"]) == (last, ["1", "7"])
    here.answer(CLEO, [last], CLASS, "7")
    assert resolve(LabelStore(open_store(world.store), "digits").read()).held[last].label == "7"
    assert last not in ids(here.next(Seat("Dan", "1"), count=ALL))


def test_nobody_is_told_what_others_said_before_they_answer(world):
    here = desk(world)
    first, *_ = here.asked.picks
    here.asked.picks[first] = here.asked.picks[first]._replace(reason="annotators disagree: 1, 7")
    assert here.item(first, CLEO)["reason"] == "annotators disagree"
    elsewhere(world, first, "1", "Ann")
    assert "1" not in [*here.item(first, CLEO).values()]


def test_a_reason_is_told_without_its_figures_and_with_who_asked(world):
    here = desk(world)
    first, *_ = here.asked.picks
    reason = "typical of a cluster of 12 (typicality 3.20); asked for: new to the model (0.41, usual is below 0.18)"
    here.asked.picks[first] = here.asked.picks[first]._replace(reason=reason)
    assert here.item(first, CLEO)["reason"] == "typical of a cluster of 12; asked for: new to the model"


def test_what_one_passed_over_comes_last_for_others_and_again_where_asked_for(world):
    here = desk(world)
    first, *_ = here.asked.picks
    here.answer(ANN, [first], "skip", None)
    assert first not in ids(here.next(ANN, count=ALL))
    here.leave(ANN)
    assert ids(here.next(BEA, count=ALL))[-1] == first
    assert ids(here.next(ANN, again=True)) == [first]
    assert here.waits(ANN)["again"] == 1
    here.answer(BEA, [first], CLASS, "3")
    assert here.progress()["purposes"][0]["done"] == 1


def test_undo_takes_strokes_back_from_the_last_on_and_after_a_new_start(world):
    here = desk(world)
    group = here.group(ANN, 5)
    assert group
    images = ids(group["images"])
    here.answer(ANN, images[:4], CLASS, "7", aside=images[4:])
    single = ids(here.next(ANN))[0]
    here.answer(ANN, [single], "none", None)
    here.answer(BEA, ids(here.next(BEA))[:1], CLASS, "1")
    here = desk(world)
    assert ids(here.undo(ANN)) == [single]
    assert {*ids(here.undo(ANN))} == {*images[:4]}
    assert here.undo(ANN) == []
    held = resolve(LabelStore(open_store(world.store), "digits").read())
    assert [answer.annotator for answer in held.held.values()] == ["Bea"]
    assert sum(each["done"] for each in here.progress()["purposes"]) == 1


def test_groups_hold_like_images_of_the_training_pool_and_two_people_have_different_ones(world):
    here = desk(world)
    a, b = here.group(ANN, 200), here.group(BEA, 200)
    assert a
    assert b
    assert a["cluster"] != b["cluster"]
    assert {*ids(a["images"])} == {*here.asked.members(a["cluster"])}
    train = {*world.dataset.column("id")[world.dataset.rows("train")]}
    assert {*ids(a["images"]), *ids(b["images"])} <= train
    seen = Counter(ids(a["images"]))
    here.set_aside(ANN, ids(a["images"]))
    here.set_aside(BEA, ids(b["images"]))
    while more := here.group(ANN, 200):
        seen.update(ids(more["images"]))
        here.answer(ANN, ids(more["images"]), CLASS, "1")
    assert set(seen.values()) == {1}
    assert {*seen} == train


def test_held_out_images_are_labelled_one_by_one_and_only_where_drawn(world):
    here = desk(world)
    held_out = [pick.id for pick in here.asked.picks.values() if pick.purpose == "test"]
    with pytest.raises(RefusedError, match="is held out; it is labelled one by one"):
        here.answer(ANN, held_out[:2], CLASS, "1")
    other = next(i for i in world.dataset.column("id")[world.dataset.rows("test")] if i not in held_out)
    with pytest.raises(RefusedError, match="held out and was not drawn"):
        here.answer(ANN, [other], CLASS, "1")
    with pytest.raises(RefusedError, match="not asked for"):
        here.item(other, ANN)
    assert world.answers() == []


@pytest.mark.parametrize(
    ("images", "kind", "label", "said"),
    [
        (["f" * 64], CLASS, "1", "no image 'ffffffffffffffff' in dataset digits"),
        ([], CLASS, "1", "about 1 to 200 images, not 0"),
        (None, CLASS, "11", "class '11' is not one of the 10 of this dataset; did you mean '1'"),
        (None, CLASS, None, "class '' is not one"),
        (None, "withdrawn", None, "not one of class, none, skip"),
    ],
)
def test_what_cannot_be_is_refused_and_nothing_is_written(world, images, kind, label, said):
    here = desk(world)
    with pytest.raises(RefusedError, match=said):
        here.answer(ANN, ids(here.next(ANN))[:1] if images is None else images, kind, label)
    assert world.answers() == []


def test_answers_from_elsewhere_and_newer_candidates_are_seen(world, monkeypatch):
    monkeypatch.setattr(desks, "STALE", 0.0)
    here = desk(world)
    first, second, *_ = here.asked.picks
    elsewhere(world, first, "1", "Bea")
    publish(open_store(world.store), world.dataset, world.pixels, 2)
    here.look(ANN)
    assert ids(here.next(ANN))[0] == second
    assert here.newer
    assert here.newer.round == 2
    here.go_on()
    assert here.progress()["round"] == 2
    assert first not in here.asked.picks
    image = ids(here.next(ANN))[0]
    here.answer(ANN, [image], CLASS, "1")
    assert world.answers()[-1].round == 2


def test_a_label_that_is_known_is_not_asked_for_and_renamed_classes_are(world):
    here = desk(world)
    first, *_ = here.asked.picks
    elsewhere(world, first, "1", "Bea")
    LabelStore(open_store(world.store), "digits").rename("1", "one", "Bea", datetime.now(UTC))
    here = desk(world)
    assert "one" in here.classes()
    assert "1" not in here.classes()
    second = here.next(ANN)[0]
    assert second["nearest"] == {"id": first, "label": "one"}
    with pytest.raises(RefusedError, match="class '1' is not one"):
        here.answer(ANN, [str(second["id"])], CLASS, "1")


def test_time_never_runs_backwards_for_an_image(world):
    here = desk(world)
    first, *_ = here.asked.picks
    time = datetime.now(UTC) + timedelta(days=1)
    LabelStore(open_store(world.store), "digits").append([Answer(first, CLASS, "1", "Ann", time, "t.csv:2", 1)])
    here = desk(world)
    here.answer(ANN, [first], CLASS, "2")
    assert resolve(LabelStore(open_store(world.store), "digits").read()).held[first].label == "2"


def test_without_candidates_it_says_what_to_do(world):
    with pytest.raises(BadInputError, match="no candidates to label; expected those of a run with sample"):
        Desk(open_store(world.store), "other")


def test_where_the_source_names_no_classes_people_do(world):
    here = desk(world)
    with pytest.raises(RefusedError, match="has its own classes"):
        here.add_class("zebra", False)
    candidates = here.asked.candidates._replace(about={**here.asked.candidates.about, "classes": []})
    here.asked = replace(here.asked, candidates=candidates, dataset=replace(here.asked.dataset, classes=()))
    assert here.classes() == []
    assert here.add_class("  zebra  crossing ", False) == "zebra crossing"
    for name, said in [
        ("Zebra-Crossing", "is there already"),
        ("zebra crosing", "looks like"),
        ("\n", "a name of 1 to"),
    ]:
        with pytest.raises(RefusedError, match=said):
            here.add_class(name, False)
    assert here.add_class("zebra crosing", True) == "zebra crosing"
    assert here.add_class("lion", False) == "lion"
    here.answer(ANN, ids(here.next(ANN))[:1], CLASS, "lion")
    assert desk(world).said.classes([]) == ["lion"]
