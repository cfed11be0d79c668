"""A sample of answers, written in batches by a thread; it never holds up an answer, nor fails one."""

import random
import threading
from collections import deque
from typing import Any

import numpy as np

from components.common.storage import open_store
from components.serve.lines import Lines
from components.serve.metrics import Metrics

BATCH = 1000  # rows of a file
MOST_BYTES = 32 << 20  # of rows that wait; what comes beyond is counted and lost
PATIENCE = 5.0  # seconds that the last batch has, at the end
PAUSE = 5.0  # seconds before a write that failed is tried again


class Log:
    """The sampled log, for as long as a block lasts."""

    def __init__(
        self,
        place: str,
        model: str,
        rate: float,
        seconds: float,
        with_pixels: bool,
        metrics: Metrics,
        lines: Lines,
    ) -> None:
        """place: folder or s3:// URI; rate: share of answers that are kept; seconds: that a row waits at most."""
        self.store = open_store(place)
        self.model, self.rate, self.seconds, self.with_pixels = model, rate, seconds, with_pixels
        self.metrics, self.lines = metrics, lines
        self.rows = deque[dict[str, Any]]()
        self.bytes = 0
        self.changed = threading.Condition()
        self.ends = False
        self.thread = threading.Thread(target=self._work, name="log", daemon=True)

    def __enter__(self) -> "Log":
        self.thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        with self.changed:
            self.ends = True
            self.changed.notify()
        self.thread.join(PATIENCE)
        if self.rows:
            self.metrics.dropped.inc(len(self.rows))
            self.lines.say("log rows lost", rows=len(self.rows))

    def wants(self) -> bool:
        """Whether this answer is to be kept."""
        return random.random() < self.rate  # noqa: S311 - a sample, no secret

    def add(self, row: dict[str, Any]) -> None:
        """Keep a row of `components.common.served.ROWS`, or count it as lost; never waits for the store."""
        size = _size(row)
        with self.changed:
            if self.bytes + size > MOST_BYTES:
                self.metrics.dropped.inc()
                return
            self.rows.append(row)
            self.bytes += size
            if len(self.rows) == BATCH:
                self.changed.notify()

    def _work(self) -> None:
        from components.common.served import write  # Arrow takes half a second that a start need not cost

        failure = ""
        while True:
            with self.changed:
                self.changed.wait_for(lambda: self.ends or len(self.rows) >= BATCH, self.seconds)
                batch, is_last = [self.rows[place] for place in range(min(len(self.rows), BATCH))], self.ends
            if not batch:
                if is_last:
                    return
                continue
            try:
                write(self.store, self.model, batch)
            except Exception as error:  # whatever the store says; answers go on, and the rows wait
                self.metrics.log_failures.inc()
                if failure != str(error):
                    self.lines.say("log not written", why=str(error).partition("\n")[0][:300])
                failure = str(error)
                if is_last:
                    return
                with self.changed:
                    self.changed.wait_for(lambda: self.ends, PAUSE)
                continue
            failure = ""
            self._drop(len(batch))

    def _drop(self, count: int) -> None:
        """Forget rows that are in the store."""
        with self.changed:
            for _ in range(count):
                self.bytes -= _size(self.rows.popleft())
        self.metrics.logged.inc(count)


def _size(row: dict[str, Any]) -> int:
    return 200 + sum(value.nbytes if isinstance(value, np.ndarray) else len(value or b"") for value in _large(row))


def _large(row: dict[str, Any]) -> list[Any]:
    return [row.get(name) for name in ("embedding", "probabilities", "pixels")]
