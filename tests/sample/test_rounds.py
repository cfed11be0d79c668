"""Whether a round's labels are enough to train on, and what people are told where they are not."""

from collections import Counter
from typing import Any

import pyarrow as pa
import pytest

from components.common.artifacts import SPLITS, TRAIN, load_labels, load_waiting, save_dataset
from components.common.errors import BadInputError
from components.common.files import read_json
from components.common.waiting import sentence
from tests.sample.test_stage import answer, candidates, labels, with_labels, without_link
from tests.stages import sample


def test_without_answers_everyone_is_asked_and_nothing_is_labelled(tiny_world, tmp_path):
    metadata = sample(tiny_world, tmp_path / "out", label_access="file", test_budget=5)
    where = f"{tiny_world.store}/{metadata['candidates']['published']}"
    line = (
        f"waiting for labels: 39 images at {where} (no image has a training label yet); fill in its candidates.csv, "
        "or import the labelstudio.json beside it into Label Studio; name the answers as sample.labels_file and run "
        "again"
    )
    assert metadata["labels"] == {**dict.fromkeys(SPLITS, 0), "source": "file", "waiting": line}
    assert (metadata["candidates"]["picks"], metadata["candidates"]["unanswered"]) == (39, 39)
    waiting = load_waiting(tmp_path / "out" / "labels")
    assert waiting is not None
    assert sentence(waiting, tiny_world.store) == line
    page = (tmp_path / "out" / "sheet.html").read_text()
    assert page.count("<img ") == 39
    assert "39 of these images have no label yet, and the run waits for them: no image has" in page
    assert f"Fill in {where}/candidates.csv" in page
    kept = (tmp_path / "out" / "candidates" / "contact_sheet.html").read_text()
    assert without_link(kept) == page.replace(f"{where}/candidates.csv", "the candidates.csv beside this page")


def test_answers_of_one_class_are_too_few_and_the_run_waits_on(tiny_world, tmp_path):
    sample(tiny_world, tmp_path / "first", label_access="file", test_budget=5)
    label = dict(zip(tiny_world.data.column("id"), tiny_world.data.column("label"), strict=True))
    asked = candidates(tmp_path / "first")
    name, count = Counter(label[row["id"]] for row in asked if row["purpose"] == TRAIN).most_common(1)[0]
    file = answer(tmp_path, tiny_world, [r for r in asked if r["purpose"] != TRAIN or label[r["id"]] == name])
    options: dict[str, Any] = {"label_access": "file", "labels_file": str(file), "test_budget": 5}
    told = sample(tiny_world, tmp_path / "out", **options)["labels"]
    assert f": {20 - count} images at " in told["waiting"]
    assert f"(all training labels, {count}, are of class {name!r}, and two classes are needed)" in told["waiting"]
    assert "; fill in its candidates.csv" in told["waiting"]
    assert load_labels(tmp_path / "out" / "labels")[1]["counts"][TRAIN] == count  # what is known is kept
    spent = sample(tiny_world, tmp_path / "spent", train_budget=count, **options)["labels"]
    assert f"; raise sample.train_budget (now {count}) to be asked for more images, and run again" in spent["waiting"]


def test_a_source_whose_picks_are_of_one_class_is_refused_since_nobody_is_asked(tiny_world, tmp_path):
    splits = tiny_world.data.column("split").tolist()
    for train, said in (("6", "all training labels, 20, are of class '6'"), (None, "no image")):
        known = [train if split == TRAIN else "5" for split in splits]
        save_dataset(tmp_path / "dataset", with_labels(tiny_world.data, pa.array(known, pa.string())))
        with pytest.raises(
            BadInputError, match=rf"{said}.*\(label_access: oracle\); raise .*, or set label_access: store"
        ):
            sample(tiny_world._replace(dataset=tmp_path / "dataset"), tmp_path / "out")


def test_the_next_round_is_told_which_classes_to_look_for(tiny_world, tmp_path):
    metadata = sample(tiny_world, tmp_path / "out", train_budget=4)  # of ten classes
    taught = sorted({entry["label"] for entry in labels(tmp_path / "out") if entry["purpose"] == TRAIN})
    missing = [name for name in tiny_world.data.classes if name not in taught]
    assert 6 <= len(missing) <= 8
    told = f"{len(missing)} of 10 ({', '.join(missing)})"
    assert metadata["labels"]["unlabelled_classes"] == told
    summary = read_json(tmp_path / "out" / "candidates" / "summary.json")
    assert summary["unlabelled_classes"] == missing
    assert summary["picks"][TRAIN] == {"images": 4, "labelled": 4}
    assert summary["budget"] == {"train": 4, "spent": 4, "round": 0}
    assert (summary["round"], summary["labels_version"]) == (1, "")
    assert summary["dataset"] == {"name": "digits", "id": tiny_world.data.id}
    page = (tmp_path / "out" / "sheet.html").read_text()
    assert f"Look for the classes without a training label, {told}" in page
    assert "raise sample.train_budget (now 4) to be asked for more images" in page
