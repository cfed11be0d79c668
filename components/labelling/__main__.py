"""`gleaner label`: serve the page to label on, and print the link that opens it."""

import argparse
import ipaddress
import secrets
import signal
import socket
import sys
from collections.abc import Sequence
from typing import Any

import uvicorn

from components.common.errors import BadInputError, FailedError, last_words
from components.common.parent import follow
from components.labelling.access import EVERYWHERE, Guard, addresses, known_hosts
from components.labelling.app import create
from components.labelling.desk import Desk
from components.labels.options import add_which, opened

EXAMPLES = """examples:
  gleaner label -c my.yaml                       what the latest run of my.yaml asks for
  gleaner label -c my.yaml --annotators 2        two people see each image
  gleaner label --name photos --store s3://bucket/prefix --annotator Ann

An answer is in the store before the next image shows; Ctrl-C stops the page, and the next start goes on.
"""
PATIENCE = 5  # seconds that requests have to end in, once the server is to stop


def main(argv: Sequence[str] | None = None) -> None:
    """Serve until Ctrl-C or SIGTERM; exit code 2 where there is nothing to label, or the address is taken."""
    options = parser().parse_args(argv)
    follow()
    try:
        labels = opened(options)
        desk = Desk(labels.store, options.name, options.annotators)
        listener = _listen(options.host, options.port)
    except (BadInputError, FailedError, MemoryError) as error:
        line, code = last_words("label", error) or ("", 1)
        print(line, file=sys.stderr, flush=True)
        raise SystemExit(code) from None
    port = listener.getsockname()[1]
    token = "" if options.behind_login else secrets.token_urlsafe(24)
    hosts = set() if options.behind_login else known_hosts(options.host)
    app = create(desk, options.prefix, options.behind_login, options.annotator, options.then)
    guarded = Guard(app, options.prefix, token, f"gleaner-{port}", hosts)
    _say(desk, _link(options.host, port, options.prefix, token))
    serve(guarded, listener)
    print("stopped; every answer is in the store", flush=True)


def serve(app: Any, listener: socket.socket) -> None:
    """Answer requests until a signal says to stop; those that have begun are ended well."""
    signal.signal(signal.SIGTERM, lambda *_: None)  # uvicorn raises once more what it was stopped by
    signal.signal(signal.SIGINT, lambda *_: None)
    config = uvicorn.Config(
        app, log_level="warning", access_log=False, timeout_graceful_shutdown=PATIENCE, server_header=False, ws="none"
    )
    uvicorn.Server(config).run(sockets=[listener])


def parser() -> argparse.ArgumentParser:
    made = argparse.ArgumentParser(
        prog="gleaner label",
        description="Serve a page to label images on, with the keyboard, and print its link.",
        epilog=EXAMPLES,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    made.add_argument("--host", default="127.0.0.1", help="address to listen at (default: this machine alone)")
    made.add_argument("--port", type=int, default=0, help="port to listen at (default: a free one)")
    made.add_argument("--annotators", type=_count, default=1, metavar="N", help="people who see each image (default 1)")
    made.add_argument("--annotator", default="", metavar="NAME", help="who labels; left out: the page asks")
    made.add_argument(
        "--behind-login",
        default="",
        metavar="HEADER",
        help="a login stands before this page and names the person in this header: no token is asked for",
    )
    made.add_argument("--prefix", type=_prefix, default="/", metavar="/PATH/", help="path at which the page is served")
    add_which(made)
    made.add_argument("--then", default="gleaner run", metavar="COMMAND", help="what to do once all is labelled")
    return made


def _listen(host: str, port: int) -> socket.socket:
    try:
        family = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)[0][0]
        return socket.create_server((host, port), family=family, backlog=256)
    except (OSError, OverflowError) as error:
        why = getattr(error, "strerror", None) or str(error)
        raise BadInputError(f"cannot listen at {host} port {port}: {why}; give another --host or --port") from None


def _link(host: str, port: int, prefix: str, token: str) -> str:
    """A server for others is named by an address that they can reach."""
    shown = host
    if host in EVERYWHERE:
        shown = next((each for each in sorted(addresses()) if not ipaddress.ip_address(each).is_loopback), "127.0.0.1")
    return f"http://{f'[{shown}]' if ':' in shown else shown}:{port}{prefix}" + (f"?token={token}" if token else "")


def _say(desk: Desk, link: str) -> None:
    told = desk.progress()
    waits = [f"{each['images'] - each['done']:,} {each['purpose']}" for each in told["purposes"]]
    print(f"round {told['round']} of {desk.name}: images that wait: {', '.join(waits) or 'none'}")
    if unseen := desk.asked.audited.unseen:
        print(f"audit: {unseen:,} images have no picture here; label them in audit.csv of the look, and import it")
    print(f"answers go to {desk.store.uri}/labels/{desk.name}/")
    print(f"open {link}", flush=True)


def _count(text: str) -> int:
    value = int(text)
    if value < 1:
        raise argparse.ArgumentTypeError("must be at least 1")
    return value


def _prefix(text: str) -> str:
    return f"/{text.strip('/')}/" if text.strip("/") else "/"


if __name__ == "__main__":
    main()
