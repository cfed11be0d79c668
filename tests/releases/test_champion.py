"""The champion of a model in a folder and in a real S3 store: one winner of every race, and every decision told."""

import json
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest

from components.common.errors import BadInputError
from components.common.files import json_text
from components.common.storage import IntegrityError, open_store
from components.releases import champion as champions
from components.releases.champion import (
    BarredError,
    MovedError,
    approve,
    champion,
    history,
    promote,
    published,
    reject,
    rollback,
)
from tests.releases.races import races

A, B, C = ("a" * 16, "b" * 16, "c" * 16)
PIPELINE: dict[str, Any] = {"who": "pipeline", "why": "every gate passed", "source": "run 1"}
ANNA: dict[str, Any] = {"who": "anna", "why": "looks right", "source": "gleaner release"}


@pytest.fixture(params=["folder", "s3"])
def place(request, tmp_path):
    return str(tmp_path / "store") if request.param == "folder" else request.getfixturevalue("s3_bucket") + "/gleaner"


def of(version: str) -> dict:
    return {"model": "m", "version": version}


def now_is(store) -> str | None:
    now = champion(store, "m")
    return now and now.version


def told(store) -> list[tuple]:
    return [(event["what"], event["version"], event.get("previous")) for event in history(store, "m")]


def test_every_decision_says_who_when_from_what_and_why(place):
    store = open_store(place)
    assert champion(store, "m") is None
    assert history(store, "m") == []
    published(store, of(A), passed=True, **PIPELINE)
    published(store, of(A), passed=False, **ANNA)
    assert promote(store, of(A), expected=None, **PIPELINE)
    assert not promote(store, of(A), expected=None, **PIPELINE)
    assert approve(store, of(B), expected=A, **ANNA)
    assert not approve(store, of(B), expected=A, **ANNA)
    assert reject(store, "m", C, **ANNA)
    assert not reject(store, "m", C, **ANNA)
    now = champion(store, "m")
    assert now is not None
    assert (now.version, now.previous, now.number, now.event["what"]) == (B, A, 3, "rejected")
    events = history(store, "m")
    assert [event["what"] for event in events] == ["published", "promoted", "approved", "rejected"]
    assert events[0]["passed"] is True
    assert events[2] == {
        **{"number": 2, "what": "approved", "version": B, "previous": A, "champion": B, "forced": False},
        **{"who": "anna", "why": "looks right", "from": "gleaner release"},
        **{"when": events[2]["when"], "after": events[2]["after"]},
    }
    assert sorted(event["when"] for event in events) == [event["when"] for event in events]
    pointer = json.loads(store.read("releases/m/champion.json"))
    assert (pointer["model"], pointer["version"], pointer["previous"]) == ("m", B, A)


def test_a_champion_that_moved_meanwhile_is_told_and_stays(place):
    store = open_store(place)
    promote(store, of(A), expected=None, **PIPELINE)
    with pytest.raises(MovedError, match=f"the champion is {A} now, and {B} was compared with none; run again"):
        promote(store, of(B), expected=None, **PIPELINE)
    with pytest.raises(MovedError, match=f"the champion is {A} now, no longer {C}, by pipeline at 20"):
        approve(store, of(B), expected=C, **ANNA)
    with pytest.raises(MovedError, match="decide again"):
        rollback(store, "m", expected=C, to=B, **ANNA)
    assert told(store) == [("promoted", A, None)]


def test_what_was_rejected_or_rolled_back_is_promoted_by_people_alone(place):
    store = open_store(place)
    promote(store, of(A), expected=None, **PIPELINE)
    reject(store, "m", B, **ANNA)
    with pytest.raises(BarredError, match=f"{B} was rejected or rolled back before; `gleaner release approve {B}`"):
        promote(store, of(B), expected=A, **PIPELINE)
    promote(store, of(C), expected=A, **PIPELINE)
    rollback(store, "m", expected=C, to=A, **ANNA)
    with pytest.raises(BarredError):
        promote(store, of(C), expected=A, **PIPELINE)
    assert approve(store, of(C), expected=A, **ANNA)
    assert champions.barred(store, "m") == (B,)
    with pytest.raises(BadInputError, match=f"{C} is the champion of m; `gleaner release rollback`"):
        reject(store, "m", C, **ANNA)


def test_a_rollback_goes_to_the_champion_before_and_on_from_there(place):
    store = open_store(place)
    for before, version in ((None, A), (A, B), (B, C)):
        promote(store, of(version), expected=before, **PIPELINE)
    assert champions.before(store, "m") == B
    rollback(store, "m", expected=C, to=B, **ANNA)
    assert champions.before(store, "m") == A
    rollback(store, "m", expected=B, to=A, **ANNA)
    assert champions.before(store, "m") is None
    assert now_is(store) == A
    approve(store, of(C), expected=A, **ANNA)
    assert champions.before(store, "m") == A
    reject(store, "m", A, **ANNA)
    assert champions.before(store, "m") is None


def test_a_first_decision_may_be_a_rejection(place):
    store = open_store(place)
    assert reject(store, "m", A, **ANNA)
    assert champion(store, "m") is None
    assert promote(store, of(B), expected=None, **PIPELINE)
    assert told(store) == [("rejected", A, None), ("promoted", B, None)]


def test_a_pointer_from_before_histories_is_read_and_becomes_the_first_decision(place):
    store = open_store(place)
    old = {"format": 1, "model": "m", "version": B, "previous": A}
    store.write("releases/m/champion.json", json_text(old).encode())
    now = champion(store, "m")
    assert now is not None
    assert (now.version, now.previous, now.number) == (B, A, 1)
    assert champions.before(store, "m") == A
    promote(store, of(C), expected=B, **PIPELINE)
    assert told(store) == [("promoted", B, A), ("promoted", C, B)]
    rollback(store, "m", expected=C, to=B, **ANNA)
    assert champions.before(store, "m") == A


def test_of_two_promoters_one_wins_every_time(place):
    store = open_store(place)
    promoted = races(place, 50)
    assert [event["version"] for event in history(store, "m")] == promoted
    assert now_is(store) == promoted[-1]


def test_decisions_of_many_at_once_all_stand(place):
    stores = [open_store(place) for _ in range(4)]
    with ThreadPoolExecutor(4) as pool:
        names = [f"{number:016d}" for number in range(12)]
        assert all(pool.map(lambda name: reject(stores[int(name) % 4], "m", name, **ANNA), names))
    assert sorted(event["version"] for event in history(stores[0], "m")) == names
    assert champions.barred(stores[0], "m") == tuple(names)


@pytest.mark.parametrize("damage", ["gone", "changed", "another", "no event"])
def test_a_history_that_was_tampered_with_is_refused_with_the_place(tmp_path, damage):
    store = open_store(str(tmp_path))
    for before, version in ((None, A), (A, B), (B, C)):
        promote(store, of(version), expected=before, **PIPELINE)
    key = f"releases/m/history/000002-promoted-{B}.json"
    event = json.loads(store.read(key))
    if damage == "gone":
        store.delete(key)
    elif damage == "no event":
        store.write(key, b"[]")
    else:
        if damage == "another":
            key = f"releases/m/history/000003-promoted-{C}.json"
            event = json.loads(store.read(key))
        store.write(key, json_text({**event, "who": "mallory"}).encode())
    with pytest.raises(IntegrityError, match=r"releases/m/history/.*restore it") as refusal:
        history(store, "m")
    assert "\n" not in str(refusal.value)


@pytest.mark.parametrize("text", ["", "[]", "{}", '{"format": 3}', '{"format": 2}'])
def test_a_pointer_that_cannot_be_read_is_refused(tmp_path, text):
    store = open_store(str(tmp_path))
    store.write("releases/m/champion.json", text.encode())
    with pytest.raises(IntegrityError, match=r"champion\.json: is no pointer to a champion .* restore it"):
        champion(store, "m")
