"""Charts of the ordinary and of the odd: equal inputs give equal pictures, and no name or empty class breaks one."""

import numpy as np
import pytest
from components.evaluate.report import picture

from components.common.metrics import confusion_matrix, per_class, reliability
from components.evaluate import findings, plots


def drawn(classes: int) -> tuple[list[str], np.ndarray]:
    rng = np.random.default_rng(classes)
    true = rng.integers(classes - 1, size=300)  # the last class has no image
    said = np.where(rng.random(300) < 0.8, true, rng.integers(classes - 1, size=300))
    return [f"${index}_{'long name ' * (classes > 20)}$" for index in range(classes)], confusion_matrix(
        true, said, classes
    )


@pytest.mark.parametrize("classes", [2, 10, 45])
def test_any_number_of_classes_and_any_name_can_be_drawn(classes):
    names, matrix = drawn(classes)
    figures = per_class(matrix)
    assert np.isnan(figures.recall[-1])
    chart, same = (plots.classes(findings.weakest(names, figures.f1), names, figures) for _ in range(2))
    assert len(chart.axes[0].get_yticklabels()) == min(classes, plots.MOST_CLASSES)
    table = plots.confusion(findings.most_mistaken(names, matrix), names, matrix)
    kept = min(classes, plots.MOST_CLASSES)
    shown = sum(int(text.get_text()) for text in table.axes[0].texts)
    assert shown == matrix.sum() if kept == classes else shown < matrix.sum()
    assert picture(table).data
    assert picture(chart).data == picture(same).data


def test_the_reliability_diagram_draws_each_filled_bin():
    bins = reliability(np.array([0.95, 0.92, 0.3]), np.array([1, 1, 0]), 10)
    figure = plots.reliability("t", [("a", bins), ("b", bins)])
    assert [bar.get_bbox().height for bar in figure.axes[0].containers[0]] == [0.0, 1.0]
    assert picture(figure).data[:4] == b"\x89PNG"


def test_the_map_draws_unlabelled_images_and_no_picks():
    points = np.random.default_rng(0).normal(size=(20, 2))
    for label in (np.full(20, -1), np.arange(20) % 3):
        assert picture(plots.embedding_map("t", points, ["a", "b", "c"], label, np.zeros(20, dtype=bool))).data


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
