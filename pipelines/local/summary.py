"""Print the closing table of `gleaner run`: labels, figures, gates, and where everything is."""

import json
import os
import shlex
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any, TextIO

from pipelines.local.progress import seconds
from pipelines.local.record import Run, Stage, peak_memory

Row = tuple[str, str]
PURPOSES = ("train", "validation", "calibration", "test")
TOLD = {"advice": "more labels", "assumption": "labels and clusters"}  # sentences of sample
PAGES = (
    ("report", "evaluate", "evaluation", "report.html"),
    ("data report", "ingest", "dataset", "report.html"),
    ("contact sheet", "sample", "candidates", "contact_sheet.html"),
    ("clusters", "sample", "candidates", "clusters.html"),
)


def print_summary(run: Run, store: str, file: TextIO | None = None, object_store: str = "") -> None:
    """A table on a terminal, `label: value` lines elsewhere; paths are never cut. `object_store`: the folder that keeps
    an S3 `store`.
    """
    file = file or sys.stdout
    rows = list(summary(run, store, object_store))
    if not file.isatty():
        print("\n".join(f"{label}: {value}" for label, value in rows), file=file, flush=True)
        return
    from rich.console import Console
    from rich.table import Table
    from rich.text import Text

    table = Table(show_header=False, box=None, padding=(0, 2, 0, 0))
    table.add_column(style="bold", no_wrap=True)
    table.add_column(overflow="fold")
    for label, value in rows:
        table.add_row(Text(label), Text(value))
    Console(file=file).print(table)


def summary(run: Run, store: str, object_store: str = "") -> Iterator[Row]:
    """Rows of the closing table; a figure that a stage did not give is left out."""
    stages = {stage.name: stage for stage in run.stages}
    labels = _figures(stages, "sample", "labels")
    evaluation = _figures(stages, "evaluate", "evaluation")
    yield from _labels(_figures(stages, "ingest", "dataset"), labels)
    yield from ((row, labels[key]) for key, row in TOLD.items() if key in labels)
    if "waiting" in labels:
        label, _, what = labels["waiting"].partition(": ")
        yield label, what
    if "unlabelled_classes" in evaluation:
        yield "classes without a training label", evaluation["unlabelled_classes"]
    yield from _accuracy(stages)
    if "since" in evaluation:
        label, _, what = evaluation["since"].partition(": ")
        yield f"since {label}", what
    if "champion" in evaluation:
        version, _, what = evaluation["champion"].partition(": ")
        yield f"against champion {version}", what
    if "precise" in evaluation:
        yield "second opinion", evaluation["precise"]
    yield from _gates(evaluation)
    yield from _release(_figures(stages, "release", "release"), store, object_store)
    for label, stage, output, name in PAGES:
        if stage in stages and output in stages[stage].outputs and "waiting" not in _figures(stages, stage, output):
            yield label, _relative(Path(stages[stage].outputs[output]["uri"]) / name)
    candidates = _figures(stages, "sample", "candidates")
    if candidates.get("published"):
        open_ = candidates.get("unanswered")
        waits = f" ({open_:g} of {candidates['picks']:g} images without a label)" if open_ else ""
        yield "candidates", _in_store(store, candidates["published"]) + waits
    yield (
        "stages",
        ", ".join(
            f"{stage.name} {'cached' if stage.seconds is None else seconds(stage.seconds)}" for stage in run.stages
        ),
    )
    memory = (
        f", at most {peak_memory() / 1e9:.2f} GB in one process"
        if any(stage.seconds is not None for stage in run.stages)
        else ""
    )
    yield "total", f"{seconds(run.seconds())}{memory}"
    yield "run", _relative(run.folder)


def _labels(dataset: dict[str, Any], labels: dict[str, Any]) -> Iterator[Row]:
    if "images" in dataset:
        counts = [f"{dataset[purpose]:g} {purpose}" for purpose in PURPOSES if purpose in dataset]
        refused = f"; {dataset['refused']:g} refused" if dataset.get("refused") else ""
        passed = f"; {dataset['passed_over']:g} passed over" if dataset.get("passed_over") else ""
        kinds = f" ({dataset['passed_over_kinds']})" if passed and dataset.get("passed_over_kinds") else ""
        yield "images", f"{dataset['images']:g} ({', '.join(counts)}){refused}{passed}{kinds}"
    if dataset.get("missing_classes"):
        yield "never learned", f"{dataset['missing_classes']}: none known in the train split"
    if "train" in labels:
        source = f" (+ {labels['propagated']:g} propagated)" if labels.get("propagated") else ""
        source += f" (answered by: {labels['source']})" if "source" in labels else ""
        if labels.get("conflicts"):
            source += f"; {labels['conflicts']:g} left open: annotators disagree"
        yield (
            "labels used",
            ", ".join(f"{labels[purpose]:g} {purpose}" for purpose in PURPOSES if purpose in labels) + source,
        )


def _accuracy(stages: dict[str, Stage]) -> Iterator[Row]:
    figures = _figures(stages, "evaluate", "metrics")
    if "warmup_accuracy" in figures:
        yield "accuracy of warm-up", _percent(figures["warmup_accuracy"])
    if "accuracy" in figures:
        interval = ""
        if {"accuracy_low", "accuracy_high", "images"} <= figures.keys():
            low = _percent(figures["accuracy_low"])
            high = _percent(figures["accuracy_high"])
            interval = f" (95 % interval {low} to {high}, {figures['images']:g} test images)"
        yield "accuracy, final", _percent(figures["accuracy"]) + interval
    final = _figures(stages, "pseudolabel", "classifier")
    if final.get("handed_on"):
        yield "pseudo-labels", f"did not help, the warm-up model goes on: {final.get('why', '')}".rstrip(": ")
    if {"ece_before", "ece_after"} <= figures.keys():
        temperature = _figures(stages, "calibrate", "metrics").get("temperature")
        by = f" (temperature {temperature:.3f})" if temperature is not None else ""
        yield (
            "calibration error",
            f"{_percent(figures['ece_before'])} before, {_percent(figures['ece_after'])} after{by}",
        )


def _gates(evaluation: dict[str, Any]) -> Iterator[Row]:
    for gate in json.loads(evaluation.get("gates") or "[]"):
        yield f"gate {gate['rule']}", f"{gate['shown']}  " + ("passed" if gate["passed"] else f"FAILED: {gate['why']}")
    if "decision" in evaluation:
        yield "decision", evaluation["decision"]


def _release(release: dict[str, Any], store: str, object_store: str) -> Iterator[Row]:
    if "promoted" not in release:
        return
    if "waiting" in release:
        yield "release", "none, the run waits for labels"
        return
    where = f" at {_in_store(store, release['published'])}" if release.get("published") else ""
    model = _in_store(store, release["published"]).rpartition("/")[0] if where else ""
    served = ["--object-store", object_store] if object_store and store.startswith("s3://") else []
    state = f"not promoted: {release.get('why', '')}".rstrip(": ")
    if release["promoted"]:
        state = "promoted to champion"
    elif release.get("waits"):
        state = "waits for approval: " + shlex.join(
            ["gleaner", "release", "approve", *served, model, release["version"]]
        )
    yield "release", f"{release.get('version') or 'none'}, {state}{'' if release.get('waits') else where}"
    if release["promoted"] and where:
        yield "classify with", shlex.join(["gleaner", "predict", *served, model, "IMAGE"])


def _figures(stages: dict[str, Stage], stage: str, output: str) -> dict[str, Any]:
    return stages[stage].outputs.get(output, {}).get("metadata", {}) if stage in stages else {}


def _in_store(store: str, published: str) -> str:
    """`published`: a key in the store or the whole address."""
    root = f"{store.rstrip('/')}/"
    return root + published.removeprefix(root)


def _percent(share: float) -> str:
    return f"{100 * share:.2f} %"


def _relative(path: Path) -> str:
    """From where the user stands, where that is shorter."""
    relative = os.path.relpath(path)
    return str(path) if relative.startswith("../..") else relative
