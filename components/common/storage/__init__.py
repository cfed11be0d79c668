"""Object stores for everything that outlives a run: a folder or an S3 bucket, with the same methods and guarantees.

A reader sees the old object or the new one, never half of one. `write_if_absent` and `replace_if_unchanged` have one
winner, whatever number of processes try, and the winner learns it even where the network loses the answer.
`read_verified` and `local` give only bytes of the expected sha256; what arrives broken is asked for again.

    folder.py  a folder          s3.py        a prefix of a bucket; the only module that knows boto3
    cache.py   shards on disk    transfer.py  large objects in parallel parts
    turns.py   removing what nothing names, beside those who write
"""

from pathlib import Path

from components.common.errors import BadInputError
from components.common.storage.base import IntegrityError, Stat
from components.common.storage.cache import cache_folder
from components.common.storage.folder import FolderStore
from components.common.storage.s3 import S3Store
from components.common.storage.turns import Collection, announce, collection

__all__ = [
    "Collection",
    "FolderStore",
    "IntegrityError",
    "S3Store",
    "Stat",
    "Store",
    "announce",
    "cache_folder",
    "collection",
    "file_at",
    "open_store",
]

Store = FolderStore | S3Store


def open_store(uri: str) -> Store:
    """The store at `s3://bucket/prefix` or in a folder; nothing is created or contacted yet."""
    if uri.startswith("s3://"):
        bucket, _, prefix = uri.removeprefix("s3://").partition("/")
        if not bucket:
            raise BadInputError(f"{uri!r} names no bucket; expected s3://bucket/prefix")
        return S3Store(bucket, prefix.strip("/"))
    if "://" in uri or not uri:
        raise BadInputError(f"{uri!r} is not a place that is known; expected s3://bucket/prefix or a folder")
    return FolderStore(Path(uri).expanduser())


def file_at(uri: str) -> tuple[Store, str]:
    """The store that holds a single file, an s3:// URI or a path that may begin with `~`, and its key there."""
    folder, _, name = (uri if "://" in uri else str(Path(uri).expanduser())).rpartition("/")
    return open_store(folder or "."), name
