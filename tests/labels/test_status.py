"""`gleaner labels status`, `export` and `withdraw`: what is told of the answers, and what is taken back."""

import csv
import io
import json
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from components.common.answers import read_answers
from components.common.artifacts import CANDIDATES
from components.common.files import json_text
from components.labels.rules import resolve
from tests.labels.world import NAME, World
from tests.monitor.audits import look, table

ROWS = [
    (0, "cat,ann,1"),  # train
    (0, "cat,bob,1"),
    (1, "dog,ann,1"),  # validation
    (1, "owl,bob,2"),
    (2, "dog,ann,1"),  # calibration
    (3, "skip,ann,1"),  # test
    (4, "none of these,bob,2"),  # train
]


@pytest.fixture
def world(tmp_path: Path, capsys: Any) -> World:
    made = World(tmp_path)
    assert made.call("import", made.csv("a.csv", ROWS, "id,label,annotator,round")) == 0
    capsys.readouterr()
    return made


def ask(world: World, numbers: list[int]) -> None:
    """Publish candidates of these images."""
    split = dict(zip(world.data.column("id"), world.data.column("split"), strict=True))
    rows = [{"id": world.id(n), "rank": 1, "purpose": split[world.id(n)], "reason": "", "cluster": 0} for n in numbers]
    file = io.BytesIO()
    pq.write_table(pa.Table.from_pylist(rows, schema=CANDIDATES), file)
    world.store.write(f"candidates/{NAME}/abc/candidates.parquet", file.getvalue())
    world.store.write(f"candidates/{NAME}/abc/summary.json", json_text({"format": 1, "round": 3}).encode())


def test_images_of_an_audit_wait_beside_what_a_run_asks(world, capsys):
    ask(world, [5])
    look(world.store, NAME, 1, table([(world.id(0), "cat"), ("e" * 64, "dog"), ("e" * 64, "dog")]))
    assert world.call("status", "-o", "json") == 0
    purposes = json.loads(capsys.readouterr().out)["waits"]["purposes"]
    assert purposes == {"validation": {"picks": 1, "waiting": 1}, "audit": {"picks": 2, "waiting": 1}}
    assert world.call("status") == 0
    assert "audit" in capsys.readouterr().out


def test_status_counts_per_class_and_purpose(world, capsys):
    assert world.call("status", "-o", "json") == 0
    told = json.loads(capsys.readouterr().out)
    assert told["answers"] == 7
    assert told["classes"] == {"cat": {"train": 1}, "dog": {"calibration": 1}, "owl": {}}
    assert told["apart"] == {"none of these": {"train": 1}, "skipped": {"test": 1}, "open": {"validation": 1}}
    assert {number: facts["answers"] for number, facts in told["rounds"].items()} == {"1": 5, "2": 2}
    assert [(who, facts["answers"], facts["skip"]) for who, facts in told["people"].items()] == [
        ("ann", 4, 1),
        ("bob", 3, 0),
    ]
    [pair] = told["agreement"]
    assert pair == {"people": ["ann", "bob"], "both": 2, "same": 1, "kappa": pytest.approx(1 / 3)}
    [conflict] = told["conflicts"]
    assert (conflict["id"], conflict["holds"]) == (world.id(1), None)
    assert [(one["annotator"], one["answer"], one["where"]) for one in conflict["said"]] == [
        ("ann", "dog", "a.csv:4"),
        ("bob", "owl", "a.csv:5"),
    ]


def test_the_rule_decides_what_holds(world, capsys):
    assert world.call("status", "-o", "json", "--rule", "latest") == 0
    told = json.loads(capsys.readouterr().out)
    assert told["conflicts"][0]["holds"] == "owl"
    assert told["classes"]["owl"] == {"validation": 1}


def test_the_tables_are_read_by_people(world, capsys):
    ask(world, [0, 5, 8, 9])
    world.call("rename", "dog", "hound")
    capsys.readouterr()
    assert world.call("status") == 0
    lines = capsys.readouterr().out.splitlines()
    assert lines[:2] == [f"labels of digits in {world.uri}", "7 answers"]
    assert lines[3:10] == [
        "CLASS            TRAIN  VALIDATION  CALIBRATION  TEST  ALL",
        "cat                  1           0            0     0    1",
        "hound                0           0            1     0    1",
        "owl                  0           0            0     0    0",
        "all classes          1           0            1     0    2",
        "(none of these)      1           0            0     0    1",
        "(skipped)            0           0            0     1    1",
    ]
    assert "ann        bob     2     1   0.33" in lines
    assert "people disagree on 1 images; open: 1 (rule: majority)" in lines
    assert f"  {world.id(1)[:12]}  open: ann 'hound' (a.csv:4), bob 'owl' (a.csv:5)" in lines
    assert "dog is called hound (person)" in lines
    assert lines[-4:] == [
        "ASKED FOR   PICKS  WAITING",
        "train           2        1",
        "validation      2        2",
        "3 picks wait for an answer (round 3, candidates/digits/abc/)",
    ]


def test_what_nobody_has_answered_is_told(tmp_path, capsys):
    world = World(tmp_path)
    assert world.call("status") == 0
    assert capsys.readouterr().out == f"labels of digits in {world.uri}\nnobody has answered yet\n"


def test_images_that_the_newest_dataset_lacks_are_counted_apart(world, capsys):
    small = World(world.folder, images=2)  # the pointer goes on
    assert small.call("status", "-o", "json") == 0
    assert json.loads(capsys.readouterr().out)["classes"]["dog"] == {"elsewhere": 1}
    assert small.call("status") == 0
    assert "TRAIN  VALIDATION  CALIBRATION  TEST  ELSEWHERE  ALL" in capsys.readouterr().out


def test_many_classes_and_disagreements_are_cut_short_unless_wide(tmp_path, capsys):
    world = World(tmp_path, images=40, classes=[f"c{number:02d}" for number in range(40)])
    rows = [(n, f"c{n:02d},ann") for n in range(40)] + [(n, f"c{n + 1:02d},bob") for n in range(12)]
    world.call("import", world.csv("a.csv", rows, "id,label,annotator"))
    capsys.readouterr()
    world.call("status")
    short = capsys.readouterr().out
    assert "(30 more classes: -o wide)" in short
    assert "  and 2 more: -o wide" in short
    world.call("status", "-o", "wide")
    assert "more" not in capsys.readouterr().out


def test_what_holds_is_exported_and_what_is_open_is_told(world, capsys):
    assert world.call("export") == 0
    said = capsys.readouterr()
    rows = list(csv.DictReader(io.StringIO(said.out)))
    assert said.err == "1 images are left out, on which people disagree: gleaner labels status\n"
    assert [row["id"] for row in rows] == sorted(world.id(number) for number in (0, 2, 3, 4))
    found = {row["source"]: (row["label"], row["answer"], row["purpose"], row["round"]) for row in rows}
    assert found == {
        "in/0000.png": ("cat", "class", "train", "1"),
        "in/0002.png": ("dog", "class", "calibration", "1"),
        "in/0003.png": ("", "skip", "test", "1"),
        "in/0004.png": ("", "none", "train", "2"),
    }


def test_a_table_of_what_holds_serves_as_labels_file(world):
    file = world.folder / "out.csv"
    assert world.call("export", "--to", str(file)) == 0
    _, said = read_answers(str(file))
    assert {(one.image, one.label) for one in said} == {(world.id(0), "cat"), (world.id(2), "dog")}


@pytest.mark.parametrize("form", ["csv", "wide", "json"])
def test_what_everybody_says_comes_back_by_import(world, tmp_path, form):
    file = world.folder / "out"
    assert world.call("export", "--all", "-o", form, "--to", str(file)) == 0
    other = World(tmp_path / "other")
    assert other.call("import", str(file)) == 0
    told, known = ([one._replace(task="") for one in sorted(w.labels.read().answers)] for w in (other, world))
    assert told == known


def test_an_earlier_version_is_exported(world, capsys):
    version = world.labels.version()
    world.call("withdraw", world.id(0))
    capsys.readouterr()
    world.call("export", "--version", version)
    assert world.id(0) in capsys.readouterr().out
    world.call("export")
    assert world.id(0) not in capsys.readouterr().out


@pytest.mark.parametrize(
    ("words", "left"),
    [
        (["{0}"], 5),
        (["{0:.8}", "{1}"], 3),
        (["{0}", "--annotator", "ann"], 6),
        (["--annotator", "bob"], 4),
        (["--file", "a.csv"], 0),
    ],
)
def test_answers_are_taken_back(world, capsys, words, left):
    given = [word.format(world.id(0), world.id(1)) for word in words]
    assert world.call("withdraw", *given, "--dry-run") == 0
    assert capsys.readouterr().out.endswith("would be withdrawn: --dry-run\n")
    assert world.call("withdraw", *given) == 0
    assert capsys.readouterr().out.startswith(f"{7 - left} answers about ")
    world.call("export", "--all")
    assert len(capsys.readouterr().out.splitlines()) == 1 + left
    assert len(world.labels.read().answers) == 7 + 7 - left  # nothing is forgotten
    world.call("status")
    assert "7 answers, of which" in capsys.readouterr().out


def test_a_withdrawal_follows_the_answer_even_where_its_clock_was_ahead(world):
    ahead = datetime.now(UTC) + timedelta(hours=5)
    world.call("import", world.csv("b.csv", [(5, f"cat,{ahead.isoformat()}")], "id,label,time"))
    world.call("withdraw", world.id(5))
    assert world.id(5) not in resolve(world.labels.read()).held


@pytest.mark.parametrize(
    ("words", "said"),
    [
        ([], "error: labels: withdraw: which answers? expected ids of images, --annotator, --file or --not-in\n"),
        (["abc"], "error: labels: withdraw: 'abc': nobody has answered about such an image; expected an id, or 6 char"),
        (
            ["--annotator", "cy"],
            "error: labels: withdraw: no answer that holds fits; gleaner labels export",
        ),
    ],
)
def test_what_fits_nothing_is_told(world, capsys, words, said):
    assert world.call("withdraw", *words) == 2
    assert capsys.readouterr().err.startswith(said)
    assert len(world.labels.read().answers) == 7


def test_a_file_of_another_project_takes_nothing_back(world, capsys):
    file = world.file("a.csv", "id,label\n" + "".join(f"{number:064x},cat\n" for number in range(40)))
    assert world.call("withdraw", "--not-in", file) == 2
    assert "40 of 40 images are not in dataset digits" in capsys.readouterr().err
