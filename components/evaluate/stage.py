"""Measure the warm-up model, the final one and the champion on the test labels, judge the gates, write the report."""

import shutil
from pathlib import Path
from typing import Any

import pyarrow as pa

from components.common import rounds
from components.common.cli import Metadata
from components.common.data.classes import Classes
from components.common.files import json_text, new_file, new_folder, write_json
from components.common.learning.training import set_threads
from components.common.parquet import save_table
from components.common.storage import Store, open_store
from components.common.waiting import pass_on, waiting_in
from components.evaluate import against, findings, history
from components.evaluate.exporting import exported
from components.evaluate.figures import plain, provenance, shown_matrix
from components.evaluate.gates import decision, in_a_line, judge
from components.evaluate.latency import latency
from components.evaluate.measuring import measured, read_inputs
from components.evaluate.notebook import write_report
from components.evaluate.precise import offer, second_opinion
from components.evaluate.predictions import PREDICTIONS, answers, predictions
from components.evaluate.settings import EvaluateSettings
from components.releases.model import MODEL


def run(
    dataset: Path,
    embeddings: Path,
    labels: Path,
    warm: Path,
    classifier: Path,
    calibration: Path,
    store: str,
    seed: int,
    threads: int,
    settings: EvaluateSettings,
    evaluation: Path,
    report: Path,
    metrics: Path,
    confusion: Path,
) -> Metadata:
    """Measure on the test split: a report to read and gates for the release.

    Images of classes without a training label count as wrong, for the model cannot predict them.
    """
    if waiting := waiting_in(labels, classifier, calibration):
        shown = {"metrics": metrics, "confusion": confusion}
        return pass_on(waiting, store, {"evaluation": evaluation}, shown, {"report": report})
    set_threads(threads)
    inputs = read_inputs(dataset, embeddings, labels, warm, classifier, calibration, store, seed, threads, settings)
    found, figures = measured(inputs)
    made = exported(inputs, found, threads)
    about = {
        "format": 1,
        **figures,
        "temperature": inputs.fitted["temperature"],
        "bins": settings.bins,
        "classes": inputs.classes.names,
        "unlabelled_classes": inputs.classes.missing,
        "confusion": found.matrix.tolist(),
        "onnx": made.onnx,
        "provenance": provenance(
            inputs.data, inputs.labels_about, warm, classifier, inputs.fitted, seed, threads, settings
        ),
    }
    about |= history.of_labels(labels, inputs.labels_about)
    about |= compared(about, inputs.labels, inputs.labels_about, open_store(store), settings.since)
    opinion = None
    if settings.precise.images:
        about["precise"], opinion = second_opinion(inputs, found.rows, found.labels)
    gates = judge(settings.gates, about, answers(found), lambda: latency(made.files[MODEL], threads), seed)
    decided = decision(gates, about)
    with new_folder(evaluation) as folder:
        write_json(folder / "metrics.json", about)
        write_json(folder / "gate.json", {"format": 1, "passed": decided["ship"], "decision": decided, "gates": gates})
        save_table(folder / "predictions.parquet", predictions(inputs.data, found), PREDICTIONS)
        made.write(folder)
        if opinion is not None:
            offer(folder, opinion, inputs)
        read = {"dataset": dataset, "embeddings": embeddings, "labels": labels, "classifier": classifier}
        asked = settings.model_dump(include={"map_points", "mistakes", "saliency"})
        write_report(folder, {**read, "evaluation": folder}, store, {"seed": seed, "threads": threads, **asked})
    with new_file(report) as page:
        shutil.copyfile(evaluation / "report.html", page)
    matrix = shown_matrix(inputs.classes.names, found.matrix)
    write_json(metrics, plain(about))
    write_json(confusion, matrix)
    verdict = {"gates": json_text(gates), "decision": in_a_line(decided), **state(inputs.classes, about)}
    return {"metrics": plain(about), "confusion": matrix, "evaluation": verdict}


def state(classes: Classes, about: dict[str, Any]) -> dict[str, str]:
    """What classes without a training label cost, what changed since the round before, how the model stands to the
    champion, and what a second opinion says, for the log and Kubeflow's UI; each where there is something to say.

    about: metrics.json.
    """
    told = {}
    if classes.missing:
        told["unlabelled_classes"] = findings.cost(classes, about)
        print(f"classes without a training label: {told['unlabelled_classes']}", flush=True)
    if "since" in about:
        told["since"] = f"round {about['since']['round']}: {history.told(about['since'])}"
        print(f"since {told['since']}", flush=True)
    if "precise" in about:
        told["precise"] = about["precise"]["why"]
        print(f"second opinion: {told['precise']}", flush=True)
    if champion := about["against"]["champion"]:
        told["champion"] = f"{champion['version']}: {against.told(champion, about['forgotten'])}"
        print(f"against champion {told['champion']}", flush=True)
    return told


def compared(
    about: dict[str, Any], labels: pa.Table, labels_about: dict[str, Any], store: Store, since: str
) -> dict[str, Any]:
    """Keep the record of this round in the store, and say what changed since the one at key `since`; empty where the
    labels do not come in rounds.
    """
    if not history.in_rounds(labels, labels_about):
        return {}
    before = rounds.load(store, since) if since else None
    record = history.record_of(about, labels, labels_about, store, before)
    rounds.save(store, about["provenance"]["dataset"]["name"], record)
    changes = {"since": history.changes(before, record, since)} if before else {}
    return {"round": record["round"], **changes}
