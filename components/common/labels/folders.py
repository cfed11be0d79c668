"""Read class folders, in a folder or a zip: the folder that a file lies in at the top is its class.

So CVAT exports "ImageNet 1.0", with `no_label` for images without an answer. Which image a file is tells its contents
(an image's id is the sha256 of its file), else its name: the id, or the path in the source, with or without the class
above it.
"""

import hashlib
import zipfile
import zlib
from collections.abc import Iterator
from pathlib import Path, PurePosixPath
from struct import error as StructError

from components.common.errors import BadInputError
from components.common.files import sha256_bytes
from components.common.labels.answers import OPEN, Line, is_text
from components.common.names import class_name
from components.common.zips import RefusedError, inflated, wrong_name, zip_members

NO_LABEL = "no_label"  # CVAT's folder of images without an answer
TOOLS = {"__MACOSX", "Thumbs.db", "desktop.ini"}  # what systems leave behind; hidden files are left out too
BESIDE = {".txt", ".csv", ".json", ".xml", ".md", ".yaml", ".yml"}  # files beside the folders that tell about them
BROKEN = (zipfile.BadZipFile, zlib.error, StructError, EOFError, NotImplementedError, ValueError, OverflowError)


def folder_lines(folder: Path, name: str) -> Iterator[Line]:
    """A line for each file below a folder, by path. Raises BadInputError where it has no class folder."""
    files = sorted(path for path in folder.rglob("*") if path.is_file())
    lines = 0
    for path in files:
        key = path.relative_to(folder).as_posix()
        if not _is_passed_over(key):
            lines += 1
            try:
                with path.open("rb") as file:
                    digest = hashlib.file_digest(file, "sha256").hexdigest()
            except OSError as error:
                yield _line(name, key, "", f"cannot be read: {error.strerror}")
                continue
            yield _line(name, key, digest)
    if not lines:
        raise _empty(name)


def zip_lines(path: Path, name: str) -> Iterator[Line]:
    """The same for the members of a zip, of which none is written anywhere."""
    lines = 0
    for key, stretch, reason in checked_members(path, name):
        wrong = reason or wrong_name(key)
        if stretch is None or _is_passed_over(key):
            continue
        lines += 1
        digest = ""
        if not wrong:
            try:
                digest = sha256_bytes(member(path, stretch))
            except ValueError as error:
                wrong = str(error)
        yield _line(name, key, digest, wrong)
    if not lines:
        raise _empty(name)


def checked_members(path: Path, name: str) -> Iterator[tuple[str, tuple[int, int, int, int] | None, str]]:
    """Members of a zip as `zip_members` has them. Raises BadInputError where it is broken, or a bomb."""
    try:
        yield from zip_members(path)
    except RefusedError as error:
        raise BadInputError(f"{name}: {error}") from None
    except BROKEN as error:
        why = str(error).partition("\n")[0] or type(error).__name__
        raise BadInputError(f"{name}: broken archive: {why}; export it again") from None


def member(path: Path, stretch: tuple[int, int, int, int]) -> bytes:
    """The bytes of a member. Raises ValueError where they are not those that the archive promises."""
    start, size, unpacked, crc = stretch
    with path.open("rb") as file:
        file.seek(start)
        data = file.read(size)
    if len(data) != size:
        raise ValueError("its archive ends before it")
    return data if unpacked < 0 else inflated(data, unpacked, crc)


def _line(name: str, key: str, digest: str, wrong: str = "") -> Line:
    folder, _, rest = key.partition("/")
    where = f"{name}:{shown(key)}"
    if not wrong and not rest:
        wrong = "lies in no class folder; expected CLASS/FILE"
    if not wrong and not is_text(key):
        wrong = "a name that is no text"
    kind = OPEN if rest and folder == NO_LABEL else ""
    return Line(where, shown(key), class_name(shown(folder)) if rest else "", kind, digest=digest, wrong=wrong)


def shown(key: str) -> str:
    """The name as UTF-8 can hold it; file systems allow names that are no text."""
    return key.encode("utf-8", "surrogateescape").decode("utf-8", "backslashreplace")


def _is_passed_over(key: str) -> bool:
    parts = key.split("/")
    is_beside = len(parts) == 1 and PurePosixPath(key).suffix.lower() in BESIDE
    return is_beside or any((part.startswith(".") and part not in (".", "..")) or part in TOOLS for part in parts)


def _empty(name: str) -> BadInputError:
    return BadInputError(f"{name}: holds no files in class folders; expected CLASS/FILE, a folder for each class")
