"""The id of a version of a dataset: the digest of its index, its shards, its classes, its mode and its attributes.

Whoever has the id can verify a copy of dataset.json and index.parquet, whichever release of pyarrow wrote them.
"""

import hashlib
from collections.abc import Iterable

import pyarrow as pa

from components.common.artifacts import Dataset, Shard
from components.common.files import json_text, sha256_json

ROWS = 10_000  # of the index that are digested at a time; ids depend on it


def rows_text(rows: pa.Table, has_text: bool) -> bytes:
    """ROWS rows of an index, or the last ones, as they are digested. has_text: whether any row of the index has one."""
    return json_text((rows if has_text else rows.drop_columns("text")).to_pydict()).encode()


def version_id(index: str, shards: Iterable[Shard], classes: Iterable[str], mode: str, attributes: str = "") -> str:
    """`index`: sha256 of the texts of all rows. attributes: digest of those beside the index, where there are some."""
    content = {"index": index, "shards": [shard.sha256 for shard in shards], "classes": list(classes), "mode": mode}
    return sha256_json({**content, "attributes": attributes} if attributes else content)


def id_of(dataset: Dataset) -> str:
    """The id that follows from the contents, whatever `dataset.id` says."""
    text = dataset.index.column("text")
    digest = hashlib.sha256()
    for start in range(0, len(text), ROWS):
        digest.update(rows_text(dataset.index.slice(start, ROWS), text.null_count < len(text)))
    return version_id(digest.hexdigest(), dataset.shards, dataset.classes, dataset.mode, dataset.attributes)
