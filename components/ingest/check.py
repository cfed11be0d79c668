"""Reading and checking images in several processes, in the order given, with bounded memory."""

from collections import deque
from collections.abc import Iterable, Iterator
from concurrent.futures import Future, ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from functools import cache
from multiprocessing import get_context
from typing import NamedTuple

from components.common.errors import BadInputError
from components.common.files import sha256_bytes
from components.common.images import Canonical, ImageError, canonical_pixels
from components.common.storage import Store, open_store
from components.ingest.looks import Look, look

CHUNK_BYTES, CHUNK_FILES = 4 << 20, 64  # of source files that one process takes at a time

store_of = cache(open_store)  # one connection per process


class Checked(NamedTuple):
    """An image that was read, or the reason why not."""

    key: str
    id: str  # sha256 of the source's bytes
    image: Canonical | None
    reason: str  # empty where there is an image
    look: Look | None = None


def check_all(source: str, files: Iterable[tuple[str, int]], mode: str, max_pixels: int, workers: int) -> Iterator[Checked]:
    """Check every file (path, bytes) of a source; results come in the order of `files`, whatever the number of workers."""
    chunks = _chunks(files)
    if workers == 1:
        for chunk in chunks:
            yield from check(source, chunk, mode, max_pixels)
        return
    waiting: deque[Future[list[Checked]]] = deque()
    try:
        with ProcessPoolExecutor(workers, mp_context=get_context("spawn")) as pool:
            for chunk in chunks:
                waiting.append(pool.submit(check, source, chunk, mode, max_pixels))
                if len(waiting) > 2 * workers:
                    yield from waiting.popleft().result()
            while waiting:
                yield from waiting.popleft().result()
    except BrokenProcessPool:
        raise BadInputError("a decoding process was killed, most likely for memory; lower ingest.workers or ingest.max_pixels") from None


def check(source: str, keys: list[str], mode: str, max_pixels: int) -> list[Checked]:
    store = store_of(source)
    return [_check_one(store, key, mode, max_pixels) for key in keys]


def _check_one(store: Store, key: str, mode: str, max_pixels: int) -> Checked:
    try:
        key.encode()  # file systems allow names that are no text
        data = store.read(key)
        image, pixels = canonical_pixels(data, mode, max_pixels)
        return Checked(key, sha256_bytes(data), image, "", look(pixels))
    except UnicodeEncodeError:
        shown = key.encode("utf-8", "surrogateescape").decode("utf-8", "backslashreplace")
        return Checked(shown, "", None, "its name is not UTF-8; rename it")
    except KeyError:
        return Checked(key, "", None, "not there: a broken link, or removed meanwhile")
    except ImageError as error:
        return Checked(key, "", None, str(error))
    except OSError as error:
        return Checked(key, "", None, f"cannot be read: {error.strerror or type(error).__name__}")


def _chunks(files: Iterable[tuple[str, int]]) -> Iterator[list[str]]:
    chunk: list[str] = []
    size = 0
    for key, length in files:
        chunk.append(key)
        size += length
        if size >= CHUNK_BYTES or len(chunk) >= CHUNK_FILES:
            yield chunk
            chunk, size = [], 0
    if chunk:
        yield chunk
