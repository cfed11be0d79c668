"""Charts of the ordinary and of the odd: places are where the figures say, and no name or empty class breaks one."""

import re
from html.parser import HTMLParser
from xml.etree import ElementTree

import numpy as np
import pytest

from components.common import words
from components.common.charts.axes import Axes
from components.common.charts.scale import Scale, ticks
from components.common.charts.tracks import Row, tracks
from components.common.metrics import Bins, confusion_matrix, per_class, reliability
from components.evaluate import findings
from components.evaluate.charts import curves, grid
from components.evaluate.pages.confidence import diagram, risk_coverage

HOSTILE = "<b>\"x\"</b> & 'y'"


class Cells(HTMLParser):
    """The texts of the cells of a table."""

    def __init__(self, document: str) -> None:
        super().__init__()
        self.texts: list[str] = []
        self.inside = False
        self.feed(document)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.inside = tag == "td"

    def handle_data(self, data: str) -> None:
        if self.inside and data.strip().isdigit():
            self.texts.append(data)


@pytest.mark.parametrize(
    ("low", "high", "about", "found"),
    [
        (0, 1, 5, [0, 0.2, 0.4, 0.6, 0.8, 1]),
        (84.3, 97.1, 4, [85, 90, 95]),
        (-0.5, 1.2, 4, [-0.5, 0, 0.5, 1]),
        (3, 3, 4, [3]),
        (0, 12_000, 4, [0, 5000, 10_000]),
    ],
)
def test_ticks_are_round_numbers_inside(low, high, about, found):
    assert ticks(low, high, about) == found


def test_a_scale_is_a_line_and_holds_what_lies_outside():
    scale = Scale(90, 100, 0, 200)
    assert [scale(value) for value in (90, 95, 100, 80, 120)] == [0, 100, 200, 0, 200]
    assert Scale(5, 5, 0, 10)(5) == 5


def test_rows_stand_where_their_figures_are_and_names_stay_text():
    chart = tracks([Row(HOSTILE, "75 %", [("final", 75), ("f1", float("nan"))], (50, 100), "few")], 0, 100, " %")
    assert '<i class="mark final" style="left:75.00%">' in chart
    assert '<i class="span " style="left:50.00%;width:50.00%">' in chart
    assert chart.count('class="mark') == 1  # a figure without meaning has no mark
    assert HOSTILE not in chart
    assert "&lt;b&gt;" in chart
    assert ' zero"' not in chart
    assert ' zero"' in tracks([Row("a", "0")], -1, 1, "")


def test_svg_is_xml_with_its_parts_at_their_places():
    axes = Axes((0, 10), (0, 100), HOSTILE, "y")
    axes.dot(5, 50, "blue")
    axes.bar(0, 10, 0, 100, "pale")
    axes.line([(0, 0), (10, 100)], "blue")
    axes.text(5, 50, HOSTILE)
    root = ElementTree.fromstring(axes.svg(HOSTILE))
    (dot,), (bar,) = ([each.attrib for each in root.findall(name)] for name in ("circle", "rect"))
    assert float(dot["cx"]) == pytest.approx(float(bar["x"]) + float(bar["width"]) / 2, abs=0.2)
    assert float(dot["cy"]) == pytest.approx(float(bar["y"]) + float(bar["height"]) / 2, abs=0.2)
    assert root.attrib["aria-label"] == HOSTILE
    assert HOSTILE in [text.text for text in root.findall("text")]


@pytest.mark.parametrize("classes", [2, 10, 45])
def test_any_number_of_classes_and_any_name_can_be_drawn(classes):
    rng = np.random.default_rng(classes)
    true = rng.integers(classes - 1, size=300)  # the last class has no image
    said = np.where(rng.random(300) < 0.8, true, rng.integers(classes - 1, size=300))
    matrix = confusion_matrix(true, said, classes)
    assert np.isnan(per_class(matrix).recall[-1])
    names = [f"<{index}>" + "long name " * (classes > 20) for index in range(classes)]
    drawn = grid.confusion(names, matrix)
    assert drawn == grid.confusion(names, matrix)
    shown = sum(map(int, Cells(drawn).texts))
    kept = min(classes, grid.MOST_CLASSES)
    assert shown == matrix.sum() if kept == classes else shown < matrix.sum()
    assert drawn.count('<th scope="row">') == kept
    errors = matrix.sum(axis=0) + matrix.sum(axis=1) - 2 * np.diag(matrix)
    assert sorted(errors[grid.shown_classes(matrix)]) == sorted(errors)[-kept:]


def test_the_reliability_diagram_draws_each_filled_bin():
    bins: Bins = reliability(np.array([0.95, 0.92, 0.3]), np.array([1, 1, 0]), 10)
    root = ElementTree.fromstring(diagram(bins, "t"))
    bars = [bar for bar in root.findall("rect") if "blue" in bar.attrib["class"]]
    heights = [float(bar.attrib["height"]) for bar in bars]
    assert heights[0] == 0  # none of the one in the first bin is right
    assert heights[1] > 100  # both in the last
    assert len(root.findall("rect")) == 4


def test_the_risk_curve_goes_through_all_points():
    curve = {"coverage": [0.5, 1.0], "risk": [0.0, 0.2], "aurc": 0.05, "aurc_best": 0.02}
    drawn = risk_coverage(curve)
    assert "Mean error over all coverages 5.0 %; 2.0 % if every mistake" in drawn
    assert re.search(r'class="line blue" d="M[\d. ]+L[\d. ]+"', drawn)


def test_curves_of_few_and_of_many_rounds():
    point = {"round": 1, "labels": 20, "accuracy": 0.9, "accuracy_low": 0.8, "accuracy_high": 0.95}
    one = curves.rounds("t", [point, {**point, "round": 2}])
    assert "round 2: 90.0" in one
    many = curves.rounds("t", [{**point, "round": k, "labels": 20 + k} for k in range(30)])
    texts = [str(text.text) for text in ElementTree.fromstring(many).findall("text")]
    numbers = [int(text) for text in texts if text.isdigit() and 20 <= int(text) < 50]
    assert 49 in numbers  # the last one, and not all of thirty beside each other
    assert len(numbers) < 12


def test_findings_say_what_the_figures_say():
    names = ["cat", "dog"]
    assert findings.most_mistaken(names, np.array([[8, 2], [1, 9]])) == "Most often, cat is taken for dog: 2 of 10"
    assert findings.most_mistaken(names, np.eye(2, dtype=int)) == "No test image was mistaken"
    assert findings.weakest(names, np.array([0.5, np.nan])) == "The weakest class is cat, with an F1 of 50.0 %"
    about = {
        "images": 498,
        "accuracy": 0.962,
        "warmup_accuracy": 0.928,
        "accuracy_low": 0.941,
        "accuracy_high": 0.975,
        "provenance": {"classifier": {"handed_on": False}},
    }
    assert findings.headline(about) == (
        "The final model is right on 96.2 % of 498 test images, 3.4 points above the warm-up model; "
        "the 95 % interval reaches from 94.1 to 97.5 %."
    )
    assert "below" in findings.comparison({**about, "accuracy": 0.9})
    assert "did not improve" in findings.comparison({**about, "provenance": {"classifier": {"handed_on": True}}})
    assert findings.headline({"images": 0}).startswith("Not measured")


def test_findings_of_slices_clusters_and_what_was_forgotten():
    line = {"by": "folder", "name": "scans", "images": 40, "accuracy": 0.5, "high": 0.65, "small": False}
    said = "The weakest part is 'scans', by folder: 50.0 % of 40 images are right, against 90.0 % of all"
    assert findings.weakest_slice([line, {**line, "accuracy": 0.1, "small": True}], 0.9) == said
    assert findings.weakest_slice([{**line, "high": 0.95}], 0.9).startswith("No part of the test images is surely")
    clusters = [{"images": n, "share": n / 4, "label_most": str(n), "predicted_most": "b"} for n in (1, 3)]
    assert "75\N{NO-BREAK SPACE}% of the mistakes" in findings.largest_cluster(clusters)
    lost = {"images": 2, "of": 50, "share": 0.04, "low": 0.01, "high": 0.13}
    assert findings.forgotten(lost).startswith("2 of 50 images that the champion got right are wrong now: 4.0 % (95 %")
    assert findings.forgotten({**lost, "images": 0}).startswith("Nothing was forgotten of the 50 images")
    assert findings.suspects(30, 24) == "30 labels look wrong; the 24 likeliest are shown"
    assert findings.suspects(1, 1) == "1 label looks wrong"
    assert words.percent(None) == words.percent(float("nan")) == "–"
    assert words.sentence("a b.") == "A b."
