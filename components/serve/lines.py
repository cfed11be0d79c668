"""The server's own log: JSON objects, a line each, to standard output.

A thread writes them, so that a reader who has stopped reading holds up no answer; what does not fit into the bounded
queue is counted, and told once there is room.
"""

import json
import queue
import sys
import threading
from contextlib import suppress
from datetime import UTC, datetime
from typing import Any, TextIO

MOST = 10_000  # lines that wait
PATIENCE = 2.0  # seconds that the last lines have, at the end


class Lines:
    """Lines for as long as a block lasts."""

    def __init__(self, file: TextIO | None = None) -> None:
        self.file = file or sys.stdout
        self.waiting: queue.Queue[dict[str, Any] | None] = queue.Queue(MOST)
        self.lost = 0
        self.thread = threading.Thread(target=self._work, name="lines", daemon=True)

    def __enter__(self) -> "Lines":
        self.thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        with suppress(queue.Full):
            self.waiting.put(None, timeout=PATIENCE)
        self.thread.join(PATIENCE)

    def say(self, event: str, **facts: Any) -> None:
        """Write what happened, and when; never waits."""
        try:
            now = datetime.now(UTC).isoformat(timespec="milliseconds")
            self.waiting.put_nowait({"time": now, "event": event, **facts})
        except queue.Full:
            self.lost += 1

    def _work(self) -> None:
        while True:
            lines = [self.waiting.get()]
            with suppress(queue.Empty):
                while len(lines) < 1000:
                    lines.append(self.waiting.get_nowait())
            text = "".join(json.dumps(line, ensure_ascii=False) + "\n" for line in lines if line is not None)
            lost, self.lost = self.lost, 0
            if lost:
                text += json.dumps({"event": "lines lost", "lines": lost}) + "\n"
            with suppress(OSError, ValueError):  # nobody reads any more
                self.file.write(text)
                self.file.flush()
            if lines[-1] is None:
                return
