"""A prefix of an S3 bucket as a store."""

import random
import time
from collections.abc import Callable, Iterator
from contextlib import suppress
from email.utils import parsedate_to_datetime
from functools import cached_property
from pathlib import Path
from typing import Any, TypeVar
from uuid import uuid4

from components.common.storage.base import IntegrityError, Stat, difference, exactly, other
from components.common.storage.boto import ConditionError, PassingError, explained, make_client, no_bucket, unlike_etag
from components.common.storage.cache import cached, let_go
from components.common.storage.transfer import PART, receive, send

# of one operation, where boto3's own (5, and 500 tokens for a client's life) end in a 503 or cannot see the damage
ATTEMPTS = 12
FIRST_PAUSE, LONGEST_PAUSE = 0.1, 5.0  # seconds; doubled each time, then multiplied by a random number
WRITER = "gleaner-writer"  # metadata that says whose write an object is

Result = TypeVar("Result")


class S3Store:
    """A prefix of a bucket; endpoint from AWS_ENDPOINT_URL, credentials from where boto3 finds them."""

    def __init__(self, bucket: str, prefix: str) -> None:
        self.bucket = bucket
        self.prefix = f"{prefix}/" if prefix else ""
        self.uri = f"s3://{bucket}/{prefix}".rstrip("/")

    @cached_property
    def client(self) -> Any:
        return make_client()

    def read(self, key: str) -> bytes:
        """All of an object; a flipped bit is seen where the server keeps a checksum or an MD5, as it does of one-piece
        uploads.
        """
        seen: set[str] = set()

        def get() -> bytes:
            data, answer = self._get(key)
            digest = unlike_etag(data, answer)
            if digest and digest not in seen:  # twice the same: then this server's ETag is no MD5
                seen.add(digest)
                raise PassingError(IntegrityError(f"{self.uri}/{key}: arrives different each time; check the network"))
            return data

        return self._call(key, get)

    def read_range(self, key: str, start: int, size: int) -> bytes:
        """`size` bytes from `start`; ranges have no checksum, so only their length is verified."""
        if not size:
            return b""
        data = self._call(key, lambda: self._get(key, Range=f"bytes={start}-{start + size - 1}")[0])
        return exactly(data, size, f"{self.uri}/{key}")

    def read_verified(self, key: str, sha256: str, size: int) -> bytes:
        """All of an object whose digest is known; IntegrityError where it is gone or another."""

        def get() -> bytes:
            answer = self.client.get_object(**self._at(key))
            if answer["ContentLength"] != size:
                answer["Body"].close()
                raise other(f"{self.uri}/{key}", f"{answer['ContentLength']} bytes", sha256, size)
            data = answer["Body"].read()
            if found := difference(data, sha256, size):
                raise PassingError(other(f"{self.uri}/{key}", found, sha256, size), found)
            return data

        try:
            return self._call(key, get)
        except KeyError:
            raise other(f"{self.uri}/{key}", "not there", sha256, size) from None

    def write(self, key: str, data: bytes) -> str:
        return self._call(key, lambda: self.client.put_object(**self._at(key), Body=data))["ETag"].strip('"')

    def write_if_absent(self, key: str, data: bytes) -> bool:
        return self.replace_if_unchanged(key, data, None)

    def replace_if_unchanged(self, key: str, data: bytes, etag: str | None) -> bool:
        """`etag` None: the object must be absent. False where someone was faster.

        Where an answer was lost, the second try is refused because of the first: then the object says who wrote it.
        """
        condition = {"IfNoneMatch": "*"} if etag is None else {"IfMatch": f'"{etag}"'}
        mine = uuid4().hex
        tries = 0

        def put() -> None:
            nonlocal tries
            tries += 1
            self.client.put_object(**self._at(key), Body=data, Metadata={WRITER: mine}, **condition)

        try:
            self._call(key, put)
        except KeyError:  # replacing what was deleted
            return False
        except ConditionError as refused:
            return (refused.repeated or tries > 1) and self._writer(key) == mine
        return True

    def stat(self, key: str) -> Stat | None:
        try:
            answer = self._call(key, lambda: self.client.head_object(**self._at(key)))
        except KeyError:
            try:  # HEAD of an object says 404 for a missing bucket too
                self._call(key, lambda: self.client.head_bucket(Bucket=self.bucket))
            except KeyError:
                raise no_bucket(self.uri, self.bucket) from None
            return None
        return Stat(key, answer["ContentLength"], answer["ETag"].strip('"'), answer["LastModified"].timestamp())

    def now(self) -> float:
        """Seconds since 1970 by the server's clock, in whole ones."""
        try:
            answer = self._call("", lambda: self.client.head_bucket(Bucket=self.bucket))
        except KeyError:
            raise no_bucket(self.uri, self.bucket) from None
        return parsedate_to_datetime(answer["ResponseMetadata"]["HTTPHeaders"]["date"]).timestamp()

    def list(self, prefix: str = "", folders: bool = False) -> Iterator[Stat]:
        """Objects whose key starts with `prefix`, in the server's order, page by page; the marks of folders, whose keys
        end in a slash, only where `folders` are wanted too.
        """
        more: dict[str, str] | None = {}
        while more is not None:
            page = self._page("list_objects_v2", prefix, more)
            for item in page.get("Contents", []):
                key = item["Key"].removeprefix(self.prefix)
                if key and (folders or not key.endswith("/")):
                    yield Stat(key, item["Size"], item["ETag"].strip('"'), item["LastModified"].timestamp())
            more = {"ContinuationToken": page["NextContinuationToken"]} if page.get("IsTruncated") else None

    def upload(self, key: str, path: Path) -> None:
        """Store a file, a large one in parallel parts, each with a checksum that the server verifies."""
        if path.stat().st_size <= PART:
            self.write(key, path.read_bytes())
            return
        mine = uuid4().hex
        at = {
            **self._at(key),
            "UploadId": self._call(
                key,
                lambda: self.client.create_multipart_upload(
                    **self._at(key), ChecksumAlgorithm="CRC32", Metadata={WRITER: mine}
                ),
            )["UploadId"],
        }

        def part(number: int, data: bytes) -> dict[str, Any]:
            answer = self._call(
                key, lambda: self.client.upload_part(**at, PartNumber=number, Body=data, ChecksumAlgorithm="CRC32")
            )
            return {
                "PartNumber": number,
                **{name: answer[name] for name in ("ETag", "ChecksumCRC32") if name in answer},
            }

        try:
            parts = send(path, part)
            self._call(key, lambda: self.client.complete_multipart_upload(**at, MultipartUpload={"Parts": parts}))
        except KeyError:  # the upload is gone: completed by a try whose answer was lost, or removed by someone
            if self._writer(key) != mine:
                raise IntegrityError(
                    f"{self.uri}/{key}: someone removed its unfinished upload; run the stage again"
                ) from None
        except BaseException:
            self._abort(at)
            raise

    def make_bucket(self) -> None:
        """Create the bucket where it is absent; for a server of one's own, elsewhere a bucket has an owner and a
        policy.
        """
        try:
            self._call("", lambda: self.client.head_bucket(Bucket=self.bucket))
        except KeyError:
            # someone was faster
            with suppress(self.client.exceptions.BucketAlreadyOwnedByYou, self.client.exceptions.BucketAlreadyExists):
                self._call("", lambda: self.client.create_bucket(Bucket=self.bucket))

    def clean_uploads(self, prefix: str, hours: float, only_count: bool = False) -> int:
        """Abort the multipart uploads under `prefix` that were begun more than `hours` ago; returns how many.

        Uploads left behind cost storage; where aborting is not permitted, nothing is said.
        """
        old = time.time() - hours * 3600
        left: list[dict[str, str]] = []
        more: dict[str, str] | None = {}
        while more is not None:
            try:
                page = self._page("list_multipart_uploads", prefix, more)
            except Exception:
                break
            left += [
                {"Bucket": self.bucket, "Key": upload["Key"], "UploadId": upload["UploadId"]}
                for upload in page.get("Uploads", [])
                if upload["Initiated"].timestamp() <= old and upload["Key"].startswith(self.prefix + prefix)
            ]
            more = (
                {name: page[f"Next{name}"] for name in ("KeyMarker", "UploadIdMarker")}
                if page.get("IsTruncated")
                else None
            )
        return len(left) if only_count else sum(self._abort(upload) for upload in left)

    def local(self, key: str, sha256: str, size: int) -> Path:
        """A verified copy in the cache folder, there until `let_go`; IntegrityError where the object is gone or
        another.
        """

        def fetch(path: Path) -> None:
            if size <= PART:
                path.write_bytes(self.read_verified(key, sha256, size))
                return
            try:
                digest = receive(path, sha256, size, lambda start, length: self._part(key, start, length, sha256, size))
            except KeyError:
                raise other(f"{self.uri}/{key}", "not there", sha256, size) from None
            if digest != sha256:
                raise other(f"{self.uri}/{key}", f"its sha256 is {digest}", sha256, size)

        return cached(sha256, size, fetch)

    def let_go(self, path: Path) -> None:
        """Say that a path from `local` is no longer read; without it, a copy is kept until the process ends."""
        let_go(path)

    def delete(self, key: str) -> None:
        self._call(key, lambda: self.client.delete_object(**self._at(key)))

    def _at(self, key: str) -> dict[str, str]:
        return {"Bucket": self.bucket, "Key": self.prefix + key}

    def _get(self, key: str, **extra: str) -> tuple[bytes, dict[str, Any]]:
        answer = self.client.get_object(**self._at(key), **extra)
        return answer["Body"].read(), answer  # which raises where fewer bytes come than the server announced

    def _part(self, key: str, start: int, length: int, sha256: str, size: int) -> bytes:
        data, answer = self._call(key, lambda: self._get(key, Range=f"bytes={start}-{start + length - 1}"))
        whole = answer.get("ContentRange", "").rpartition("/")[2]
        if whole != str(size) or len(data) != length:
            raise other(f"{self.uri}/{key}", f"{whole or len(data)} bytes", sha256, size)
        return data

    def _page(self, operation: str, prefix: str, more: dict[str, str]) -> dict[str, Any]:
        return self._call(
            prefix, lambda: getattr(self.client, operation)(Bucket=self.bucket, Prefix=self.prefix + prefix, **more)
        )

    def _writer(self, key: str) -> str | None:
        try:
            return self._call(key, lambda: self.client.head_object(**self._at(key)))["Metadata"].get(WRITER)
        except KeyError:
            return None

    def _abort(self, upload: dict[str, str]) -> bool:
        try:
            self._call(upload["Key"], lambda: self.client.abort_multipart_upload(**upload))
        except Exception:  # gone meanwhile, or the server is: a later run finds it
            return False
        return True

    def _call(self, key: str, act: Callable[[], Result]) -> Result:
        """What `act` returns, tried again where another try may mend it; pauses grow and are random, so that many
        clients spread.
        """
        seen = {""}
        for attempt in range(ATTEMPTS):
            try:
                with explained(self.uri, self.bucket, key):
                    return act()
            except PassingError as error:
                if attempt + 1 == ATTEMPTS or (error.found and error.found in seen):
                    raise error.final from None
                seen.add(error.found)
            time.sleep(random.random() * min(LONGEST_PAUSE, FIRST_PAUSE * 2**attempt))  # noqa: S311 (no secret)
        raise AssertionError("unreachable")
