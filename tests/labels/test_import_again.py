"""`gleaner labels import` after others: what is known already, what changed, and what a file no longer says."""

from pathlib import Path

import pytest

from components.labels.rules import resolve
from components.sample.answers import Answer as Known
from components.sample.picks import Pick
from components.sample.publish import candidates_csv
from tests.labels.world import World


@pytest.fixture
def world(tmp_path: Path) -> World:
    return World(tmp_path)


def test_times_say_which_of_two_came_last(world):
    rows = [(0, "dog,2026-01-02"), (0, "cat,2026-01-01T23:00")]
    assert world.call("import", world.csv("a.csv", rows, "id,label,time")) == 0
    assert world.said() == [(0, "cat"), (0, "dog")]
    assert resolve(world.labels.read()).held[world.id(0)].label == "dog"


def test_people_who_differ_are_told(world, capsys):
    for who in ("ann", "bob"):
        file = world.csv("a.csv", [(0, "cat" if who == "ann" else "dog"), (1, "owl")])
        assert world.call("import", file, "--annotator", who) == 0
    assert "people disagree on 1 images: gleaner labels status\n" in capsys.readouterr().out
    assert len(world.said()) == 4  # that two say the same is kept too


def test_nobody_by_name_who_repeats_what_holds_says_nothing_new(world):
    world.call("import", world.csv("a.csv", [(0, "cat")]), "--annotator", "ann")
    world.call("import", world.csv("b.csv", [(0, "cat"), (1, "dog")]))
    assert world.said() == [(0, "cat"), (1, "dog")]


def test_candidates_as_the_sampler_writes_them_are_read(world, capsys):
    """Empty where nobody has answered; what was known in earlier rounds stands there already, whoever said it. What two
    people say in one round is kept of both.
    """
    world.call("import", world.csv("a.csv", [(2, "owl")]), "--annotator", "ann")
    row = {image: row for row, image in enumerate(world.data.column("id"))}
    picks = [Pick(row[world.id(number)], "train", "typical") for number in (0, 1, 2)]
    table = candidates_csv(world.data, picks, [None] * 3, {row[world.id(2)]: Known("owl", "ann")})
    file = world.file("candidates.csv", table.replace(",in/0000.png,", ",in/0000.png,cat"))
    capsys.readouterr()
    for who in ("bob", "ann"):
        assert world.call("import", file, "--annotator", who, "--round", "2") == 0
        assert capsys.readouterr().out.startswith(
            "candidates.csv: 3 entries = 1 accepted + 1 known already + 1 not answered + 0 refused\n"
        )
    said = [(one.annotator, one.label) for one in world.labels.read().answers]
    assert said == [("ann", "owl"), ("bob", "cat"), ("ann", "cat")]


def test_a_class_that_was_renamed_is_known_by_both_names(world):
    world.call("import", world.csv("a.csv", [(0, "cat")]))
    assert world.call("rename", "cat", "feline") == 0
    assert world.call("import", world.csv("b.csv", [(0, "cat"), (1, "cat"), (2, "feline")])) == 0
    assert world.said() == [(0, "cat"), (1, "cat"), (2, "feline")]
    assert {one.label for one in resolve(world.labels.read()).held.values()} == {"feline"}


def test_a_file_that_shrank_is_told_and_its_answers_hold(world, capsys):
    rows = [(0, "cat,ann"), (1, "dog,ann"), (2, "owl,ann"), (3, "owl,bob")]
    world.call("import", world.csv("a.csv", rows, "id,label,annotator"))
    capsys.readouterr()
    file = world.csv("a.csv", [(0, "cat,ann"), (1, ",ann")], "id,label,annotator")
    assert world.call("import", file) == 0
    assert capsys.readouterr().out.splitlines()[1] == (
        "3 answers of an earlier a.csv are not in it now, and still hold; to take them back: gleaner labels withdraw "
        "--not-in a.csv"
    )
    assert len(resolve(world.labels.read()).held) == 4
    assert world.call("withdraw", "--not-in", file) == 0
    assert [*resolve(world.labels.read()).held] == [world.id(0)]


def test_a_file_without_names_shrinks_for_the_person_it_was_imported_for(world, capsys):
    world.call("import", world.csv("a.csv", [(0, "cat"), (1, "dog")]), "--annotator", "ann")
    world.call("import", world.csv("a.csv", [(0, "cat")]))
    assert "1 answers of an earlier a.csv are not in it now" in capsys.readouterr().out


def test_an_old_file_does_not_undo_what_was_said_since(world, capsys):
    file = world.csv("a.csv", [(0, "cat,ann")], "id,label,annotator")
    world.call("import", file)
    world.call("import", world.csv("b.csv", [(0, "dog,ann")], "id,label,annotator"))
    assert "1 of them change what the same person said before\n" in capsys.readouterr().out
    world.call("import", file)
    assert resolve(world.labels.read()).held[world.id(0)].label == "dog"


def test_what_was_withdrawn_comes_back_on_demand_alone(world, capsys):
    file = world.csv("a.csv", [(0, "cat")])
    world.call("import", file)
    world.call("withdraw", world.id(0))
    capsys.readouterr()
    world.call("import", file)
    assert "1 of the known were withdrawn since, and stay so; --again gives them anew\n" in capsys.readouterr().out
    assert resolve(world.labels.read()).held == {}
    world.call("import", file, "--again")
    assert [*resolve(world.labels.read()).held] == [world.id(0)]


def test_what_a_run_filled_in_is_not_the_word_of_whoever_hands_the_table_in(world):
    """Two said dog, ann cat: the table of the next round comes with dog, and ann does not change her mind by it."""
    rows = [(0, "cat,ann"), (0, "dog,bob"), (0, "dog,cy")]
    world.call("import", world.csv("a.csv", rows, "id,label,annotator"))
    row = {image: row for row, image in enumerate(world.data.column("id"))}[world.id(0)]
    table = candidates_csv(world.data, [Pick(row, "train", "typical")], [None], {row: Known("dog", "cy")})
    world.call("import", world.file("candidates.csv", table), "--annotator", "ann", "--round", "2")
    assert world.said() == [(0, "cat"), (0, "dog"), (0, "dog")]
