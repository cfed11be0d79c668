"""A store with two releases that learned from labels of people, what they served, and the command on it."""

import json
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pytest

from components.common import served
from components.common.artifacts import CANDIDATES, SPLITS, TRAIN, load_embeddings, save_labels
from components.common.files import json_text
from components.common.parquet import save_table
from components.common.storage import Store, open_store
from components.labels.store import CLASS, WITHDRAWN, Answer, LabelStore
from components.lineage.command import main
from components.release.settings import ReleaseSettings
from components.release.stage import run as run_release
from components.releases import champion as champions
from components.releases.bundle import verified_release
from components.sample.answers import labels_table, store_answers
from tests import tiny

START = datetime(2026, 11, 2, 9, tzinfo=UTC)
ANNA, BOB, CLEO = "anna", "bob", "Cléo Ørsted"
LOOK = "monitor/digits/looks/000012"
SETTINGS: dict[str, Any] = {"sample": {"label_access": "store"}}


class World:
    """Ids by what they are, and the versions of the releases: the first was made in round 1, the second in round 2."""

    def __init__(self, folder: Path) -> None:
        self.made = tiny.build(folder, {TRAIN: 100, "validation": 20, "calibration": 40, "test": 60})
        self.uri = self.made.store
        self.store: Store = open_store(self.uri)
        self.ids = self.made.data.column("id")
        self.classes = self.made.data.column("label")
        self.people = LabelStore(self.store, "digits")
        self.rows = self.made.rows
        first, second = self.rows[TRAIN][:60], self.rows[TRAIN][60:]
        held_out = np.concatenate([self.rows[split] for split in SPLITS[1:]])
        self.batches = [self.say(ANNA, [*first[:40], *held_out], 1, 0), self.say(BOB, first[40:], 1, 1)]
        self.first = self.release(folder / "first", self.rows[TRAIN][:60])
        self.batches.append(self.say(BOB, second, 2, 7))
        self.disputed, self.replaced, self.withdrawn = second[0], first[0], self.made.data.rows(TRAIN)[-1]
        self.say(ANNA, [self.disputed], 2, 8, label="8" if self.classes[self.disputed] != "8" else "3")
        self.say(CLEO, [self.disputed], 2, 9)
        self.say(ANNA, [self.replaced], 2, 8)
        self.say(ANNA, [self.withdrawn], 2, 8)
        self.say(ANNA, [self.withdrawn], 2, 9, kind=WITHDRAWN)
        self.second = self.release(folder / "second", self.rows[TRAIN])
        champions.approve(
            self.store,
            verified_release(self.store, f"releases/digits/{self.second}/"),
            expected=self.first,
            who=ANNA,
            why="fewer wrong sevens",
            source="gleaner release",
        )
        self.log(self.first, [self.rows[TRAIN][0], self.rows["test"][0]], 10)
        self.log(self.second, [self.rows[TRAIN][0]], 20)
        self.new = "e" * 64  # an image that came to a server, and is in no dataset
        self.log(self.second, [], 21, self.new)
        self.asked(folder)

    def say(self, who: str, rows: Any, number: int, day: float, label: str = "", kind: str = CLASS) -> str:
        """A batch of answers; returns its key."""
        when = START + timedelta(days=day)
        return self.people.append(
            [
                Answer(
                    self.ids[row],
                    kind,
                    (label or self.classes[row]) if kind == CLASS else None,
                    who,
                    when + timedelta(seconds=place),
                    "page",
                    number,
                )
                for place, row in enumerate(rows)
            ]
        )

    def release(self, folder: Path, train: np.ndarray) -> str:
        """Release a model that learned from the answers so far; returns its version."""
        version = self.people.version()
        found = store_answers(self.made.data, self.people, version, "majority")
        purposes = {row: split for split in SPLITS for row in (train if split == TRAIN else self.rows[split])}
        table = labels_table(self.made.data, found.given, purposes, "store")
        save_labels(
            folder / "labels", table, list(self.made.data.classes), "candidates/digits/0123456789ab", round=found.round
        )
        features = tiny.torch.from_numpy(load_embeddings(self.made.embeddings, self.made.data).astype(np.float32))
        tiny.classifier(folder / "classifier", self.made.data, features, train, "pseudolabel", folder / "labels")
        world = self.made._replace(labels=folder / "labels", classifier=folder / "classifier")
        done = tiny.evaluated(world, folder, gates=["accuracy >= 0.1"])
        settings = ReleaseSettings(
            promote="auto" if not hasattr(self, "first") else "approval",
            run_key="ab" * 32,
            run={"sample": {**SETTINGS["sample"], "labels_version": version}},
        )
        run_release(
            world.classifier, done.calibration, done.evaluation, "digits", self.uri, settings, folder / "release"
        )
        return str(json.loads((folder / "release" / "release.json").read_text())["version"])

    def log(self, version: str, rows: list[Any], day: float, *others: str) -> None:
        """Answers of a release, in the store's log."""
        when = START + timedelta(days=day)
        ids = [*(self.ids[row] for row in rows), *others]
        answers = [
            {
                "id": image,
                "time": when + timedelta(minutes=place),
                "version": version,
                "predicted": "7",
                "confidence": 0.5 + place / 10,
                "embedding": np.zeros(8, np.float16),
            }
            for place, image in enumerate(ids)
        ]
        served.write(open_store(f"{self.uri}/log"), "digits", answers)

    def asked(self, folder: Path) -> None:
        """What people were asked in round 1, and what a look of the watch named as new."""
        row = {
            "rank": 1,
            "purpose": TRAIN,
            "reason": "typical of its cluster",
            "nearest": None,
            "cluster": 3,
            "label": None,
        }
        table = pa.Table.from_pylist([{"id": self.ids[self.rows[TRAIN][0]], **row}], schema=CANDIDATES)
        save_table(folder / "candidates.parquet", table, CANDIDATES)
        data = (folder / "candidates.parquet").read_bytes()
        self.store.write("candidates/digits/0123456789ab/candidates.parquet", data)
        self.store.write("candidates/digits/0123456789ab/summary.json", json_text({"format": 1, "round": 1}).encode())
        look = pa.table({"id": [self.new], "reason": ["new to the model"], "distance": [0.4]})
        save_table(folder / "look.parquet", look, look.schema)
        files = {}
        for folder_of in ("0123456789abcdef", "fedcba9876543210"):  # the second was written by one that was killed
            files["candidates.parquet"] = {"key": f"{LOOK}/{folder_of}/candidates.parquet"}
            self.store.write(files["candidates.parquet"]["key"], (folder / "look.parquet").read_bytes())
            if self.store.stat(f"{LOOK}.json") is None:
                self.store.write(f"{LOOK}.json", json_text({"format": 1, "number": 12, "files": files}).encode())

    def image(self, row: Any) -> str:
        return str(self.ids[row])


def copied(store: Store, uri: str, without: Callable[[str], bool] = lambda key: False) -> Store:
    """The objects of a store in another place, but for those `without`."""
    target = open_store(uri)
    for stat in store.list():
        if not without(stat.key):
            target.write(stat.key, store.read(stat.key))
    return target


def says(capsys: pytest.CaptureFixture[str], uri: str, *words: str, code: int = 0) -> str:
    """What `gleaner lineage` prints, on stdout where it succeeds, else on stderr."""
    try:
        main(["--name", "digits", "--store", uri, *words])
        ended = 0
    except SystemExit as error:
        ended = int(error.code or 0)
    said = capsys.readouterr()
    assert ended == code, said
    if code == 2:
        assert said.out == ""
        assert said.err.count("\n") == 1
        assert said.err.startswith("error: lineage: ")
    return said.out if code == 0 else said.err
