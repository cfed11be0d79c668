"""What Prometheus is told at /metrics, in a registry of this server's own."""

from collections.abc import Callable

from prometheus_client import (
    CollectorRegistry,
    Counter,
    Gauge,
    Histogram,
    ProcessCollector,
    disable_created_metrics,
    generate_latest,
)
from prometheus_client.exposition import CONTENT_TYPE_LATEST

__all__ = ["CONTENT_TYPE_LATEST", "Metrics"]

disable_created_metrics()  # a series of its own for the birth of each

SECONDS = (0.001, 0.0025, 0.005, 0.01, 0.02, 0.03, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30)
SIZES = (1, 2, 4, 8, 16, 32, 64, 128)


class Metrics:
    """Counters of one server; several servers of one process, as in tests, count apart."""

    def __init__(self) -> None:
        made = self.registry = CollectorRegistry()
        self.requests = Counter("gleaner_requests", "Requests answered", ["endpoint", "code"], registry=made)
        self.seconds = Histogram(
            "gleaner_request_seconds", "From the first byte to the last", ["endpoint"], buckets=SECONDS, registry=made
        )
        self.images = Counter("gleaner_images", "Images answered, by class", ["predicted"], registry=made)
        self.abstained = Counter("gleaner_abstained", "Images that a person should look at", registry=made)
        self.batch = Histogram("gleaner_batch_images", "Images of one run of the model", buckets=SIZES, registry=made)
        self.queue = Gauge("gleaner_queue_images", "Images and requests under way", registry=made)
        self.held = Gauge("gleaner_queue_bytes", "Bytes of bodies held", registry=made)
        self.shed = Counter("gleaner_shed", "Requests answered 429", registry=made)
        self.unreadable = Counter("gleaner_unreadable_images", "Images that could not be decoded", registry=made)
        self.replaced = Counter("gleaner_decoders_replaced", "Decoding processes that ended", registry=made)
        self.decoders = Gauge("gleaner_decoders", "Decoding processes at work", registry=made)
        self.release = Gauge("gleaner_release", "1 for the release that answers", ["model", "version"], registry=made)
        self.swapped = Counter("gleaner_release_swaps", "Times that a new champion took over", registry=made)
        self.behind = Gauge("gleaner_release_behind", "1 while a new champion could not be used", registry=made)
        self.watch_failures = Counter("gleaner_watch_failures", "Looks at the champion that failed", registry=made)
        self.logged = Counter("gleaner_log_rows", "Rows of the sampled log that were written", registry=made)
        self.dropped = Counter("gleaner_log_rows_dropped", "Rows of the sampled log that were lost", registry=made)
        self.log_failures = Counter("gleaner_log_failures", "Writes of the sampled log that failed", registry=made)
        ProcessCollector(registry=made)

    def follow(self, images: Callable[[], int], held: Callable[[], int], decoders: Callable[[], int]) -> None:
        """Read these when they are asked for."""
        self.queue.set_function(images)
        self.held.set_function(held)
        self.decoders.set_function(decoders)

    def answering(self, model: str, version: str) -> None:
        self.release.clear()
        self.release.labels(model, version).set(1)

    def text(self) -> bytes:
        return generate_latest(self.registry)
