"""A server of ours on a free loopback port, for as long as a block lasts."""

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any


@contextmanager
def listen(handler: type[BaseHTTPRequestHandler], state: Any) -> Iterator[str]:
    """Serve with `handler`, whose `state` is the one given, on every connection; yields the address.

    Handlers that still talk to somebody at the end, such as a watch, are not waited for.
    """
    http = ThreadingHTTPServer(("127.0.0.1", 0), type("Handler", (handler,), {"state": state}))
    http.daemon_threads = True
    http.block_on_close = False
    thread = threading.Thread(target=http.serve_forever, kwargs={"poll_interval": 0.02})
    thread.start()
    try:
        yield f"http://127.0.0.1:{http.server_port}"
    finally:
        http.shutdown()
        thread.join()
        http.server_close()
