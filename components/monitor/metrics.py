"""Tell Prometheus what the newest look found: `python -m components.monitor.metrics --name digits --store s3://…`.

A small server beside the store, so that an alarm of the watch is an alert like any other, and a watch that has stopped
looking is one too.
"""

import argparse
import signal
import sys
import threading
from collections.abc import Iterator, Sequence
from datetime import datetime
from typing import Any

from prometheus_client import CollectorRegistry, start_http_server
from prometheus_client.core import GaugeMetricFamily
from prometheus_client.registry import Collector

from components.common.errors import BadInputError
from components.common.storage import Store, open_store
from components.monitor.looks import Look, last

SECONDS = 60.0  # between two looks into the store
ENDS = ("value", "low", "high")


class Watched(Collector):
    """The figures of the newest look at each model; the last ones known while the store is away."""

    def __init__(self, store: Store, models: Sequence[str]) -> None:
        self.store, self.models = store, models
        self.looks: dict[str, Look] = {}
        self.reached = False

    def read(self) -> None:
        """Look into the store once."""
        try:
            found = {model: last(self.store, model) for model in self.models}
        except Exception as error:  # whatever keeps the store away: it is told, and tried again
            print(f"the store cannot be read: {type(error).__name__}: {error}", file=sys.stderr, flush=True)
            self.reached = False
            return
        self.looks = {model: look for model, look in found.items() if look}
        self.reached = True

    def collect(self) -> Iterator[GaugeMetricFamily]:
        reached = GaugeMetricFamily("gleaner_watch_reached", "1 while the store of the looks can be read")
        reached.add_metric([], float(self.reached))
        yield reached
        yield self._each("gleaner_watch_look", "Number of the newest look", lambda look: look["number"])
        yield self._each(
            "gleaner_watch_look_time_seconds",
            "When the newest look ended, since 1970",
            lambda look: datetime.fromisoformat(look["until"]).timestamp(),
        )
        yield self._each("gleaner_watch_images", "Images of the newest look", lambda look: look["images"])
        yield self._each(
            "gleaner_watch_alarm", "1 where it raised an alarm", lambda look: float(look["verdict"]["alarm"])
        )
        yield self._each("gleaner_watch_new_images", "Images unlike known ones", lambda look: look["novel"]["images"])
        yield from self._signals()
        yield self._ends(
            "gleaner_watch_expected_accuracy", "Accuracy expected without labels", lambda it: it["accuracy"]["atc"]
        )
        yield self._ends(
            "gleaner_watch_released_accuracy", "Accuracy on held-out labels", lambda it: it["accuracy"]["held_out"]
        )
        yield self._ends("gleaner_watch_audited_accuracy", "Accuracy of audited answers", lambda it: it.get("audit"))
        yield self._shares()

    def _each(self, name: str, about: str, figure: Any) -> GaugeMetricFamily:
        made = GaugeMetricFamily(name, about, labels=["model", "version"])
        for model, look in self.looks.items():
            made.add_metric([model, look["version"]], figure(look))
        return made

    def _signals(self) -> Iterator[GaugeMetricFamily]:
        labels = ["model", "version", "signal", "family"]
        alarm = GaugeMetricFamily("gleaner_watch_signal_alarm", "1 where this signal raised an alarm", labels=labels)
        strength = GaugeMetricFamily("gleaner_watch_signal_p", "p-value of the newest look's test", labels=labels)
        for model, look in self.looks.items():
            for each in look["signals"]:
                names = [model, look["version"], each["name"], each["family"]]
                alarm.add_metric(names, float(each["alarm"]))
                if each["p"] is not None:
                    strength.add_metric(names, each["p"])
        yield alarm
        yield strength

    def _ends(self, name: str, about: str, told: Any) -> GaugeMetricFamily:
        made = GaugeMetricFamily(
            name, f"{about}: its value, and the ends of its interval", labels=["model", "version", "end"]
        )
        for model, look in self.looks.items():
            estimate = told(look) or {}
            for end in ENDS:
                figure = estimate.get("accuracy" if end == "value" and "accuracy" in estimate else end)
                if figure is not None:
                    made.add_metric([model, look["version"], end], figure)
        return made

    def _shares(self) -> GaugeMetricFamily:
        labels = ["model", "version", "class", "of"]
        made = GaugeMetricFamily(
            "gleaner_watch_share", "Share of a class: in the reference, and estimated", labels=labels
        )
        for model, look in self.looks.items():
            for each in look["shares"]:
                for of in ("reference", "estimate"):
                    if each.get(of) is not None:
                        made.add_metric([model, look["version"], each["class"], of], each[of])
        return made


def main(argv: Sequence[str] | None = None) -> None:
    """Serve until SIGTERM or Ctrl-C; exit code 2 where the store or the address is refused."""
    options = parser().parse_args(argv)
    ended = threading.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: ended.set())
    try:
        watched = Watched(open_store(options.store), options.name)
        watched.read()
        registry = CollectorRegistry()
        registry.register(watched)
        server, thread = start_http_server(options.port, options.host, registry)
    except (BadInputError, OSError) as error:
        print(f"error: metrics: {error}", file=sys.stderr)
        raise SystemExit(2) from None
    print(f"metrics of {', '.join(options.name)} at http://{options.host}:{server.server_port}/metrics", flush=True)
    while not ended.wait(options.every):
        watched.read()
    server.shutdown()
    thread.join()


def parser() -> argparse.ArgumentParser:
    made = argparse.ArgumentParser(
        prog="python -m components.monitor.metrics",
        description="Tell Prometheus what the newest look of `gleaner monitor` found.",
        epilog="example:\n  python -m components.monitor.metrics --name digits --store s3://gleaner/store --port 9090",
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    made.add_argument("--name", required=True, action="append", metavar="NAME", help="of a model; may be said again")
    made.add_argument("--store", required=True, metavar="STORE", help="its `store`: s3://bucket/prefix or a folder")
    made.add_argument("--host", default="127.0.0.1", help="address to listen at (default: this machine alone)")
    made.add_argument("--port", type=int, default=9090, help="port to listen at; 0: a free one (default 9090)")
    made.add_argument("--every", type=float, default=SECONDS, metavar="S", help="seconds between looks (default 60)")
    return made


if __name__ == "__main__":
    main()
