"""Read the body of a request, no more of it than was admitted."""

import asyncio

from starlette.requests import Request

from components.serve.engine.admission import Place
from components.serve.engine.errors import RefusedError

SECONDS = 30.0  # that a body may take to arrive


def announced(request: Request, most: int) -> int:
    """Bytes that the request says it has; 0 where it does not say. RefusedError where they are more than `most`."""
    text = request.headers.get("content-length", "0")
    size = int(text) if text.isdecimal() and len(text) < 20 else most + 1
    if size > most:
        raise _too_large(most)
    return size


async def body_of(request: Request, place: Place, most: int) -> bytes:
    """The body, whose announced bytes `place` holds already."""
    chunks: list[bytes] = []
    size = 0
    try:
        async with asyncio.timeout(SECONDS):
            async for chunk in request.stream():
                size += len(chunk)
                if size > most:
                    raise _too_large(most)
                if size > place.bytes:
                    place.take(0, size - place.bytes)
                chunks.append(chunk)
    except TimeoutError:
        raise RefusedError(f"the body took more than {SECONDS:g} s to arrive", 408, {"connection": "close"}) from None
    return b"".join(chunks)


def _too_large(most: int) -> RefusedError:
    return RefusedError(f"a body of more than {most} bytes", 413, {"connection": "close"})
