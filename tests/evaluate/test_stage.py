"""The stage on the tiny world: figures against scikit-learn, a self-contained page, equal bytes, no test labels."""

import json
import re
import sys

import numpy as np
import pyarrow.parquet as pq
import pytest
from kfp.dsl import ClassificationMetrics
from sklearn import metrics as sk

from components.common.artifacts import load_labels
from components.common.errors import BadInputError
from components.common.files import read_json, sha256_tree, write_json
from components.common.metrics import wilson_interval
from components.evaluate.figures import measure, provenance
from components.evaluate.gates import UNMEASURED
from components.evaluate.pages.facts import load
from components.evaluate.settings import EvaluateSettings
from components.evaluate.stage import run
from tests import tiny


def test_the_figures_are_scikit_learns(tiny_world, tiny_evaluated):
    rows = pq.read_table(tiny_evaluated.evaluation / "predictions.parquet").to_pydict()
    figures = read_json(tiny_evaluated.evaluation / "metrics.json")
    assert rows["id"] == list(tiny_world.data.column("id")[tiny_world.rows["test"]])
    assert rows["label"] == list(tiny_world.data.column("label")[tiny_world.rows["test"]])
    assert figures["accuracy"] == sk.accuracy_score(rows["label"], rows["predicted"])
    assert figures["warmup_accuracy"] == sk.accuracy_score(rows["label"], rows["warmup_predicted"])
    assert (
        figures["confusion"]
        == sk.confusion_matrix(rows["label"], rows["predicted"], labels=figures["classes"]).tolist()
    )
    low, high = wilson_interval(round(figures["accuracy"] * figures["images"]), figures["images"])
    assert (figures["accuracy_low"], figures["accuracy_high"]) == (low, high)
    precision, recall, f1, support = sk.precision_recall_fscore_support(
        rows["label"], rows["predicted"], labels=figures["classes"]
    )
    for name, values in (("precision", precision), ("recall", recall), ("f1", f1), ("support", support)):
        assert [line[name] for line in figures["per_class"]] == pytest.approx(list(values))
    assert figures["macro_f1"] == pytest.approx(np.mean(f1))
    changed = figures["mistakes_mended"] - figures["mistakes_made"]
    assert changed / figures["images"] == pytest.approx(figures["accuracy"] - figures["warmup_accuracy"])


def test_kubeflow_is_told_in_its_own_form(tiny_evaluated):
    figures = read_json(tiny_evaluated.evaluation / "metrics.json")
    theirs = ClassificationMetrics()
    theirs.log_confusion_matrix(figures["classes"], figures["confusion"])
    assert tiny_evaluated.metadata["confusion"] == theirs.metadata == read_json(tiny_evaluated.confusion)
    assert all(isinstance(value, int | float) for value in tiny_evaluated.metadata["metrics"].values())
    assert {
        "accuracy",
        "accuracy_low",
        "accuracy_high",
        "warmup_accuracy",
        "ece_before",
        "ece_after",
        "nll",
        "brier",
        "images",
    } <= set(read_json(tiny_evaluated.metrics))
    gates = json.loads(tiny_evaluated.metadata["evaluation"]["gates"])
    assert gates == read_json(tiny_evaluated.evaluation / "gate.json")["gates"]
    assert [gate["name"] for gate in gates] == ["ece", "accuracy against warmup", "accuracy against champion", "onnx"]


def test_gates_on_classes_and_slices_find_their_figures(tiny_world, tmp_path):
    """Through the stage, which knows what each model said of each image."""
    rules = [
        "recall[3] >= 0",
        "f1[3] >= 0",
        "accuracy[brightness=darkest] >= 0",
        "images[class 3] <= 9",
        "recall[3] not below warmup at 95 %",
        "accuracy[brightness=darkest] not below warmup by more than 100 points",
        "aurc <= 1",
        "latency_ms_p95 <= 10000",
    ]
    done = tiny.evaluated(tiny_world, tmp_path, gates=rules, map_points=0)
    gate, about = (read_json(done.evaluation / name) for name in ("gate.json", "metrics.json"))
    rows = {row["rule"]: row for row in gate["gates"]}
    assert list(rows) == [*rules, "onnx_difference <= 0.0001"]
    assert rows[rules[-1]]["figure"] > 0
    assert "latency" not in about, "a time differs from run to run"
    (failed,) = (row for row in gate["gates"] if not row["passed"])
    assert failed["why"].startswith("there is no class 'class 3'; ")
    assert not gate["passed"]
    assert gate["decision"]["ship"] is False
    assert gate["decision"]["title"] == "Do not ship, 1 of 9 gates failed"
    assert done.metadata["evaluation"]["decision"].startswith(
        "Do not ship, 1 of 9 gates failed: images[class 3] <= 9: "
    )
    lines = {line["class"]: line for line in about["per_class"]}
    assert rows["recall[3] >= 0"]["figure"] == lines["3"]["recall"]
    dark = next(line for line in about["slices"] if (line["by"], line["name"]) == ("brightness", "darkest"))
    row = rows["accuracy[brightness=darkest] >= 0"]
    assert (row["figure"], row["images"]) == (dark["accuracy"], dark["images"])


def test_the_page_is_whole_without_code_and_without_the_web(tiny_world, tiny_evaluated):
    page = (tiny_evaluated.evaluation / "report.html").read_text(encoding="utf-8")
    assert tiny_evaluated.report.read_text(encoding="utf-8") == page
    assert "<link" not in page
    assert not re.search(r"""(src|href)\s*=\s*["']?(https?:)?//""", page)
    assert not re.search(r"url\(\s*[\"']?https?:", page)
    assert "decision.box(facts)" not in page
    assert page.count("data:image/png;base64,") >= 5
    title = read_json(tiny_evaluated.evaluation / "gate.json")["decision"]["title"]
    assert page.index(f"<h3>{title}</h3>") < page.index("Gates</h2>")
    figures = read_json(tiny_evaluated.evaluation / "metrics.json")
    assert f"{100 * figures['accuracy']:.1f} %" in page
    assert tiny_world.data.id in page
    assert "Traceback" not in page


def test_a_second_run_gives_equal_bytes_whatever_kernels_are_installed(
    tiny_world, tiny_evaluated, tmp_path, monkeypatch
):
    home = tmp_path / "home"  # read-only, with a kernel named python3 that cannot start
    write_json(
        home / ".local/share/jupyter/kernels/python3/kernel.json",
        {"argv": ["false"], "display_name": "No", "language": "python"},
    )
    home.chmod(0o555)
    for name, value in {
        "HOME": str(home),
        "XDG_CACHE_HOME": str(home / "cache"),
        "XDG_CONFIG_HOME": str(home / "config"),
    }.items():
        monkeypatch.setenv(name, value)
    again = tiny.evaluated(tiny_world, tmp_path / "again")
    for first, second in zip(tiny_evaluated[:-1], again[:-1], strict=True):
        assert sha256_tree(first) == sha256_tree(second), first.name
    written = (again.evaluation / "report.ipynb").read_text(encoding="utf-8")
    assert str(tmp_path) not in written
    assert sys.prefix not in written


def test_propagated_labels_are_counted_apart_and_shown_as_nobodys(tiny_world, tiny_evaluated, tmp_path):
    world = tiny.propagated(tiny_world, tmp_path, 60)
    n, labels = len(tiny_world.rows["train"]), load_labels(world.labels)[1]
    fitted = {"temperature": 1.0, "helped": False, "why": "", "images": 0}
    told = provenance(world.data, labels, world.warm, world.classifier, fitted, 0, 1, EvaluateSettings())["labels"]
    assert (told["counts"]["train"], told["propagated"]) == (60, n - 60)
    dataset, embeddings, people = map(str, (world.dataset, world.embeddings, world.labels))
    facts = load(dataset, embeddings, people, str(world.classifier), str(tiny_evaluated.evaluation), world.store)
    assert facts.picked.sum() == 60
    assert (facts.label >= 0).sum() == sum(told["counts"].values())


def test_without_test_labels_the_run_ends_and_the_gates_fail(tiny_world, tmp_path):
    tiny.labels(tmp_path / "labels", tiny_world.data, {**tiny_world.rows, "test": np.array([], dtype=int)})
    done = tiny.evaluated(tiny_world._replace(labels=tmp_path / "labels"), tmp_path, map_points=0)
    gate = read_json(done.evaluation / "gate.json")
    assert not gate["passed"]
    assert {entry["why"] for entry in gate["gates"] if entry["name"] != "onnx"} == {UNMEASURED}
    assert done.metadata["metrics"] == {"images": 0}
    page = done.report.read_text(encoding="utf-8")
    assert "Not measured" in page
    assert "evaluate.map_points asks for 0" in page
    assert "no training label" not in page


def test_a_calibration_of_another_classifier_is_refused(tiny_world, tiny_evaluated, tmp_path):
    outputs = [tmp_path / name for name in ("evaluation", "report", "metrics", "confusion")]
    with pytest.raises(BadInputError, match="fitted for another classifier; run calibrate"):
        run(
            tiny_world.dataset,
            tiny_world.embeddings,
            tiny_world.labels,
            tiny_world.warm,
            tiny_world.warm,
            tiny_evaluated.calibration,
            tiny_world.store,
            0,
            1,
            EvaluateSettings(),
            *outputs,
        )
    assert not any(path.exists() for path in outputs)


def test_test_images_of_classes_without_a_training_label_count_as_wrong(partial_world, tmp_path):
    done = tiny.evaluated(partial_world, tmp_path, map_points=0, mistakes=0)
    rows = pq.read_table(done.evaluation / "predictions.parquet").to_pydict()
    figures = read_json(done.evaluation / "metrics.json")
    label = partial_world.data.column("label")[partial_world.rows["test"]].tolist()
    lost = sum(name in ("3", "7") for name in label)
    assert (rows["label"], figures["images"]) == (label, len(label))  # none is left out
    assert not {"3", "7"} & set(rows["predicted"] + rows["warmup_predicted"])
    assert figures["unlabelled_class_images"] == lost > 5
    right = sum(a == b for a, b in zip(rows["label"], rows["predicted"], strict=True))
    assert figures["accuracy"] == right / len(label) <= 1 - lost / len(label)
    assert (figures["classes"], figures["unlabelled_classes"]) == (list("0123456789"), ["3", "7"])
    for index in (3, 7):
        assert sum(figures["confusion"][index]) == label.count(str(index))
        assert [row[index] for row in figures["confusion"]] == [0] * 10
        about = figures["per_class"][index]
        assert (about["recall"], about["precision"], about["f1"]) == (0, None, 0)
    f1 = sk.f1_score(label, rows["predicted"], labels=figures["classes"], average="macro", zero_division=0)
    assert figures["macro_f1"] == pytest.approx(f1)
    confidence = np.array(rows["confidence"])
    hit = np.array(rows["label"]) == np.array(rows["predicted"])
    assert abs(np.mean(confidence) - np.mean(hit)) <= figures["ece_after"] + 1e-12
    told = f"2 of 10 (3, 7), {lost} of {len(label)} test images"
    assert done.metadata["evaluation"]["unlabelled_classes"] == told
    page = done.report.read_text(encoding="utf-8")
    assert f"2 of 10 classes have no training label: the model never predicts them, and their {lost} of" in page
    assert f"it is right on {100 * right / (len(label) - lost):.1f} %" in page
    assert "class without a training label</th>" in page


def test_the_likelihood_is_of_the_classes_that_the_model_knows():
    logits = np.array([[2.0, -np.inf, 0.0], [0.0, -np.inf, 1.0], [1.0, -np.inf, 0.0]])
    true = np.array([0, 1, 2])
    figures = measure(logits, logits, true, true != 1, 1.0, 10)
    p = [np.exp(2) / (np.exp(2) + 1), np.e / (1 + np.e), 1 / (1 + np.e)]
    assert figures["nll"] == pytest.approx(-(np.log(p[0]) + np.log(p[2])) / 2)
    assert figures["accuracy"] == pytest.approx(1 / 3)
    squares = 2 * (1 - p[0]) ** 2 + (p[1] ** 2 + (1 - p[1]) ** 2 + 1) + 2 * (1 - p[2]) ** 2
    assert figures["brier"] == pytest.approx(squares / 3)
    nothing = measure(logits[1:2], logits[1:2], true[1:2], np.array([False]), 1.0, 10)
    assert "nll" not in nothing
    assert nothing["accuracy"] == 0


def test_classifiers_of_other_labels_are_refused(tiny_world, partial_world, tmp_path):
    with pytest.raises(BadInputError, match=r"the labels teach .*; train on these labels again"):
        tiny.evaluated(partial_world._replace(warm=tiny_world.warm), tmp_path)
