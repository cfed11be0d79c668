"""The images of an upload: parts of multipart/form-data (RFC 7578), or the body itself."""

from typing import NamedTuple

from python_multipart.exceptions import FormParserError
from python_multipart.multipart import MultipartParser, parse_options_header

from components.serve.engine.errors import RefusedError

HOW = "expected multipart/form-data with files, as `curl -F image=@a.png`, or an image as the body"


class Image(NamedTuple):
    name: str  # of the file; empty where it has none
    data: bytes


def images_of(body: bytes, content_type: str, most: int) -> list[Image]:
    """Files of the upload, at most `most`; RefusedError where it is none, or malformed."""
    kind, options = parse_options_header(content_type.encode("latin-1"))
    if kind.startswith(b"image/") or kind == b"application/octet-stream":
        return [Image("", body)]
    if kind != b"multipart/form-data":
        raise RefusedError(f"content type {content_type[:100]!r}: {HOW}", 415)
    boundary = options.get(b"boundary", b"")
    if not boundary:
        raise RefusedError(f"multipart/form-data without a boundary; {HOW}", 400)
    reading = _Reading(most)
    try:
        parser = MultipartParser(boundary, reading.callbacks())  # type: ignore[arg-type]
        parser.write(body)
        parser.finalize()
    except (FormParserError, ValueError) as error:
        raise RefusedError(f"multipart/form-data that is malformed: {str(error)[:200]}", 400) from None
    if not reading.is_whole:
        raise RefusedError("multipart/form-data that ends early, without its last boundary; send it again", 400)
    if not reading.images:
        raise RefusedError(f"no file in the form; {HOW}", 400)
    return reading.images


class _Reading:
    """What the parser has told so far. Fields that are no files are passed over."""

    def __init__(self, most: int) -> None:
        self.most = most
        self.images: list[Image] = []
        self.is_whole = False
        self._begin()

    def callbacks(self) -> dict[str, object]:
        return {
            "on_part_begin": self._begin,
            "on_header_field": self._header_name,
            "on_header_value": self._header_value,
            "on_header_end": self._header_end,
            "on_part_data": self._data,
            "on_part_end": self._end,
            "on_end": self._finish,
        }

    def _begin(self) -> None:
        self.file: str | None = None
        self.chunks: list[bytes] = []
        self.name = self.value = b""

    def _header_name(self, data: bytes, start: int, end: int) -> None:
        self.name += data[start:end]

    def _header_value(self, data: bytes, start: int, end: int) -> None:
        self.value += data[start:end]

    def _header_end(self) -> None:
        if self.name.lower() == b"content-disposition":
            options = parse_options_header(self.value)[1]
            if b"filename" in options:
                self.file = options[b"filename"].decode(errors="replace")
        self.name = self.value = b""

    def _data(self, data: bytes, start: int, end: int) -> None:
        if self.file is not None:
            self.chunks.append(data[start:end])

    def _end(self) -> None:
        if self.file is None:
            return
        if len(self.images) == self.most:
            raise RefusedError(f"more than {self.most} images in one request; send fewer at a time", 413)
        self.images.append(Image(self.file, b"".join(self.chunks)))

    def _finish(self) -> None:
        self.is_whole = True
