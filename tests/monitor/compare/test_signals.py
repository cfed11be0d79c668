"""Each kind of shift raises its signal in its words; no shift and tiny ones raise none."""

from itertools import combinations
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pytest

from components.common.errors import BadInputError
from components.monitor.observed import load
from components.monitor.settings import MonitorSettings
from components.monitor.signals.accuracy import less_sure_p
from components.monitor.signals.inputs import separation
from components.monitor.signals.measure import Measured, measure
from components.monitor.signals.sample import Held, compared
from components.monitor.signals.signal import AUDIT, WEIGHTS, Signal, look_level
from tests.monitor.observed import make

LEVEL = look_level(7 * 86400, 0.05)


def measured(folder: Path, level: float = LEVEL, settings: dict[str, Any] | None = None, **changes: Any) -> Measured:
    return measure(compared(load(make(folder, **changes))), level, MonitorSettings(**(settings or {})))


def by_name(found: Measured) -> dict[str, Signal]:
    return {signal.name: signal for signal in found.signals}


def test_no_drift_is_no_alarm_and_all_tests_share_the_level(tmp_path):
    found = measured(tmp_path)
    assert not any(signal.alarm or signal.significant for signal in found.signals)
    assert not found.accuracy["alarm"]
    assert found.expected is not None
    made = [*found.signals, found.expected]
    assert {signal.name for signal in made} == WEIGHTS.keys()
    assert sum(signal.level for signal in made) == pytest.approx(LEVEL)
    assert by_name(found)["brightness"].told.startswith("The images are as bright as they were: 0.50 on average")


@pytest.mark.parametrize(
    ("changes", "name", "words"),
    [
        ({"shift": 0.3}, "embedding_mmd", "To the model, the images as a whole differ"),
        ({"shift": 0.3}, "embedding_ks", "1 of the 16 numbers in which the model describes an image is distributed"),
        ({"novel": 40}, "novelty", "More images are like none of the reference: 11."),
        ({"brighter": 0.1}, "brightness", "The images are brighter: 0.60 on average, 0.50 in the reference."),
        ({"brighter": -0.1}, "brightness", "The images are darker: 0.40 on average, 0.50 in the reference."),
        ({"share": 0.6}, "shares", "The classes come in other shares; class ant more often: 58."),
        ({"novel": 120}, "confidence", "The model is less sure of its answers: "),
        ({"novel": 120}, "entropy", "The model wavers more between classes: "),
        ({"novel": 120}, "abstained", "The model leaves more images to people: "),
    ],
)
def test_each_shift_raises_its_signal_in_its_words(changes, name, words, tmp_path):
    found = by_name(measured(tmp_path, **changes))
    assert found[name].alarm
    assert found[name].told.startswith(words)
    quiet = {"size", "sharpness"} | ({"brightness"} if "brighter" not in changes else set())
    assert not any(found[other].alarm for other in quiet)


def test_images_of_a_new_class_lower_the_expected_accuracy(tmp_path):
    about = measured(tmp_path, novel=60).accuracy
    assert about["alarm"]
    assert about["told"].startswith("The model is likely to be right less often: ")
    assert about["atc"]["value"] < about["held_out"]["value"] - 0.03
    assert about["held_out"]["images"] == 400


def test_tiny_effects_of_many_images_are_told_and_are_no_alarm(tmp_path):
    found = by_name(measured(tmp_path, images=20_000, reference=3000, brighter=0.015, share=0.36))
    assert found["brightness"].significant
    assert not found["brightness"].alarm
    assert found["brightness"].told.endswith("but by less than is worth an alarm.")
    assert not any(signal.alarm for signal in found.values())


def test_what_may_not_raise_an_alarm_is_only_told(tmp_path):
    found = by_name(measured(tmp_path, settings={"alarm_on": ["predictions"]}, brighter=0.1, share=0.6))
    assert found["shares"].alarm
    assert not found["brightness"].alarm
    assert found["brightness"].told.endswith("; alarms of inputs are switched off.")


def test_a_reference_of_format_1_is_compared_in_what_it_has(tmp_path):
    each = compared(load(make(tmp_path, reference_format=1, share=0.6)))
    found = measure(each, LEVEL, MonitorSettings())
    assert each.lacks.startswith("The release's reference knows no labels, entropies and thresholds")
    assert {signal.name for signal in found.signals} == WEIGHTS.keys() - {"entropy", "abstained", "accuracy"}
    assert sum(signal.level for signal in found.signals) == pytest.approx(LEVEL)
    assert by_name(found)["shares"].alarm
    assert found.accuracy["atc"] is None
    assert found.accuracy["told"].startswith("The reference holds 0 labelled test images")


def test_shares_are_estimated_through_the_mistakes_of_the_classifier(tmp_path):
    found = measured(tmp_path, images=2000, share=0.5)
    ant = next(row for row in found.shares if row["class"] == "ant")
    assert ant["low"] < 0.5 < ant["high"]
    assert ant["estimate"] == pytest.approx(0.5, abs=0.03)
    assert ant["reference"] == pytest.approx(1 / 3, abs=0.05)
    assert sum(row["estimate"] for row in found.shares) == pytest.approx(1, abs=1e-4)


def test_the_looks_of_a_year_and_the_audit_spend_what_a_year_may():
    days = [1, 6, 30, 100, 228.25]
    assert sum(look_level(day * 86400, 0.05) for day in days) + 0.05 * AUDIT == pytest.approx(0.05)
    assert look_level(10 * 366 * 86400, 0.05) == pytest.approx(0.05 * (1 - AUDIT))


def test_separation_is_small_where_nothing_differs_however_many_numbers_there_are():
    rng = np.random.default_rng(5)
    x, y = (rng.standard_normal((1000, 512)) for _ in range(2))
    assert separation(x, y, 32.0, 0) < 0.08
    assert separation(x, y + np.eye(512)[3] * 3, 32.0, 0) > 0.5


def test_p_of_less_sure_answers_is_the_share_of_orders_that_are_as_extreme():
    """Against all orders of 3 held-out and 4 observed confidences, each as likely as the next."""
    held = Held(np.array([0.3, 0.5, 0.9]), np.array([False, True, True]))  # r = 1: the threshold is 0.3
    observed = np.array([0.1, 0.2, 0.6, 0.7])  # k = 2 below it
    orders = list(combinations(range(7), 3))  # places of the held-out ones, ascending
    extreme = sum(order[0] >= 2 for order in orders)  # two observed ones or more come first
    assert less_sure_p(held, observed) == pytest.approx(extreme / len(orders))
    assert less_sure_p(held, np.array([0.8, 0.95])) == 1


def test_p_of_less_sure_answers_is_no_smaller_than_it_says():
    rng = np.random.default_rng(0)
    found = []
    for _ in range(2000):
        confidence = rng.random(300)
        found.append(less_sure_p(Held(confidence, rng.random(300) < confidence**0.05), rng.random(200)))
    assert np.mean(np.array(found) <= 0.05) <= 0.065


@pytest.mark.parametrize(
    ("column", "said"),
    [
        ("predicted", "predicted class 'dog' is none of the release's 3 classes"),
        ("embedding", "embeddings of 3 numbers"),
    ],
)
def test_answers_that_are_not_of_the_release_are_refused_in_a_line(column, said, tmp_path):
    observed = load(make(tmp_path))
    values = {"predicted": ["dog"] * 400, "embedding": [[0.0, 1.0, 0.0]] * 400}[column]
    place = observed.table.column_names.index(column)
    field = observed.table.schema.field(column)
    table = observed.table.set_column(place, column, pa.array(values, field.type))
    with pytest.raises(BadInputError, match=said):
        compared(observed._replace(table=table))


def test_drift_is_measured_from_the_present_and_accuracy_expected_from_all_labels(tmp_path):
    """A reference half of whose images are of an older, brighter past."""
    old, now = (load(make(tmp_path / name, brighter=bright)) for name, bright in (("old", 0.2), ("now", 0.0)))
    past = old.table.select(["id", "predicted", "confidence", "abstain", "brightness", "size", "sharpness", "entropy"])
    past = past.append_column("label", past["predicted"])
    vectors = old.table["embedding"].cast(now.reference.schema.field("embedding").type)
    past = past.append_column("embedding", vectors).append_column("present", pa.array([False] * len(past)))
    present = now.reference.append_column("present", pa.array([True] * len(now.reference)))
    both = compared(now._replace(reference=pa.concat_tables([past.select(present.column_names), present])))
    alone = compared(now)
    assert np.array_equal(both.known.figures["brightness"], alone.known.figures["brightness"])
    assert not any(signal.alarm for signal in measure(both, LEVEL, MonitorSettings()).signals)
    assert both.held is not None
    assert alone.held is not None
    assert len(both.held.correct) == len(alone.held.correct) + len(past)
