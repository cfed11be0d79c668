"""Where everything that outlives a run is kept: a folder or an S3 bucket, with equal methods and equal guarantees.

A reader sees the old object or the new one, never half of one. `write_if_absent` and `replace_if_unchanged` have one
winner, whatever number of processes try. `local` gives only bytes of the expected sha256.
"""

import fcntl
import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from functools import cached_property
from pathlib import Path
from typing import Any, NamedTuple

from components.common.errors import BadInputError
from components.common.files import new_file, sha256_bytes, sha256_file

LOCK = ".gleaner.lock"
ABSENT = (FileNotFoundError, IsADirectoryError, NotADirectoryError)


class Stat(NamedTuple):
    key: str
    size: int  # bytes
    etag: str  # changes with the contents; empty in a folder's listing, where it would cost reading every file


class IntegrityError(BadInputError):
    """An object is not the one that was published."""


def open_store(uri: str) -> "Store":
    """The store at `s3://bucket/prefix` or in a folder; nothing is created or contacted yet."""
    if uri.startswith("s3://"):
        bucket, _, prefix = uri.removeprefix("s3://").partition("/")
        if not bucket:
            raise BadInputError(f"{uri!r} names no bucket; expected s3://bucket/prefix")
        return S3Store(bucket, prefix.strip("/"))
    if "://" in uri or not uri:
        raise BadInputError(f"{uri!r} is not a place that is known; expected s3://bucket/prefix or a folder")
    return FolderStore(Path(uri).expanduser())


class FolderStore:
    """A folder as a store: keys are relative paths, an etag is the sha256, writers take turns by a lock file."""

    def __init__(self, root: Path) -> None:
        self.root = root
        self.uri = str(root)

    def read(self, key: str) -> bytes:
        try:
            return self._path(key).read_bytes()
        except ABSENT:
            raise KeyError(key) from None

    def read_range(self, key: str, start: int, size: int) -> bytes:
        try:
            with self._path(key).open("rb") as file:
                file.seek(start)
                return _exactly(file.read(size), size, f"{self.uri}/{key}")
        except ABSENT:
            raise KeyError(key) from None

    def write(self, key: str, data: bytes) -> str:
        with self._locked():
            return self._put(key, data)

    def write_if_absent(self, key: str, data: bytes) -> bool:
        return self.replace_if_unchanged(key, data, None)

    def replace_if_unchanged(self, key: str, data: bytes, etag: str | None) -> bool:
        """`etag` None: the object must be absent. False where someone was faster."""
        with self._locked():
            now = self.stat(key)
            if (now.etag if now else None) != etag:
                return False
            self._put(key, data)
            return True

    def stat(self, key: str) -> Stat | None:
        path = self._path(key)
        return Stat(key, path.stat().st_size, sha256_file(path)) if path.is_file() else None

    def list(self, prefix: str = "") -> Iterator[Stat]:
        """Objects whose key starts with `prefix`, sorted by key; links are followed, a loop of links only once."""
        folder = self.root / prefix.rpartition("/")[0]
        found: dict[str, int] = {}
        seen: set[str] = set()
        for where, folders, files in os.walk(folder, followlinks=True):
            real = os.path.realpath(where)
            if real in seen:
                folders.clear()
                continue
            seen.add(real)
            for name in files:
                path = Path(where, name)
                key = path.relative_to(self.root).as_posix()
                own = name == LOCK or (name.startswith(".") and name.endswith(".partial"))
                if key.startswith(prefix) and not own and (path.is_file() or not path.exists()):  # a broken link is listed, a pipe is not
                    found[key] = path.stat().st_size if path.exists() else 0
        for key in sorted(found):
            yield Stat(key, found[key], "")

    def upload(self, key: str, path: Path) -> None:
        with new_file(self._path(key)) as temporary:
            shutil.copyfile(path, temporary)

    def local(self, key: str, sha256: str, size: int) -> Path:
        """The object's own file, verified; IntegrityError where it is gone or another."""
        return _verified(self._path(key), sha256, size, f"{self.uri}/{key}")

    def delete(self, key: str) -> None:
        with self._locked():
            self._path(key).unlink(missing_ok=True)

    def _path(self, key: str) -> Path:
        if any(part in ("", ".", "..") for part in key.split("/")):
            raise ValueError(f"{key!r} is not a key: expected names joined by single slashes")
        return self.root / key

    def _put(self, key: str, data: bytes) -> str:
        with new_file(self._path(key)) as temporary:
            temporary.write_bytes(data)
        return sha256_bytes(data)

    @contextmanager
    def _locked(self) -> Iterator[None]:
        try:
            self.root.mkdir(parents=True, exist_ok=True)
            lock = (self.root / LOCK).open("ab")
        except OSError as error:
            raise BadInputError(f"{self.uri}: cannot be written ({error.strerror}); give a folder of yours as the store") from None
        with lock:
            fcntl.flock(lock, fcntl.LOCK_EX)
            yield


class S3Store:
    """A prefix of a bucket; endpoint from AWS_ENDPOINT_URL, credentials from where boto3 finds them."""

    def __init__(self, bucket: str, prefix: str) -> None:
        self.bucket = bucket
        self.prefix = f"{prefix}/" if prefix else ""
        self.uri = f"s3://{bucket}/{prefix}".rstrip("/")

    @cached_property
    def client(self) -> Any:
        import boto3
        from botocore.config import Config

        # A server of one's own rarely has a host name per bucket.
        style = "path" if os.environ.get("AWS_ENDPOINT_URL_S3") or os.environ.get("AWS_ENDPOINT_URL") else "auto"
        config = Config(retries={"mode": "standard", "total_max_attempts": 5}, connect_timeout=5, read_timeout=60, max_pool_connections=32,
                        s3={"addressing_style": style})
        return boto3.Session().client("s3", config=config)

    def read(self, key: str) -> bytes:
        return self._get(key)

    def read_range(self, key: str, start: int, size: int) -> bytes:
        return _exactly(self._get(key, Range=f"bytes={start}-{start + size - 1}"), size, f"{self.uri}/{key}") if size else b""

    def write(self, key: str, data: bytes) -> str:
        with self._explained(key):
            return self.client.put_object(**self._at(key), Body=data)["ETag"].strip('"')

    def write_if_absent(self, key: str, data: bytes) -> bool:
        return self.replace_if_unchanged(key, data, None)

    def replace_if_unchanged(self, key: str, data: bytes, etag: str | None) -> bool:
        """`etag` None: the object must be absent. False where someone was faster."""
        from botocore.exceptions import ClientError

        condition = {"IfNoneMatch": "*"} if etag is None else {"IfMatch": f'"{etag}"'}
        while True:
            try:
                with self._explained(key):
                    self.client.put_object(**self._at(key), Body=data, **condition)
                return True
            except KeyError:  # replacing what was deleted
                return False
            except ClientError as error:
                code = error.response["Error"]["Code"]
                if code in ("PreconditionFailed", "412"):
                    return False
                if code != "ConditionalRequestConflict":  # two writers at one instant: S3 asks to try again
                    raise

    def stat(self, key: str) -> Stat | None:
        try:
            with self._explained(key):
                answer = self.client.head_object(**self._at(key))
        except KeyError:
            try:  # HEAD of an object says 404 for a missing bucket too
                with self._explained(key):
                    self.client.head_bucket(Bucket=self.bucket)
            except KeyError:
                raise self._no_bucket() from None
            return None
        return Stat(key, answer["ContentLength"], answer["ETag"].strip('"'))

    def list(self, prefix: str = "") -> Iterator[Stat]:
        """Objects whose key starts with `prefix`, sorted by key; the marks of empty folders are left out."""
        found: list[Stat] = []
        with self._explained(prefix):
            for page in self.client.get_paginator("list_objects_v2").paginate(Bucket=self.bucket, Prefix=self.prefix + prefix):
                found += [Stat(item["Key"].removeprefix(self.prefix), item["Size"], item["ETag"].strip('"'))
                          for item in page.get("Contents", []) if not item["Key"].endswith("/")]
        yield from sorted(found)  # not every server lists in the order of bytes

    def upload(self, key: str, path: Path) -> None:
        with self._explained(key):
            self.client.upload_file(str(path), self.bucket, self.prefix + key)
        stored, size = self.stat(key), path.stat().st_size
        if stored is None or stored.size != size:
            raise IntegrityError(f"{self.uri}/{key}: {stored.size if stored else 0} of {size} bytes arrived; run the stage again")

    def local(self, key: str, sha256: str, size: int) -> Path:
        """A verified copy in the cache folder; IntegrityError where the object is gone or another."""
        path = cache_folder() / sha256
        if path.is_file() and path.stat().st_size == size and sha256_file(path) == sha256:
            return path
        with new_file(path) as temporary:
            with suppress(KeyError), self._explained(key):
                self.client.download_file(self.bucket, self.prefix + key, str(temporary))
            _verified(temporary, sha256, size, f"{self.uri}/{key}")
        return path

    def delete(self, key: str) -> None:
        with self._explained(key):
            self.client.delete_object(**self._at(key))

    def _at(self, key: str) -> dict[str, str]:
        return {"Bucket": self.bucket, "Key": self.prefix + key}

    def _get(self, key: str, **extra: str) -> bytes:
        with self._explained(key):
            answer = self.client.get_object(**self._at(key), **extra)
            data = answer["Body"].read()
        return _exactly(data, answer["ContentLength"], f"{self.uri}/{key}")

    def _no_bucket(self) -> BadInputError:
        return BadInputError(f"{self.uri}: there is no bucket {self.bucket!r}; create it, or correct the address")

    @contextmanager
    def _explained(self, key: str) -> Iterator[None]:
        """Turn what the user can mend into one line, and an absent object into KeyError; never repeat a secret."""
        from botocore import exceptions as boto

        try:
            yield
        except boto.ClientError as error:
            code = error.response["Error"]["Code"]
            status = error.response["ResponseMetadata"]["HTTPStatusCode"]
            if code == "NoSuchBucket":
                raise self._no_bucket() from None
            if status == 404:
                raise KeyError(key) from None
            if status == 416:
                raise IntegrityError(f"{self.uri}/{key}: shorter than its index says; run ingest again") from None
            if status in (401, 403):
                raise BadInputError(f"{self.uri}: no permission ({code}); check the credentials and the bucket's policy") from None
            raise
        except (boto.NoCredentialsError, boto.PartialCredentialsError, boto.CredentialRetrievalError, boto.ProfileNotFound):
            raise BadInputError(f"{self.uri}: no credentials; set AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY, or a profile") from None
        except boto.ParamValidationError:
            raise BadInputError(f"{self.uri}: {self.bucket!r} cannot be the name of a bucket; expected s3://bucket/prefix") from None
        except (boto.ConnectionError, boto.HTTPClientError) as error:
            where, why = self.client.meta.endpoint_url, type(error).__name__
            raise BadInputError(f"{self.uri}: {where} does not answer ({why}); check AWS_ENDPOINT_URL and the network") from None


Store = FolderStore | S3Store


def cache_folder() -> Path:
    """Where downloaded shards are kept, named by their sha256."""
    return Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "gleaner" / "shards"


def _exactly(data: bytes, size: int, name: str) -> bytes:
    if len(data) != size:
        raise IntegrityError(f"{name}: gave {len(data)} bytes where {size} were expected; run the stage again")
    return data


def _verified(path: Path, sha256: str, size: int, name: str) -> Path:
    """`path` itself, where its contents are the expected ones."""
    found = f"{path.stat().st_size} bytes" if path.is_file() else "not there"
    if found == f"{size} bytes":
        digest = sha256_file(path)
        if digest == sha256:
            return path
        found = f"its sha256 is {digest}"
    raise IntegrityError(f"{name}: {found}, but {size} bytes of sha256 {sha256} were published; delete it and write it again")
