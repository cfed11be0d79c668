"""Find what people are asked to label: the candidates that `sample` published last."""

import json
from typing import Any, NamedTuple

import pyarrow as pa

from components.common.artifacts import CANDIDATES, CLUSTERS
from components.common.parquet import read_table
from components.common.storage import IntegrityError, Store

SUMMARY = "summary.json"


class Candidates(NamedTuple):
    """What one run asks, `candidates/<name>/<digest>/` of a store."""

    store: Store
    key: str  # of the folder
    about: dict[str, Any]
    """summary.json: `round` (from 1), `dataset` {name, id}, `classes`, `unlabelled_classes`, `labels_version` (of the
    label store; empty where another place was read), `picks` by purpose {images, labelled}, and `budget`: training
    labels in all (`train`), those there are (`spent`), and training images that are asked for now (`round`)."""

    @property
    def round(self) -> int:
        return self.about["round"]

    def picks(self) -> pa.Table:
        """The images that are asked for (CANDIDATES)."""
        return self._table("candidates.parquet", CANDIDATES)

    def clusters(self) -> pa.Table:
        """The cluster of every image of the training pool (CLUSTERS)."""
        return self._table("clusters.parquet", CLUSTERS)

    def _table(self, name: str, schema: pa.Schema) -> pa.Table:
        key = f"{self.key}/{name}"
        try:
            return read_table(self.store.read(key)).select(schema.names).cast(schema)
        except (KeyError, ValueError, pa.ArrowException) as error:
            raise IntegrityError(
                f"{self.store.uri}/{key}: no table of candidates that can be read ({type(error).__name__}); remove "
                f"{self.key}/ and run again"
            ) from None


def newest_candidates(store: Store, name: str) -> Candidates | None:
    """The candidates of the highest round, of several the last published; None where nobody has been asked yet.

    A summary is published after all that lies beside it. Those of earlier versions, without a round, are passed over.
    """
    summaries = [stat for stat in store.list(f"candidates/{name}/") if stat.key.endswith(f"/{SUMMARY}")]
    newest: Candidates | None = None
    for stat in sorted(summaries, key=lambda stat: (stat.modified, stat.key)):
        try:
            about = json.loads(store.read(stat.key))
        except KeyError:  # removed since it was listed
            continue
        if "round" in about and (newest is None or about["round"] >= newest.round):
            newest = Candidates(store, stat.key.removesuffix(f"/{SUMMARY}"), about)
    return newest
