"""Decode the text files of people: UTF-8 with or without a mark, or UTF-16 with one, and any line ends.

Other encodings are refused, not guessed: bytes of Windows-1252, say, are valid in a dozen others, and a wrong guess
is a wrong class name that nobody notices.
"""

import codecs
from collections.abc import Iterator
from typing import IO

from components.common.errors import BadInputError

PIECE = 1 << 20  # bytes read at a time
LINE_BYTES = 32 << 20  # longest line, in UTF-8, that is read: Label Studio's CSV holds the pictures of our tasks
WORKBOOKS = (b"PK\x03\x04", b"\xd0\xcf\x11\xe0")  # the first bytes of .xlsx and .ods, and of .xls
WIDE = (codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)
REMEDY = "save it as UTF-8 (in Excel: CSV UTF-8)"


def text_lines(file: IO[bytes], name: str) -> Iterator[str]:
    """The lines with their ends, of Unix, Windows or the old Mac; no more of the file is held than a line and a piece.

    Raises BadInputError, with the line, where it is no text in these encodings, or is too long.
    """
    for number, line in enumerate(_byte_lines(file, name), start=1):
        try:
            text = line.decode("utf-8")
        except UnicodeDecodeError as error:
            raise BadInputError(f"{name}:{number}: not UTF-8 at byte {error.start} of the line; {REMEDY}") from None
        if "\0" in text:
            raise BadInputError(f"{name}:{number}: holds NUL characters, as UTF-16 without its mark does; {REMEDY}")
        yield text


def whole_text(data: bytes, name: str) -> str:
    """A file that is held already, whatever the length of its lines. Raises BadInputError as `text_lines` does."""
    _refuse_workbook(data, name)
    try:
        text = data.decode("utf-16" if data.startswith(WIDE) else "utf-8-sig")
    except UnicodeDecodeError as error:
        line = data.count(b"\n", 0, error.start) + 1
        raise BadInputError(f"{name}:{line}: not UTF-8 at byte {error.start} of the file; {REMEDY}") from None
    if "\0" in text:
        raise BadInputError(f"{name}: holds NUL characters, as UTF-16 without its mark does; {REMEDY}")
    return text


def _byte_lines(file: IO[bytes], name: str) -> Iterator[bytes]:
    rest = b""
    number = 1
    for piece in _pieces(file, name):
        lines = (rest + piece).splitlines(keepends=True)  # of bytes: at \n, \r and \r\n, nothing else
        rest = lines.pop() if not lines[-1].endswith(b"\n") else b""  # a \n may follow the \r that it ends with
        yield from lines
        number += len(lines)
        if len(rest) > LINE_BYTES:
            raise BadInputError(
                f"{name}:{number}: a line of more than {LINE_BYTES:,} bytes; expected a table with one entry per line"
            )
    if rest:
        yield rest


def _pieces(file: IO[bytes], name: str) -> Iterator[bytes]:
    """The file as UTF-8, without its mark."""
    first = file.read(PIECE)
    _refuse_workbook(first, name)
    wide = first.startswith(WIDE)
    decoder = codecs.getincrementaldecoder("utf-16")()
    piece = first.removeprefix(codecs.BOM_UTF8)
    while piece:
        following = file.read(PIECE)
        try:
            narrow = decoder.decode(piece, final=not following).encode("utf-8") if wide else piece
        except UnicodeDecodeError:
            raise BadInputError(f"{name}: begins as UTF-16 and is not; {REMEDY}") from None
        if narrow:
            yield narrow
        piece = following


def _refuse_workbook(data: bytes, name: str) -> None:
    if data.startswith(WORKBOOKS):
        raise BadInputError(f"{name}: a workbook or an archive, expected text; save it as CSV (in Excel: CSV UTF-8)")
