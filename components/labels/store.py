"""Keep the answers of people: batches that are only added, renamings, and versions that name a state of both.

    labels/<name>/<round>-<digest>.parquet   a batch: answers that came together (ANSWERS)
    labels/<name>/renamings/<number>.json    a class renamed, or merged into another; answers stay as they were given
    labels/<name>/versions/<digest>.json     which batches and renamings there were: what a run learned from

Names of batches and versions are digests of their contents, so that two imports at once lose nothing, and the same
import twice adds nothing; where images are forgotten, answers leave a batch, which keeps its name. Renamings are
numbered by who comes first.
"""

import io
import json
from collections.abc import Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor
from datetime import datetime
from typing import NamedTuple

import pyarrow as pa
import pyarrow.parquet as pq

from components.common.errors import BadInputError
from components.common.files import json_text, sha256_json
from components.common.forgotten import forgotten_ids
from components.common.labels.answers import CLASS, NONE, SKIP
from components.common.parquet import read_table
from components.common.storage import IntegrityError, Stat, Store

WITHDRAWN = "withdrawn"
KINDS = (CLASS, NONE, SKIP, WITHDRAWN)
"""Of an answer: a class; none of the classes; passed over; and one's earlier answer taken back."""

ANSWERS = pa.schema(
    [
        ("id", pa.string()),  # of the image: sha256 of the source's bytes
        ("kind", pa.string()),  # one of KINDS
        ("label", pa.string()),  # the class, where the kind is `class`; else null
        ("annotator", pa.string()),
        ("time", pa.timestamp("us", tz="UTC")),  # when it was given, or imported where nobody noted that
        ("task", pa.string()),  # where it was given: a line of a file, a task of Label Studio, the page
        ("round", pa.int32()),  # of labelling, from 1
    ]
)
READERS = 16  # batches fetched at a time


class Answer(NamedTuple):
    id: str
    kind: str
    label: str | None
    annotator: str
    time: datetime  # with its zone
    task: str
    round: int


class Renaming(NamedTuple):
    """Whoever said `old` meant `new`, from `time` on and before."""

    old: str
    new: str
    annotator: str
    time: datetime


class State(NamedTuple):
    """All that was said: answers by time, then by batch and place in it; renamings in their order."""

    answers: list[Answer]
    renamings: list[Renaming]


class LabelStore:
    """The answers about the images of one dataset, `labels/<name>/` of a store."""

    def __init__(self, store: Store, name: str) -> None:
        self.store = store
        self.root = f"labels/{name}"

    def append(self, answers: Sequence[Answer]) -> str:
        """Add answers as a batch, which all stand or none; returns its key, which has their last round. The same ones
        again add nothing. What is said of images that were forgotten is not kept.
        """
        rows = [answer._asdict() for answer in answers]
        digest = sha256_json([[*map(str, row.values())] for row in rows])[:16]
        key = f"{self.root}/{max(answer.round for answer in answers):04d}-{digest}.parquet"
        forgotten = forgotten_ids(self.store)
        kept = [row for row in rows if row["id"] not in forgotten]
        text = io.BytesIO()
        pq.write_table(pa.Table.from_pylist(kept, schema=ANSWERS), text, compression="zstd")
        self.store.write_if_absent(key, text.getvalue())
        return key

    def rename(self, old: str, new: str, annotator: str, time: datetime) -> str:
        """Record that class `old` is called `new` now, or is merged into it; returns the key."""
        number = len(self._renamings()) + 1
        data = json_text({"format": 1, "old": old, "new": new, "annotator": annotator, "time": time.isoformat()})
        while not self.store.write_if_absent(key := f"{self.root}/renamings/{number:04d}.json", data.encode()):
            number += 1
        return key

    def version(self) -> str:
        """The name of the state as it is, recorded so that it can be read later; empty where nobody has answered."""
        batches, renamings = self._batches(), self._renamings()
        if not batches:
            return ""
        names = {"format": 1, "batches": batches, "renamings": renamings}
        digest = sha256_json(names)
        self.store.write_if_absent(f"{self.root}/versions/{digest}.json", json_text(names).encode())
        return digest

    def read(self, version: str = "") -> State:
        """All that was said, up to a version or until now. Raises BadInputError where there is no such version."""
        if version:
            try:
                names = json.loads(self.store.read(f"{self.root}/versions/{version}.json"))
            except KeyError:
                raise BadInputError(
                    f"{self.store.uri}/{self.root}/versions/{version}.json: does not exist; expected a version of "
                    "these labels; leave sample.labels_version out to read all of them"
                ) from None
        else:
            names = {"batches": self._batches(), "renamings": self._renamings()}
        with ThreadPoolExecutor(READERS) as readers:
            read = list(readers.map(self._batch, names["batches"]))
        answers = sorted((answer for batch in read for answer in batch), key=lambda answer: answer.time)
        return State(answers, [self._renaming(key) for key in names["renamings"]])

    def read_more(self, known: set[str]) -> State:
        """What has been added since: answers of the batches that are not among `known`, to which their keys are added,
        and all renamings.
        """
        new = [key for key in self._batches() if key not in known]
        with ThreadPoolExecutor(READERS) as readers:
            read = list(readers.map(self._batch, new))
        known.update(new)
        answers = sorted((answer for batch in read for answer in batch), key=lambda answer: answer.time)
        return State(answers, self.renamings())

    def batches(self) -> list[Stat]:
        """All batches, by key."""
        found = [stat for stat in self.store.list(f"{self.root}/") if stat.key.endswith(".parquet")]
        return sorted(stat for stat in found if stat.key.count("/") == self.root.count("/") + 1)

    def renamings(self) -> list[Renaming]:
        """All renamings, in their order."""
        return [self._renaming(key) for key in self._renamings()]

    def _batches(self) -> list[str]:
        """Keys of all batches, sorted."""
        return [stat.key for stat in self.batches()]

    def _renamings(self) -> list[str]:
        return sorted(stat.key for stat in self.store.list(f"{self.root}/renamings/"))

    def _batch(self, key: str) -> Iterable[Answer]:
        try:
            table = read_table(self.store.read(key))
            return [Answer(**row) for row in table.select(ANSWERS.names).cast(ANSWERS).to_pylist()]
        except (KeyError, ValueError, pa.ArrowException) as error:
            raise IntegrityError(
                f"{self.store.uri}/{key}: no batch of answers that can be read ({type(error).__name__}); restore it"
            ) from None

    def _renaming(self, key: str) -> Renaming:
        about = json.loads(self.store.read(key))
        return Renaming(about["old"], about["new"], about["annotator"], datetime.fromisoformat(about["time"]))
