"""The closing table, the bars, and what a failed stage said."""

import io
import json
import re
from pathlib import Path

import pytest

from pipelines.local.process import environment, failure
from pipelines.local.progress import Bars, Lines, open_display, read_progress, seconds
from pipelines.local.record import Run, Stage
from pipelines.local.summary import print_summary, summary

TRACE = "Traceback (most recent call last):\n"


class Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


GATES = [
    {"rule": "accuracy >= 0.9", "shown": "96.18 %", "passed": True, "why": ""},
    {"rule": "accuracy not below warmup", "shown": "-1.00 points", "passed": False, "why": "worse than warm-up"},
]


@pytest.fixture
def run(tmp_path: Path) -> Run:
    def stage(name: str, took: float | None, **outputs: dict) -> Stage:
        return Stage(
            name,
            took,
            {key: {"uri": str(tmp_path / name / key), "metadata": metadata} for key, metadata in outputs.items()},
        )

    run = Run(tmp_path, Lines(io.StringIO()), threads=2)
    run.stages = [
        stage(
            "ingest",
            None,
            dataset={"images": 5000, "train": 3500, "validation": 500, "calibration": 502, "test": 498, "refused": 2},
        ),
        stage(
            "sample",
            3.21,
            labels={"train": 30, "validation": 50, "calibration": 100, "test": 498, "source": "oracle"},
            candidates={"picks": 180, "published": "candidates/mnist/1"},
        ),
        stage("pseudolabel", 130.0, classifier={"stage": "warmup", "handed_on": True, "why": "validation fell"}),
        stage("calibrate", 1.0, metrics={"temperature": 1.2345}),
        stage(
            "evaluate",
            9.0,
            evaluation={"gates": json.dumps(GATES), "decision": "Do not ship.", "precise": "on 3 of 9"},
            metrics={
                "accuracy": 0.9618,
                "accuracy_low": 0.941,
                "accuracy_high": 0.976,
                "warmup_accuracy": 0.93,
                "images": 498,
                "ece_before": 0.05,
                "ece_after": 0.012,
            },
        ),
        stage(
            "release",
            0.5,
            release={
                "promoted": False,
                "version": "2026-abc",
                "published": "releases/mnist/2026-abc",
                "why": "max_drop failed",
            },
        ),
    ]
    return run


def test_the_table_says_what_was_bought_and_what_came_of_it(run, monkeypatch):
    monkeypatch.chdir(run.folder)
    rows = dict(summary(run, "s3://bucket/x/"))
    assert rows["images"] == "5000 (3500 train, 500 validation, 502 calibration, 498 test); 2 refused"
    assert rows["labels used"] == "30 train, 50 validation, 100 calibration, 498 test (answered by: oracle)"
    assert rows["accuracy of warm-up"] == "93.00 %"
    assert rows["accuracy, final"] == "96.18 % (95 % interval 94.10 % to 97.60 %, 498 test images)"
    assert rows["pseudo-labels"] == "did not help, the warm-up model goes on: validation fell"
    assert rows["calibration error"] == "5.00 % before, 1.20 % after (temperature 1.234)"
    assert rows["gate accuracy >= 0.9"] == "96.18 %  passed"
    assert rows["gate accuracy not below warmup"] == "-1.00 points  FAILED: worse than warm-up"
    assert rows["decision"] == "Do not ship."
    assert rows["second opinion"] == "on 3 of 9"
    assert rows["release"] == "2026-abc, not promoted: max_drop failed at s3://bucket/x/releases/mnist/2026-abc"
    assert rows["report"] == "evaluate/evaluation/report.html"
    assert rows["contact sheet"] == "sample/candidates/contact_sheet.html"
    assert rows["data report"] == "ingest/dataset/report.html"
    assert rows["stages"].startswith("ingest cached, sample 3.2 s, pseudolabel 2 min 10 s")


def test_a_model_is_told_beside_the_champion(run):
    assert not any(row.startswith("against champion") for row in dict(summary(run, "s3://bucket/x/")))
    told = "3f9c2d1e0a7b6c58: +1.2 points (0.1 to 2.4), 3 forgotten"
    next(stage for stage in run.stages if stage.name == "evaluate").outputs["evaluation"]["metadata"]["champion"] = told
    rows = dict(summary(run, "s3://bucket/x/"))
    assert rows["against champion 3f9c2d1e0a7b6c58"] == "+1.2 points (0.1 to 2.4), 3 forgotten"
    assert list(rows).index("accuracy, final") < list(rows).index("against champion 3f9c2d1e0a7b6c58")


def test_propagated_labels_are_counted_beside_those_of_people(run):
    (stage,) = (stage for stage in run.stages if stage.name == "sample")
    stage.outputs["labels"]["metadata"]["propagated"] = 212.0
    said = dict(summary(run, "s3://bucket/x/"))["labels used"]
    assert said == ("30 train, 50 validation, 100 calibration, 498 test (+ 212 propagated) (answered by: oracle)")


def test_labels_that_annotators_disagree_about_are_counted(run):
    (stage,) = (stage for stage in run.stages if stage.name == "sample")
    stage.outputs["labels"]["metadata"]["conflicts"] = 2.0
    said = dict(summary(run, "s3://bucket/x/"))["labels used"]
    assert said.endswith("498 test (answered by: oracle); 2 left open: annotators disagree")


def test_the_table_says_what_ingest_left_out(run):
    run.stages[0].outputs["dataset"]["metadata"] |= {
        "passed_over": 12,
        "passed_over_kinds": "8 camera RAW, 4 SVG",
        "missing_classes": "rose (1 image), tulip (no image)",
    }
    rows = dict(summary(run, "s3://bucket/x/"))
    assert rows["images"].endswith("498 test); 2 refused; 12 passed over (8 camera RAW, 4 SVG)")
    assert rows["never learned"] == "rose (1 image), tulip (no image): none known in the train split"


def test_a_release_that_waits_for_a_person_comes_with_the_command_that_approves_it(run):
    run.stages[-1].outputs["release"]["metadata"] |= {"waits": True, "why": "it waits"}
    rows = dict(summary(run, "s3://pets/a", "my objects"))
    command = "gleaner release approve --object-store 'my objects' s3://pets/a/releases/mnist 2026-abc"
    assert rows["release"] == f"2026-abc, waits for approval: {command}"
    assert "classify with" not in rows
    rows = dict(summary(run, "store"))
    assert rows["release"] == "2026-abc, waits for approval: gleaner release approve store/releases/mnist 2026-abc"


@pytest.mark.parametrize(
    ("store", "command"),
    [
        ("s3://pets/a", "gleaner predict --object-store 'my objects' s3://pets/a/releases/mnist IMAGE"),
        ("my store", "gleaner predict 'my store/releases/mnist' IMAGE"),
    ],
)
def test_a_promoted_release_comes_with_the_command_that_uses_it(run, store, command):
    assert "classify with" not in dict(summary(run, store, "my objects"))
    run.stages[-1].outputs["release"]["metadata"]["promoted"] = True
    assert dict(summary(run, store, "my objects"))["classify with"] == command


def test_a_run_that_waits_says_for_how_many_images_and_where(run):
    line = "waiting for labels: 180 images at s3://bucket/x/candidates/mnist/1 (why); what to do"
    sample = next(stage for stage in run.stages if stage.name == "sample")
    sample.outputs["labels"]["metadata"]["waiting"] = line
    sample.outputs["candidates"]["metadata"]["unanswered"] = 180
    for stage in run.stages:
        if stage.name in ("pseudolabel", "calibrate", "evaluate", "release"):
            for output in stage.outputs.values():
                output["metadata"] = {"waiting": line}
    run.stages[-1].outputs["release"]["metadata"] |= {"promoted": False, "version": "", "published": "", "why": line}
    rows = dict(summary(run, "s3://bucket/x/"))
    assert rows["waiting for labels"] == "180 images at s3://bucket/x/candidates/mnist/1 (why); what to do"
    assert rows["release"] == "none, the run waits for labels"
    assert rows["candidates"] == "s3://bucket/x/candidates/mnist/1 (180 of 180 images without a label)"
    assert "contact sheet" in rows
    assert (
        not {"report", "accuracy, final", "gate accuracy >= 0.9", "decision", "pseudo-labels", "calibration error"}
        & rows.keys()
    )


def test_classes_without_a_training_label_are_named_with_their_cost(run):
    evaluate = next(stage for stage in run.stages if stage.name == "evaluate")
    evaluate.outputs["evaluation"]["metadata"]["unlabelled_classes"] = "2 of 10 (cat, dog), 99 of 498 test images"
    rows = dict(summary(run, "store"))
    assert rows["classes without a training label"] == "2 of 10 (cat, dog), 99 of 498 test images"


def test_rounds_say_what_more_labels_would_bring_and_what_changed(run):
    rows = dict(summary(run, "store"))
    assert not [label for label in rows if label == "more labels" or label.startswith("since")]
    stages = {stage.name: stage for stage in run.stages}
    advice = "go on: 100 more would take a linear probe's error from 8.1 % to about 5.9 % (4.8 to 7.2 %)"
    stages["sample"].outputs["labels"]["metadata"]["advice"] = advice
    stages["evaluate"].outputs["evaluation"]["metadata"]["since"] = (
        "round 2: accuracy +2.1 points (91.0 to 93.1 %), 20 labels more, 1 changed"
    )
    rows = dict(summary(run, "store"))
    assert rows["more labels"] == advice
    assert rows["since round 2"] == "accuracy +2.1 points (91.0 to 93.1 %), 20 labels more, 1 changed"


def test_no_figures_no_rows(tmp_path):
    rows = dict(
        summary(Run(tmp_path, Lines(io.StringIO()), threads=1, stages=[Stage("ingest"), Stage("evaluate")]), "store")
    )
    assert list(rows) == ["stages", "total", "run"]


def test_plain_where_nobody_looks_and_whole_paths_on_a_narrow_terminal(run, monkeypatch):
    plain = io.StringIO()
    print_summary(run, "store", plain)
    assert "\x1b" not in plain.getvalue()
    assert "labels used: 30 train" in plain.getvalue()
    monkeypatch.setenv("COLUMNS", "50")
    terminal = Terminal()
    print_summary(run, "store", terminal)
    lines = re.sub(r"\x1b\[[0-9;]*m", "", terminal.getvalue()).splitlines()
    assert max(map(len, lines)) <= 50
    joined = "".join(line[21:].strip() for line in lines)
    assert "store/releases/mnist/2026-abc" in joined.replace(" ", "")


def test_progress_lines():
    report = {"progress": "epochs", "done": 1, "total": 20, "loss": 3.2}
    assert read_progress(json.dumps(report)) == report
    for line in (
        "",
        "epochs 1/20",
        '{"progress": "epo',
        '{"progress": 1}',
        '{"progress": "x", "done": "1", "total": 2}',
        '{"loss": 3}',
    ):
        assert read_progress(line) is None
    assert (seconds(0.04), seconds(59.94), seconds(61), seconds(3600)) == ("0.0 s", "59.9 s", "1 min 1 s", "60 min 0 s")


def test_bars_on_a_terminal_lines_elsewhere(monkeypatch):
    monkeypatch.setenv("COLUMNS", "100")
    terminal = Terminal()
    pipe = io.StringIO()
    for file, kind in ((terminal, Bars), (pipe, Lines)):
        display = open_display(file)
        assert type(display) is kind
        with display:
            display.started("pretrain")
            display.report("pretrain", {"progress": "epochs", "done": 1, "total": 2, "loss": 3.25, "note": "text"})
            display.ended("pretrain", "done in 1.0 s")
            display.ended("sample", "cached")
    assert pipe.getvalue() == "pretrain: started\npretrain: done in 1.0 s\nsample: cached\n"
    assert "done in 1.0 s" in terminal.getvalue()
    assert "cached" in terminal.getvalue()


@pytest.mark.parametrize(
    ("said", "code", "line", "exit_code"),
    [
        ("noise\nerror: ingest: a line\n", 2, "error: ingest: a line", 2),
        ("error: pretrain: ran out of memory\n", 1, "error: pretrain: ran out of memory", 1),
        (f"{TRACE}  File x\nValueError: first\nsecond\n", 1, "error: s: ValueError: first", 1),
        (f"{TRACE}  File x\nA: 1\n\nDuring handling …\n\n{TRACE}  File y\nB: 2\n", 1, "error: s: B: 2", 1),
        (
            "usage: python -m x\npython -m x: error: unrecognized arguments\n",
            2,
            "error: s: python -m x: error: unrecognized",
            1,
        ),
        ("", -9, "error: s: ended by SIGKILL, most likely for memory", 1),
        ("", -15, "error: s: ended by SIGTERM", 1),
        ("", 3, "error: s:  (exit code 3", 1),
    ],
)
def test_last_words(tmp_path, said, code, line, exit_code):
    log = tmp_path / "s.log"
    log.write_text(said, encoding="utf-8")
    found = failure("s", log, code)
    assert found.line.startswith(line)
    assert "\n" not in found.line
    assert (found.code, found.log) == (exit_code, log)


def test_a_stage_that_was_killed_says_what_it_held(tmp_path):
    (tmp_path / "s.log").touch()
    said = failure("pretrain", tmp_path / "s.log", -9, peak=6 << 30).line
    assert said.startswith("error: pretrain: ended by SIGKILL, most likely for memory (it held 6.0 GiB in one process")
    assert "; lower pretrain.batch_size or pretrain.image_size" in said


def test_a_stage_sees_pinned_threads_and_not_the_users_folder(monkeypatch):
    monkeypatch.setenv("PYTHONPATH", "/mine")
    variables = environment(3)
    assert variables["OMP_NUM_THREADS"] == variables["MKL_NUM_THREADS"] == "3"
    assert variables["PYTHONHASHSEED"] == "0"
    assert variables["PYTHONSAFEPATH"] == "1"
    assert variables["PYTHONPATH"].endswith(":/mine")
