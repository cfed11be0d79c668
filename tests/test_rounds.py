"""Rounds with people, by the commands that a person types: nobody has answered yet, then all but one class is known."""

import csv
import json
import shutil
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq
import pytest

from components.common.files import read_json
from components.ingest.example import write_example
from tests.test_end_to_end import CONFIG, TASKS, closing_table, gleaner, record

UNKNOWN = "4"  # in the second round, no training label is of this class
FIVE = CONFIG.replace(
    "sample: {train_budget: 40, ", "sample: {train_budget: 30, test_budget: 20, label_access: file, "
).replace("pseudolabel: {steps: 10", "pseudolabel: {steps: 3")


@pytest.fixture(scope="module")
def first(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, str]:
    """A folder with photos of five digits after its first round, and what that printed."""
    folder = tmp_path_factory.mktemp("rounds")
    write_example("digits", folder / "all")
    for number in range(5):
        (folder / "photos" / str(number)).mkdir(parents=True)
        for image in sorted((folder / "all" / str(number)).iterdir())[:40]:
            shutil.copyfile(image, folder / "photos" / str(number) / image.name)
    assert "label_access: file" in FIVE
    (folder / "tiny.yaml").write_text(FIVE)
    return folder, run(folder)


def run(folder: Path, *changes: str) -> str:
    done = gleaner(folder, "run", "tiny.yaml", *changes)
    assert done.returncode == 0, done.stderr
    return done.stdout


def stages(folder: Path) -> dict[str, dict[str, Any]]:
    return {stage["name"]: stage for stage in record(folder)["stages"]}


def answers(folder: Path) -> list[dict[str, str]]:
    """Candidates of the first round, each with what a person says of it."""
    place = Path(stages(folder)["sample"]["outputs"]["candidates"]["uri"])
    with (place / "candidates.csv").open(encoding="utf-8", newline="") as file:
        rows = list(csv.DictReader(file))
    return [{**row, "label": Path(row["source"]).parts[-2]} for row in rows]


def test_the_first_round_succeeds_and_says_how_many_images_wait_and_where(first):
    folder, text = first
    table = closing_table(text)
    images = len(answers(folder))
    assert table["waiting for labels"].startswith(f"{images} images at store/candidates/tiny/")
    where = table["waiting for labels"].split()[3]
    assert (folder / where / "candidates.csv").is_file()
    assert table["candidates"] == f"{where} ({images} of {images} images without a label)"
    assert table["release"] == "none, the run waits for labels"
    assert "report" not in table
    assert [stage["name"] for stage in record(folder)["stages"]] == TASKS
    released = Path(stages(folder)["release"]["outputs"]["release"]["uri"]) / "release.json"
    assert read_json(released)["why"] == f"waiting for labels: {table['waiting for labels']}"
    assert not (folder / "store" / "releases").exists()


def test_while_nobody_answers_nothing_runs_again(first):
    folder, text = first
    again = closing_table(run(folder))
    assert [stage["seconds"] for stage in record(folder)["stages"]] == [None] * len(TASKS)
    assert again["waiting for labels"] == closing_table(text)["waiting for labels"]


def test_answers_are_enough_once_two_classes_have_one(first):
    folder, _ = first
    rows = [row for row in answers(folder) if (row["purpose"], row["label"]) != ("train", UNKNOWN)]
    (folder / "answers.csv").write_text("id,label\n" + "".join(f"{row['id']},{row['label']}\n" for row in rows))
    table = closing_table(run(folder, "sample.labels_file=answers.csv"))
    again = [name for name, stage in stages(folder).items() if stage["seconds"] is not None]
    assert again == ["plan", *TASKS[TASKS.index("sample") :]]
    tested = {row["id"]: row["label"] for row in rows if row["purpose"] == "test"}
    lost = list(tested.values()).count(UNKNOWN)
    assert table["classes without a training label"] == f"1 of 5 (4), {lost} of {len(tested)} test images"
    evaluation = Path(stages(folder)["evaluate"]["outputs"]["evaluation"]["uri"])
    said = pq.read_table(evaluation / "predictions.parquet").to_pydict()
    predicted = dict(zip(said["id"], said["predicted"], strict=True))
    assert predicted.keys() == tested.keys()
    right = sum(predicted[image] == label for image, label in tested.items())
    assert table["accuracy, final"].startswith(f"{100 * right / len(tested):.2f} % ")
    assert "waiting for labels" not in table

    published = folder / table["release"].rpartition(" at ")[2]
    about = read_json(published / "release.json")
    assert (about["classes"], about["unlabelled_classes"]) == (["0", "1", "2", "3"], [UNKNOWN])
    images = [str(path) for path in sorted((folder / "photos" / UNKNOWN).iterdir())[:5]]
    classified = gleaner(folder, "predict", str(published), *images, "--json", "--top", "9")
    assert classified.returncode == 0, classified.stderr
    for answer in json.loads(classified.stdout):
        assert {each["class"] for each in answer["top"]} == {"0", "1", "2", "3"}
        assert sum(each["confidence"] for each in answer["top"]) == pytest.approx(1)
