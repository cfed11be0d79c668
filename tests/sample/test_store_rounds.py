"""Rounds with the label store, by the stage: what was said counts, what was passed over is not asked again."""

from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq
import pytest

from components.common.artifacts import PROPAGATED, TRAIN, VALIDATION, load_labels
from components.common.cli import Metadata
from components.common.files import read_json
from components.common.storage import FolderStore
from components.labels.candidates import newest_candidates
from components.labels.store import Answer, LabelStore
from tests import tiny
from tests.sample.test_embed import store as other_store
from tests.sample.test_stage import candidates
from tests.stages import sample

START = datetime(2026, 3, 1, 12, tzinfo=UTC)
store = other_store  # a fixture


@pytest.fixture
def world(tiny_world: tiny.World, store: FolderStore) -> tiny.World:
    return tiny_world._replace(store=store.uri)


class Person:
    """Answers what is true, in batches of their own."""

    def __init__(self, world: tiny.World) -> None:
        self.labels = LabelStore(FolderStore(Path(world.store)), "digits")
        self.truth = dict(zip(world.data.column("id"), world.data.column("label"), strict=True))
        self.minutes = 0

    def say(self, images: list[str], number: int, kind: str = "class", **wrong: str) -> None:
        self.minutes += 1
        time = START + timedelta(minutes=self.minutes)
        said = {image: wrong.get("label", self.truth[image]) if kind == "class" else None for image in images}
        who = wrong.get("who", "Ada")
        self.labels.append([Answer(image, kind, said[image], who, time, "the page", number) for image in images])


def run(world: tiny.World, folder: Path, person: Person, **changes: Any) -> Metadata:
    small = {"label_access": "store", "test_budget": 5, "round_size": 12, "train_budget": 30}
    return sample(world, folder, labels_version=person.labels.version(), **{**small, **changes})


def asked(folder: Path, purpose: str = TRAIN) -> list[str]:
    """Images without a label that people are asked about, in order."""
    table = pq.read_table(folder / "candidates" / "candidates.parquet").to_pylist()
    return [row["id"] for row in table if row["purpose"] == purpose and row["label"] is None]


def test_the_first_round_waits_and_says_how_to_label(world, tmp_path):
    told = run(world, tmp_path / "out", Person(world))
    assert told["labels"]["waiting"].endswith(
        "label them on the page that `gleaner label` opens, or fill in its candidates.csv and read it with `gleaner "
        "labels import`; then run again"
    )
    assert told["labels"]["round"] == 1
    assert len(asked(tmp_path / "out")) == 12
    found = newest_candidates(FolderStore(Path(world.store)), "digits")
    assert found is not None
    assert found.picks().num_rows == 12 + 8 + 6 + 5
    clusters = found.clusters()
    train = world.data.column("id")[world.data.rows(TRAIN)].tolist()
    assert clusters.column("id").to_pylist() == train
    cluster = dict(zip(train, clusters.column("cluster").to_pylist(), strict=True))
    for row in found.picks().to_pylist():
        assert row["cluster"] == cluster.get(row["id"], -1)


def test_rounds_go_on_with_all_labels_so_far(world, tmp_path):
    person = Person(world)
    seen: list[str] = []
    for number, size in ((1, 12), (2, 12), (3, 6)):
        run(world, tmp_path / str(number), person, strategy="margin", balance=True)
        images = asked(tmp_path / str(number))
        assert len(images) == size
        assert not set(images) & set(seen)
        seen += images
        person.say([*images, *asked(tmp_path / str(number), VALIDATION)], number)
        summary = read_json(tmp_path / str(number) / "candidates" / "summary.json")
        assert summary["round"] == number
        assert summary["budget"] == {"train": 30, "spent": len(seen) - size, "round": size}
    told = run(world, tmp_path / "last", person, strategy="margin", balance=True)
    assert asked(tmp_path / "last") == []
    assert (told["labels"]["train"], told["labels"]["validation"], told["labels"]["round"]) == (30, 8, 4)
    table, about = load_labels(tmp_path / "last" / "labels")
    assert about["round"] == 4
    assert {row["source"] for row in table.to_pylist()} == {"store"}
    assert {row["annotator"] for row in table.to_pylist()} == {"Ada"}
    assert min(row["time"] for row in table.to_pylist()) == START + timedelta(minutes=1)
    assert read_json(tmp_path / "last" / "labels" / "label_advice.json")["labels"] == 30


def test_what_was_passed_over_is_not_asked_again_and_what_is_disputed_is_asked_first(world, tmp_path):
    person = Person(world)
    run(world, tmp_path / "one", person)
    images, held = asked(tmp_path / "one"), asked(tmp_path / "one", VALIDATION)
    person.say(images, 1)
    person.say(images[:1], 1, "withdrawn")
    person.say(images[1:2], 1, "skip")
    person.say(images[2:3], 1, "none")
    person.say(held[:1], 1, "skip")
    person.say(images[3:4], 1, label="0" if person.truth[images[3]] != "0" else "1", who="Bob")
    told = run(world, tmp_path / "two", person)
    assert (told["labels"]["train"], told["labels"]["conflicts"], told["labels"]["passed"]) == (8, 1, 3)
    again = asked(tmp_path / "two")
    assert again[0] == images[3]
    assert not {images[1], images[2]} & set(again)
    assert len(again) == 12, "a disputed image is one of the round"
    line = asked(tmp_path / "two", VALIDATION)
    assert line[:7] == held[1:], "the next in line takes the place"
    assert len(line) == 8
    page = (tmp_path / "two" / "sheet.html").read_text()
    said = "Nobody is asked again about images that people saw and gave no class: 2 passed over, 1 said to be none"
    assert said in page


def test_a_renamed_class_is_one_of_the_classes_and_old_answers_count_for_it(world, tmp_path):
    person = Person(world)
    run(world, tmp_path / "one", person)
    person.say(asked(tmp_path / "one"), 1)
    person.labels.rename("3", "three", "Ada", START)
    run(world, tmp_path / "two", person)
    about = load_labels(tmp_path / "two" / "labels")[1]
    assert about["classes"] == ["0", "1", "2", "4", "5", "6", "7", "8", "9", "three"]


def test_labels_spread_where_they_are_asked_to_and_are_counted_apart(world, tmp_path):
    person = Person(world)
    train = world.data.column("id")[world.data.rows(TRAIN)].tolist()
    person.say(train[:300], 1)
    told = run(world, tmp_path / "out", person, train_budget=301, propagate=True)
    table, about = load_labels(tmp_path / "out" / "labels")
    spread = [row for row in table.to_pylist() if row["source"] == PROPAGATED]
    assert about["propagated"] == told["labels"]["propagated"] == len(spread) > 0
    assert told["labels"]["train"] == 300
    assert {row["purpose"] for row in spread} == {TRAIN}
    assert not {row["id"] for row in spread} & set(train[:300])
    assert len({row["id"] for row in candidates(tmp_path / "out") if row["rank"] and row["purpose"] == TRAIN}) == 1


def test_a_file_of_answers_that_shrank_is_told_once(world, tmp_path, capsys):
    truth = Person(world).truth
    ids = world.data.column("id")[world.data.rows(TRAIN)[:9]].tolist()
    said = []
    for count in (9, 7, 7):
        text = "".join(f"{image},{truth[image]}\n" for image in ids[:count])
        (tmp_path / "answers.csv").write_text(f"id,label\n{text}")
        sample(world, tmp_path / "out", label_access="file", labels_file=str(tmp_path / "answers.csv"))
        said.append(capsys.readouterr().out)
    assert ["have none now" in each for each in said] == [False, True, False]
    line = f"answers.csv: 2 images that had a label in the run before have none now ({ids[7][:12]}, {ids[8][:12]})"
    assert f"{line}; the labels of then are in {world.store}/labels/digits/" in said[1]
