"""A look from its artifact to the store: published once, with what it found, since when, and what is new."""

from pathlib import Path

import pytest

from components.common.audits import drawn
from components.common.errors import BadInputError
from components.common.files import sha256_tree, write_json
from components.common.parquet import read_table
from components.common.storage import open_store
from components.common.wanted import read_wanted
from components.monitor.compare.told import told
from components.monitor.looks import looks, place_of, read_file
from components.monitor.signals.verdict import verdict
from components.monitor.signals.was_right import was_right
from components.releases.bundle import describe
from tests.monitor.compare.world import World, released


@pytest.fixture
def world(tmp_path: Path) -> World:
    return released(tmp_path)


def test_a_look_without_drift_is_published_and_raises_no_alarm(world):
    drift, folder = world.compare(world.observe())
    assert drift["verdict"] == {
        "alarm": False,
        "cannot_tell": False,
        "title": "Nothing has changed that is worth an alarm",
        "why": ["Nothing has changed that is worth an alarm."],
        "since": None,
    }
    assert (drift["version"], drift["images"], drift["number"]) == (world.version, 400, 1)
    assert drift["level"] == drift["spent_in_year"] == pytest.approx(0.05 * 0.8 * 7 / 365.25, rel=1e-4)
    (look,) = looks(open_store(world.store), "pets")
    assert {name: value for name, value in look.items() if name != "files"} == drift
    assert read_file(open_store(world.store), look, "drift.html") == (folder / "drift.html").read_bytes()


def test_an_alarm_says_since_when_and_ends_with_what_it_was_about(world):
    shifts = [{}, {"brighter": 0.1}, {"brighter": 0.1, "share": 0.6}, {"share": 0.6}, {}]
    found = [world.compare(world.observe(number, **shift))[0] for number, shift in enumerate(shifts, start=1)]
    starts = [drift["since"] for drift in found]
    assert [drift["verdict"]["alarm"] for drift in found] == [False, True, True, True, False]
    assert [drift["verdict"]["since"] for drift in found] == [None, starts[1], starts[1], starts[2], None]
    since = [{test["name"]: test["since"] for test in drift["signals"]} for drift in found]
    assert [each["brightness"] for each in since] == [None, starts[1], starts[1], None, None]
    assert [each["shares"] for each in since] == [None, None, starts[2], starts[2], None]
    assert found[4]["spent_in_year"] == pytest.approx(5 * found[0]["level"], rel=1e-4)
    titles = [drift["verdict"]["title"] for drift in found[1:3]]
    assert titles == [
        "Other images come than those that the model was measured on",
        "Other images come, and the model answers otherwise",
    ]


def test_an_alarm_of_another_release_is_no_beginning_of_this_ones(world):
    world.compare(world.observe(1, brighter=0.1))
    other = released(world.folder, classes=["another release"])
    drift, _ = other.compare(other.observe(2, brighter=0.1))
    assert drift["verdict"]["since"] == drift["since"]
    assert drift["spent_in_year"] == pytest.approx(2 * drift["level"], rel=1e-4)


@pytest.mark.parametrize(
    ("changes", "why"),
    [
        (
            {"images": 30, "why": "there are 30 images, 100 are the least"},
            "There are 30 images, 100 are the least.",
        ),
        ({"images": 0, "why": "the log is empty"}, "The log is empty."),
        ({"reference": 12}, "The release's reference holds 12 images, 20 are the least to compare with"),
    ],
)
def test_where_nothing_can_be_told_yet_nothing_is_published(world, changes, why):
    drift, folder = world.compare(world.observe(**changes))
    assert drift["verdict"]["cannot_tell"]
    assert not drift["verdict"]["alarm"]
    assert drift["verdict"]["why"][0].startswith(why)
    assert (drift["published"], drift["level"]) == (False, 0)
    assert looks(open_store(world.store), "pets") == []
    page = (folder / "drift.html").read_text()
    assert "Cannot tell yet" in page
    assert "the next look takes these images in" in page
    assert told(drift)[0] == "Cannot tell yet"


def test_of_two_monitors_at_once_one_publishes_and_the_other_hands_on_what_that_found(world, capsys):
    quiet, shifted = world.observe(1, "observed-a"), world.observe(1, "observed-b", brighter=0.2, seed=9)
    first, _ = world.compare(quiet)
    capsys.readouterr()
    second, folder = world.compare(shifted)
    assert "look 1 was published by another monitor meanwhile" in capsys.readouterr().out
    assert second == first
    assert not second["verdict"]["alarm"]
    assert len(looks(open_store(world.store), "pets")) == 1
    names = {path.name: path.read_bytes() for path in folder.iterdir()}
    assert names == {path.name: path.read_bytes() for path in (world.folder / "drift-a").iterdir()}


def test_a_look_that_is_taken_again_writes_equal_bytes(world):
    observed = world.observe(novel=30)
    first = world.compare(observed)[1]
    second = world.compare(observed, "again")[1]
    assert sha256_tree(first) == sha256_tree(second)
    assert len(looks(open_store(world.store), "pets")) == 1


def test_what_is_new_is_named_for_labelling_and_what_came_twice_once(world):
    observed = world.observe(novel=40)
    drift, folder = world.compare(observed, candidates=30)
    new = set(read_table(observed / "observed.parquet").column("id").to_pylist()[:40])
    assert drift["novel"]["images"] >= 40
    assert drift["novel"]["share"] > 5 * drift["novel"]["usual_share"]
    assert len(drift["novel"]["ids"]) == len(set(drift["novel"]["ids"])) == 30
    assert len(new.intersection(drift["novel"]["ids"])) >= 25
    (look,) = looks(open_store(world.store), "pets")
    for name in ("candidates.parquet", "candidates.csv"):
        wanted = read_wanted(place_of(open_store(world.store), look, name))[1]
        assert list(wanted) == drift["novel"]["ids"]
        assert all(reason.startswith("new to the model: nearest known image at 0.") for reason in wanted.values())
    distances = read_table(folder / "candidates.parquet").column("distance").to_pylist()
    assert distances == sorted(distances, reverse=True)
    assert min(distances) > drift["novel"]["threshold"]


def test_an_alarm_asks_for_as_many_labels_as_are_wanted_even_where_little_is_new(world):
    _, alarm = world.compare(world.observe(1, brighter=0.2), candidates=50)
    _, quiet = world.compare(world.observe(2), candidates=50)
    asked, named = (read_table(folder / "candidates.parquet") for folder in (alarm, quiet))
    assert len(asked) == 50
    assert len(named) < 20
    assert asked.column("reason").to_pylist()[-1].startswith("among the least like what the model knows")


def test_the_audit_draws_and_its_draw_lies_with_the_look(world):
    drift, folder = world.compare(world.observe(1), audit=14)
    assert drift["audit"] is None  # of earlier looks there is no draw
    (draw,) = drawn(open_store(world.store), "pets")
    assert len(draw.answers) == 14
    assert not (folder / "audit.parquet").exists()
    audit = world.compare(world.observe(2), audit=14)[0]["audit"]
    assert (audit["drawn"], audit["labelled"], audit["alarm"], audit["since"]) == (14, 0, False, None)
    assert audit["told"].startswith("The true accuracy is not known yet")


def test_an_audit_that_finds_fewer_right_is_an_alarm_before_all_others():
    quiet = {"alarm": False, "since": None, "told": "-"}
    found = {"alarm": True, "since": "2026-03-09T06:00:00+00:00", "told": "Of 80 audited answers 60 are right."}
    inputs = {**found, "family": "inputs", "since": "2026-03-02T06:00:00+00:00", "told": "The images are brighter."}
    outcome = verdict([inputs], quiet, found)
    assert outcome["title"] == "The model is right less often"
    assert outcome["why"] == [found["told"], inputs["told"]]
    assert outcome["since"] == inputs["since"]
    assert verdict([], quiet, None)["alarm"] is False


def test_how_right_the_expectation_was_counts_looks_by_their_labels():
    known = [{"number": n, "accuracy": {"atc": {"value": value}}} for n, value in ((1, 0.9), (2, 0.8), (3, 0.7))]
    audit = {"looks": [{"number": 1, "labelled": 30, "right": 24}, {"number": 2, "labelled": 10, "right": 8}]}
    found = was_right(known, {"looks": [*audit["looks"], {"number": 3, "labelled": 0, "right": 0}]})
    assert found is not None
    assert (found["looks"], found["labelled"], found["audited"]) == (2, 40, 0.8)
    assert found["expected"] == pytest.approx((30 * 0.9 + 10 * 0.8) / 40)
    assert found["mean_error"] == pytest.approx(0.075)
    assert found["told"].startswith("Over 2 looks 87.5 % were expected to be right, and of 40 audited answers 80.0 %")
    assert was_right(known, None) is None


def test_a_release_that_lies_in_no_store_is_looked_at_and_nothing_is_kept(world):
    drift, _ = world.compare(world.observe(store=None))
    assert not drift["published"]
    assert not drift["verdict"]["cannot_tell"]
    assert looks(open_store(world.store), "pets") == []


def test_lines_for_the_terminal_have_the_tests_the_verdict_and_where_the_page_is(world):
    drift, _ = world.compare(world.observe(brighter=0.1))
    lines = told(drift, "drift.html")
    assert lines[0].split() == ["what", "reference", "observed", "p", "allowed"]
    (brightness,) = (line.split() for line in lines if line.startswith("brightness"))
    assert brightness[-1] == "ALARM"
    assert f"ALARM: {drift['verdict']['title']}, since 2026-02-23" in lines
    assert lines[-1].endswith("400 images from 2026-02-23 to 2026-03-02; drift.html")
    assert all(len(line) <= 120 for line in lines)


def test_a_release_of_another_model_is_refused(world):
    observed = world.observe()
    other = world.folder / "other"
    write_json(other / "release.json", describe({}, {"model": "digits"}))
    with pytest.raises(BadInputError, match="is a release of digits, but the answers are of pets"):
        world._replace(release=str(other)).compare(observed)
