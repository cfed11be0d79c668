"""Post an image at a fixed rate, whatever the server does: `python -m tests.bench.open_loop LINK FILE RATE SECONDS`.

A client that waits for its answer before it asks again (wrk does) slows down with the server, and so measures too
little. Here each request has its time, and its latency counts from that time, also where the client itself was late.
Prints JSON: seconds of the requests that were answered 200, and how often each status came; status 0 is a connection
that broke, or an answer that took longer than PATIENCE.
"""

import asyncio
import json
import sys
import time
from collections import Counter, deque
from pathlib import Path
from urllib.parse import urlsplit

import uvloop

PATIENCE = 30.0  # seconds for the last answers
CONNECTIONS = 1000  # a request that finds none waits, and its latency counts


class Connection(asyncio.Protocol):
    """One request at a time."""

    def __init__(self, client: "Client") -> None:
        self.client = client
        self.due: float | None = None
        self.buffer = b""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.transport = transport

    def ask(self, due: float) -> None:
        self.due = due
        self.transport.write(self.client.request)  # type: ignore[attr-defined]

    def data_received(self, data: bytes) -> None:
        self.buffer += data
        head, end, body = self.buffer.partition(b"\r\n\r\n")
        if not end or len(body) < int(head.lower().partition(b"content-length:")[2].partition(b"\r")[0]):
            return
        self.buffer = b""
        due, self.due = self.due, None
        assert due is not None
        self.client.answered(self, int(head.split(b" ", 2)[1]), due)

    def connection_lost(self, error: Exception | None) -> None:
        self.client.lost(self)


class Client:
    """Connections that are kept, and what they were answered."""

    def __init__(self, link: str, data: bytes) -> None:
        parts = urlsplit(link)
        self.host, self.port = str(parts.hostname), int(parts.port or 80)
        edge = "f0f1f2f3f4f5"
        form = f'--{edge}\r\nContent-Disposition: form-data; name="image"; filename="a.png"\r\n\r\n'.encode()
        body = form + data + f"\r\n--{edge}--\r\n".encode()
        head = (
            f"POST /predict HTTP/1.1\r\nHost: {parts.netloc}\r\nContent-Type: multipart/form-data; boundary={edge}\r\n"
            f"Content-Length: {len(body)}\r\n\r\n"
        )
        self.request = head.encode() + body
        self.idle: list[Connection] = []
        self.open = 0
        self.waiting = deque[float]()
        self.seconds: list[float] = []
        self.codes: Counter[int] = Counter()
        self.tasks: set[asyncio.Task[None]] = set()

    def ask(self, due: float) -> None:
        self.waiting.append(due)
        if not self.idle and self.open < CONNECTIONS:
            self.open += 1
            task = asyncio.create_task(self._connect())
            self.tasks.add(task)
            task.add_done_callback(self.tasks.discard)
        self._go_on()

    async def _connect(self) -> None:
        try:
            _, made = await asyncio.get_running_loop().create_connection(lambda: Connection(self), self.host, self.port)
        except OSError:
            self.open -= 1
            self.codes[0] += 1
            if self.waiting:
                self.waiting.popleft()
            return
        self.idle.append(made)
        self._go_on()

    def _go_on(self) -> None:
        while self.idle and self.waiting:
            self.idle.pop().ask(self.waiting.popleft())

    def answered(self, connection: Connection, code: int, due: float) -> None:
        self.codes[code] += 1
        if code == 200:
            self.seconds.append(time.monotonic() - due)
        self.idle.append(connection)
        self._go_on()

    def lost(self, connection: Connection) -> None:
        self.open -= 1
        if connection in self.idle:
            self.idle.remove(connection)
        if connection.due is not None:
            self.codes[0] += 1


async def post(link: str, data: bytes, rate: float, seconds: float) -> Client:
    """Ask `rate` times a second for so long, and wait for the answers."""
    client = Client(link, data)
    begun = time.monotonic()
    count = round(rate * seconds)
    for number in range(count):
        due = begun + number / rate
        if (left := due - time.monotonic()) > 0:
            await asyncio.sleep(left)
        elif number % 20 == 0:  # behind: let answers in
            await asyncio.sleep(0)
        client.ask(due)
    end = time.monotonic() + PATIENCE
    while client.codes.total() < count and time.monotonic() < end:
        await asyncio.sleep(0.02)
    client.codes[0] += max(0, count - client.codes.total())
    return client


def main(link: str, file: str, rate: str, seconds: str, answers: str) -> None:
    """Write what came of it to the file `answers`: an unbuffered pipe would take the beginning of a long text alone."""
    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:  # the client takes of the server's cores
        client = runner.run(post(link, Path(file).read_bytes(), float(rate), float(seconds)))
    Path(answers).write_text(json.dumps({"seconds": client.seconds, "codes": +client.codes}), encoding="utf-8")


if __name__ == "__main__":
    main(*sys.argv[1:])
