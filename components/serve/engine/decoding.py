"""Decode one image after the other in a process of its own, which a hostile image may crash; decoders.py starts it.

Both sides exchange frames of a fixed head and some bytes. Nothing that comes back is unpickled: a process that an image
has taken over can send wrong pixels, and no code.
"""

import os
import socket
import struct

from components.common.confined import OUT_OF_MEMORY, Limits, at_most, settle
from components.common.data.images import ImageError, seen
from components.common.data.kinds import HEAD, can_read, kind_of

MODES = ("L", "RGB")
READY = b"ready"  # what it says first
ASKED = struct.Struct("<IBHQ")  # bytes that follow, index of the mode, side of the square, most pixels
TOLD = struct.Struct("<BIII")  # how it went, bytes that follow, width, height
READ, BROKEN, FOREIGN = 0, 1, 2  # pixels follow; or the reason: a broken image, one of a kind that is not read


def serve(theirs: socket.socket, limits: Limits, environment: dict[str, str]) -> None:
    """What the process does until its parent is gone."""
    settle(environment, limits.memory)
    theirs.sendall(READY)
    with theirs, theirs.makefile("rb") as questions:
        while head := questions.read(ASKED.size):
            length, mode, side, max_pixels = ASKED.unpack(head)
            data = questions.read(length)
            if len(data) < length:
                return
            try:
                with at_most(limits.seconds):
                    answer = _answer(data, MODES[mode], side, max_pixels)
            except MemoryError:
                os._exit(OUT_OF_MEMORY)
            try:
                theirs.sendall(answer)
            except OSError:
                return


def _answer(data: bytes, mode: str, side: int, max_pixels: int) -> bytes:
    try:
        image = seen(data, mode, side, max_pixels)
    except ImageError as error:
        kind = kind_of(data[:HEAD])
        reason = str(error).encode(errors="replace")
        return TOLD.pack(BROKEN if not data or can_read(kind) else FOREIGN, len(reason), 0, 0) + reason
    pixels = image.pixels.tobytes()
    return TOLD.pack(READ, len(pixels), image.width, image.height) + pixels
