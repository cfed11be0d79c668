"""Start everything an answer needs, listen, and stop in good order."""

import asyncio
import contextlib
import signal
import socket
from collections.abc import Callable
from multiprocessing import forkserver
from types import FrameType
from typing import Any, NamedTuple

import uvicorn

from components.common.confined import Limits
from components.common.errors import BadInputError
from components.common.files import sha256_json
from components.common.storage import open_store
from components.releases.bundle import locate, log_of, resolved
from components.serve.engine.admission import Admission
from components.serve.engine.answering import Answering
from components.serve.engine.batching import Batcher
from components.serve.engine.current import Current
from components.serve.engine.decoders import Decoders
from components.serve.http.app import create
from components.serve.http.door import Door
from components.serve.lines import Lines
from components.serve.log import Log
from components.serve.metrics import Metrics

PATIENCE = 10  # seconds that requests under way have, once nothing new is taken
KEEP_ALIVE = 75  # seconds that an idle connection stays: longer than the proxies before it keep theirs
MOST_HELD = 8  # bodies of the largest size that are held at once


class Options(NamedTuple):
    """What the command line says; see command.py."""

    release: str
    host: str
    port: int
    token: str
    digest: str
    model_name: str
    int8: bool
    watch: float
    drain: float
    threads: int
    decoders: int
    max_batch: int
    max_wait: float
    max_queue: int
    max_delay: float
    max_images: int
    max_body: int
    max_pixels: int
    max_seconds: float
    max_memory: int
    log: str | None  # None: in the release's store; empty: none
    log_rate: float
    log_seconds: float
    log_pixels: bool


def run(options: Options) -> None:
    """Serve until a signal says to stop. BadInputError where the release is refused or the address is taken."""
    if options.watch and open_store(locate(options.release)).stat("release.json") is not None:
        raise BadInputError(f"--watch follows a champion, and {options.release} is a version; give …/releases/<model>")
    if options.watch and options.digest:
        raise BadInputError(
            "--watch follows the champion, whichever it is, and --digest demands one release; choose one"
        )
    metrics = Metrics()
    with Lines() as lines:
        with contextlib.ExitStack() as held:
            listener = held.enter_context(_bound(options.host, options.port))
            forkserver.ensure_running()  # it imports what decoding needs meanwhile
            current = Current(options.release, options.threads, options.int8, options.model_name, metrics, lines)
            if options.digest:
                _demand(current.release.about, options.digest, options.release)
            log = held.enter_context(_log(options, current, metrics, lines)) if options.log != "" else None
            batcher = held.enter_context(Batcher(options.max_batch, options.max_wait / 1000, metrics.batch.observe))
            with asyncio.Runner(loop_factory=_loop) as runner:
                runner.run(_serve(options, listener, current, batcher, log, metrics, lines))
        lines.say("stopped")


def _demand(release: dict[str, Any], digest: str, place: str) -> None:
    """BadInputError where release.json is not the one that a digest names: whoever points at a bundle says which."""
    found = f"sha256:{sha256_json(release)}"
    if found != digest:
        raise BadInputError(
            f"{place}/release.json: its digest is {found}, and {digest} is to be served; name that release, or "
            "mend the digest (the annotation gleaner.dev/release-digest)"
        )


def _log(options: Options, current: Current, metrics: Metrics, lines: Lines) -> Log:
    place = log_of(*resolved(options.release)) if options.log is None else options.log
    if place is None:
        raise BadInputError(f"--log: {options.release} lies in no store that could hold the log; say where: --log URI")
    how = options.log_rate, options.log_seconds, options.log_pixels
    return Log(place, current.release.name, *how, metrics, lines)


async def _serve(
    options: Options,
    listener: socket.socket,
    current: Current,
    batcher: Batcher,
    log: Log | None,
    metrics: Metrics,
    lines: Lines,
) -> None:
    body = options.max_body << 20
    async with Decoders(options.decoders, limits_of(options), metrics.replaced.inc) as decoders:
        admission = Admission(max(options.max_queue, options.max_images), MOST_HELD * body, options.max_delay)
        answering = Answering(current, decoders, batcher, admission, metrics, log)
        metrics.follow(lambda: admission.images, lambda: admission.bytes, lambda: decoders.alive)
        app = create(answering, lambda: answering.can_answer and not door.closing, body, options.max_images)
        door = Door(app, options.token, admission, metrics, lines)
        about = {"model": current.name, "version": current.release.version, "token": bool(options.token)}
        server = _Server(door, options.drain, lambda: lines.say("serving", link=_link(listener), **about))
        following = asyncio.create_task(current.follow(options.watch)) if options.watch else None
        try:
            await server.serve(sockets=[listener])
        finally:
            if following:
                following.cancel()


class _Server(uvicorn.Server):
    """A server that, told to stop, answers for `drain` seconds more while it is not ready, then ends what is under way
    and closes. Told twice, it does so at once.
    """

    def __init__(self, door: Door, drain: float, listening: Callable[[], None]) -> None:
        """listening: called once it listens."""
        self.door, self.drain, self.listening = door, drain, listening
        super().__init__(
            uvicorn.Config(
                door,
                log_level="warning",
                access_log=False,
                lifespan="off",
                server_header=False,
                timeout_graceful_shutdown=PATIENCE,
                timeout_keep_alive=KEEP_ALIVE,
                ws="none",
            )
        )
        for each in (signal.SIGINT, signal.SIGTERM):  # uvicorn raises once more what it was stopped by
            signal.signal(each, self.handle_exit)

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        await super().startup(sockets)
        self.listening()

    def handle_exit(self, sig: int, frame: FrameType | None) -> None:
        is_first, self.door.closing = not self.door.closing, True
        if is_first and self.drain:
            loop = asyncio.get_running_loop()
            loop.call_soon_threadsafe(loop.call_later, self.drain, super().handle_exit, sig, frame)
        else:
            super().handle_exit(sig, frame)


def limits_of(options: Options) -> Limits:
    return Limits(options.max_pixels, options.max_seconds, options.max_memory << 20)


def _bound(host: str, port: int) -> socket.socket:
    """A socket of that address, which listens once the release is verified: until then nobody is kept waiting."""
    try:
        family, kind, protocol, _, address = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)[0]
        listener = socket.socket(family, kind, protocol)
        try:
            listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            listener.bind(address)
        except (OSError, OverflowError):
            listener.close()
            raise
    except (OSError, OverflowError) as error:
        why = getattr(error, "strerror", None) or str(error)
        raise BadInputError(f"cannot listen at {host} port {port}: {why}; give another --host or --port") from None
    return listener


def _link(listener: socket.socket) -> str:
    host, port = listener.getsockname()[:2]
    return f"http://{f'[{host}]' if ':' in host else host}:{port}/"


def _loop() -> asyncio.AbstractEventLoop:
    try:
        import uvloop  # not on Windows
    except ImportError:
        return asyncio.new_event_loop()
    return uvloop.new_event_loop()
