"""The true accuracy in production: a fair draw of answers, and what people say of them, by the real label store."""

from collections import Counter
from datetime import UTC, datetime, timedelta
from typing import Any

import numpy as np
import pyarrow as pa
import pytest

from components.common.audits import AUDIT, FILE, drawn
from components.common.storage import IntegrityError
from components.labels.store import CLASS, NONE, SKIP, WITHDRAWN, Answer
from components.monitor.audit import draw, measured
from components.monitor.looks import publish
from components.monitor.settings import MonitorSettings
from components.monitor.statistics.sequential import confidence_sequence
from tests.labels.world import NAME, World
from tests.monitor.audits import START, VERSION, look, released, table, until


@pytest.fixture
def world(tmp_path):
    return World(tmp_path, images=40)


def observed(answers: int) -> pa.Table:
    """Rows as collect hands them on, with columns that an audit does not need."""
    made = table([(f"{number:064x}", "cat") for number in range(answers)]).drop_columns(["picture"])
    return made.append_column("entropy", pa.array(np.zeros(answers, np.float32)))


def settings(audit: float, **others: int) -> MonitorSettings:
    return MonitorSettings(audit=int(audit), **others)


def say(world: World, image: str, label: str, who: str = "ann", kind: str = CLASS, minutes: int = 0) -> None:
    """An answer of a person, given after all looks."""
    time = datetime(2026, 6, 1, tzinfo=UTC) + timedelta(minutes=minutes)
    world.labels.append([Answer(image, kind, label if kind == CLASS else None, who, time, "page", 1)])


def of(world: World, version: str = VERSION, **others: Any) -> dict[str, Any]:
    found = measured(world.store, NAME, NAME, version, **others)
    assert found is not None
    return found


def test_a_draw_is_of_the_size_asked_for_by_the_time_covered_and_the_same_again():
    served = observed(500)
    made = draw(served, settings(20), "digits", 3, days=7)
    assert made.schema == AUDIT
    assert len(made) == 20
    assert made.equals(draw(served, settings(20), "digits", 3, days=7))
    others = draw(served, settings(20), "digits", 4, days=7), draw(served, settings(20, seed=1), "digits", 3, days=7)
    assert not any(made.equals(other) for other in others)
    assert len(draw(served, settings(20), "digits", 3, days=14)) == 40
    assert len(draw(served, settings(0), "digits", 3, days=7)) == 0
    assert len(draw(served.slice(0, 0), settings(20), "digits", 3, days=7)) == 0
    few = [len(draw(served, settings(1), "digits", number, days=1)) for number in range(700)]
    assert set(few) == {0, 1}
    assert sum(few) == pytest.approx(100, abs=28)  # three standard deviations


def test_every_answer_is_as_likely_as_any_other_whatever_the_model_said():
    served = observed(20)
    counts = Counter(
        image for number in range(400) for image in draw(served, settings(10), "m", number, 7).column("id").to_pylist()
    )
    seen = np.array([counts[f"{number:064x}"] for number in range(20)])
    assert seen.sum() == 4000
    assert ((seen - 200) ** 2 / 200).sum() < 43.8  # 99.9 % quantile of chi-square with 19 degrees of freedom


def test_pictures_are_asked_for_once_an_image_and_may_be_missing():
    asked = []

    def picture(row):
        asked.append(row["id"])
        return b"png" if int(row["id"], 16) % 2 else None

    made = draw(observed(6), settings(30), "m", 1, 7, picture)
    assert sorted(asked) == sorted(set(made.column("id").to_pylist()))
    for row in made.to_pylist():
        assert row["picture"] == (b"png" if int(row["id"], 16) % 2 else None)


def test_answers_are_right_wrong_or_not_known_by_what_people_say_now(world):
    ids = [world.id(number) for number in range(9)]
    look(world.store, NAME, 1, table([(image, "cat") for image in ids[:5]]))
    look(world.store, NAME, 2, table([(image, "dog") for image in ids[5:]]))
    assert of(world)["told"] == "The true accuracy is not known yet: 9 audited answers wait for a label."
    say(world, ids[0], "cat")
    say(world, ids[1], "dog")
    say(world, ids[2], "", kind=NONE)
    say(world, ids[3], "", kind=SKIP)
    say(world, ids[4], "cat")
    say(world, ids[4], "dog", who="bea")
    say(world, ids[5], "dog")
    say(world, ids[6], "dog")
    say(world, ids[6], "", kind=WITHDRAWN, minutes=1)
    found = of(world)
    assert {key: found[key] for key in ("drawn", "labelled", "right", "accuracy")} == {
        "drawn": 9,
        "labelled": 4,
        "right": 2,
        "accuracy": 0.5,
    }
    assert {key: found[key] for key in ("waiting", "skipped", "open", "learned")} == {
        "waiting": 3,
        "skipped": 1,
        "open": 1,
        "learned": 0,
    }
    assert 0 <= found["low"] < 0.5 < found["high"] <= 1
    assert found["told"].startswith("Of 4 audited answers 2 are right, 50.0 % (")
    assert found["told"].endswith(
        "; 3 wait for a label, so the figure is of the others; 1 were passed over; 1 are open, for people disagree."
    )
    assert [(each["number"], each["drawn"], each["labelled"], each["right"]) for each in found["looks"]] == [
        (1, 5, 3, 1),
        (2, 4, 1, 1),
    ]
    world.labels.rename("dog", "hound", "ann", START)
    assert of(world)["right"] == 2, "whoever said dog meant hound, the model too"
    assert measured(world.store, NAME, NAME, "w" * 16) is None


def test_an_answer_that_was_drawn_twice_counts_twice(world):
    look(world.store, NAME, 1, table([(world.id(0), "cat"), (world.id(0), "cat"), (world.id(1), "cat")]))
    say(world, world.id(0), "cat")
    assert (of(world)["labelled"], of(world)["waiting"]) == (2, 1)


def test_what_a_version_learned_from_never_counts_for_it_and_counts_for_the_one_before(world):
    ids = [world.id(number) for number in range(4)]
    before = released(world.store, NAME, {world.id(20): "train"})
    look(world.store, NAME, 1, table([(image, "cat") for image in ids], before))
    for image in ids:
        say(world, image, "cat")
    purposes = dict(zip(ids, ("train", "validation", "calibration", "test"), strict=True))
    after = released(world.store, NAME, purposes)
    look(world.store, NAME, 2, table([(image, "dog") for image in [*ids, world.id(5)]], after))
    say(world, world.id(5), "dog")
    assert (of(world, before)["labelled"], of(world, before)["right"]) == (4, 4)
    found = of(world, after)
    assert (found["drawn"], found["learned"], found["labelled"], found["right"]) == (5, 3, 2, 1)
    assert "3 are left out, for the model learned from them" in found["told"]


def test_near_duplicates_of_what_a_version_learned_from_do_not_count_either(tmp_path):
    world = World(tmp_path)
    ids = world.data.column("id").tolist()
    groups = [ids[0] if number < 2 else image for number, image in enumerate(ids)]
    world.publish_index(world.data.index.set_column(8, "group", pa.array(groups)))
    version = released(world.store, NAME, {ids[0]: "train"})
    look(world.store, NAME, 1, table([(ids[1], "cat"), (ids[2], "cat")], version))
    for image in ids[1:3]:
        say(world, image, "cat")
    assert (of(world, version)["learned"], of(world, version)["labelled"]) == (1, 1)


def test_answers_of_a_labels_file_measure_too(world, tmp_path):
    look(world.store, NAME, 1, table([(world.id(number), "cat") for number in range(4)]))
    lines = [(0, "cat"), (1, "dog"), (2, "cat,ann"), (2, "dog,bea")]
    file = world.csv(
        "answers.csv", [(n, text if "," in text else f"{text},") for n, text in lines], "id,label,annotator"
    )
    found = of(world, labels_file=file)
    assert (found["labelled"], found["right"], found["open"], found["waiting"]) == (2, 1, 1, 1)


def test_an_alarm_needs_an_interval_below_what_was_expected_by_what_is_worth_it(world):
    look(world.store, NAME, 1, table([(world.id(number), "cat") for number in range(40)]))
    for number in range(40):
        say(world, world.id(number), "cat" if number % 2 else "dog", minutes=number)
    found = of(world, expected=0.95, least=0.03)
    assert found["alarm"] is True
    assert of(world, expected=0.95, least=0.4)["alarm"] is False
    assert of(world)["alarm"] is False


def test_later_labels_never_change_the_bounds_that_stood_before(world):
    """The order is that in which labels became known, not that of the answers."""
    look(world.store, NAME, 1, table([(world.id(number), "cat") for number in range(10)]))
    look(world.store, NAME, 2, table([(world.id(number), "cat") for number in range(10, 20)]))
    rng = np.random.default_rng(0)
    told = []
    for minutes, number in enumerate(rng.permutation(20)):
        say(world, world.id(int(number)), "cat" if rng.random() < 0.7 else "dog", minutes=minutes)
        found = of(world)
        told.append((found["low"], found["high"]))
        assert found["labelled"] == len(told)
    answers = world.labels.read().answers
    lows, highs = confidence_sequence(np.array([answer.label == "cat" for answer in answers]), 0.95)
    np.testing.assert_allclose(told, np.stack([lows, highs], axis=1))


def test_the_interval_covers_fresh_streams_however_often_it_is_looked_at():
    """Of 200 streams of weekly draws whose accuracy wanders, the share in which the interval ever missed the mean
    accuracy of the answers so far is at most the level; and it is not so wide that it says nothing.
    """
    rng = np.random.default_rng(7)
    level, streams, weeks, rows = 0.1, 200, 26, observed(200)
    missed, widths = 0, []
    for _ in range(streams):
        accuracy = np.clip(0.93 + np.cumsum(rng.normal(0, 0.02, weeks)), 0.3, 0.99)
        right, chance = [], []
        for week in range(weeks):
            served = rng.random(len(rows)) < accuracy[week]
            made = draw(rows, settings(10, seed=int(rng.integers(2**31))), "m", week, 7)
            right += [bool(served[int(image, 16)]) for image in made.column("id").to_pylist()]
            chance += [served.mean()] * len(made)
        lows, highs = confidence_sequence(np.array(right), 1 - level)
        mean = np.cumsum(chance) / np.arange(1, len(chance) + 1)
        missed += bool(np.any((mean < lows) | (mean > highs)))
        widths.append(highs[-1] - lows[-1])
    assert missed / streams <= level
    assert np.mean(widths) < 0.2


def test_only_looks_that_count_are_read_and_a_broken_draw_is_one_line(world):
    look(world.store, NAME, 2, table([(world.id(1), "cat")]))
    look(world.store, NAME, 1, table([(world.id(0), "cat")]))
    look(world.store, NAME, 3, table([]))
    world.store.write(f"monitor/{NAME}/looks/000004/0123/audit.parquet", b"PAR1")  # of a monitor that was killed
    assert [(each.number, each.about["until"]) for each in drawn(world.store, NAME)] == [
        (1, until(1).isoformat()),
        (2, until(2).isoformat()),
    ]
    publish(world.store, NAME, {"format": 1, "model": NAME, "number": 5, "until": START.isoformat()}, {FILE: b"PAR1"})
    with pytest.raises(IntegrityError, match=r"looks/000005/\w+/audit.parquet: no table of audited answers") as error:
        of(world)
    assert "\n" not in str(error.value)
