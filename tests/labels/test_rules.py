"""Which answer holds: one's own last, then the rule of the several."""

from components.labels.rules import LATEST, MAJORITY, resolve
from components.labels.store import NONE, SKIP, WITHDRAWN, Renaming, State
from tests.labels.test_store import START, answer

A = "a" * 64


def held(*answers, rule=MAJORITY):
    found = resolve(State(list(answers), []), rule)
    return {image: one.label for image, one in found.held.items()}


def test_the_last_word_of_a_person_stands():
    assert held(answer(A, "cat", 0), answer(A, "dog", 1)) == {A: "dog"}


def test_a_withdrawn_answer_is_none():
    taken = answer(A, "cat", 1)._replace(kind=WITHDRAWN, label=None)
    assert resolve(State([answer(A, "cat", 0), taken], [])) == ({}, {}, {}, {}, {})


def test_the_majority_wins_and_a_tie_stays_open():
    said = [answer(A, "cat", 0, "ann"), answer(A, "cat", 1, "bob"), answer(A, "dog", 2, "cy")]
    assert held(*said) == {A: "cat"}
    found = resolve(State(said[1:], []))
    assert found.held == {}
    assert list(found.open) == list(found.conflicts) == [A]


def test_latest_takes_the_last_and_lists_the_contradiction():
    said = [answer(A, "cat", 0, "ann"), answer(A, "cat", 1, "bob"), answer(A, "dog", 2, "cy")]
    assert held(*said, rule=LATEST) == {A: "dog"}
    assert list(resolve(State(said, []), LATEST).conflicts) == [A]


def test_none_is_an_answer_and_skip_leaves_it_to_others():
    none = answer(A, "", 0, "ann")._replace(kind=NONE, label=None)
    skip = answer(A, "", 1, "bob")._replace(kind=SKIP, label=None)
    assert list(resolve(State([none, skip], [])).none) == [A]
    assert list(resolve(State([skip], [])).skipped) == [A]


def test_renamings_are_followed_in_their_order():
    renamings = [Renaming("kat", "cat", "ann", START), Renaming("cat", "feline", "ann", START)]
    found = resolve(State([answer(A, "kat")], renamings))
    assert found.held[A].label == "feline"
