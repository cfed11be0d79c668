"""`make bench`: print the figures that README and docstrings quote; name benches to run only those."""

import importlib
import sys

from tests.bench.machine import machine

BENCHES = (
    "accuracy",
    "throughput",
    "duplicates",
    "shards",
    "ingest",
    "kills",
    "loading",
    "labelling",
    "export",
    "promotions",
    "report",
    "lineage",
    "serving_quick",
    "predict",
    "drift",
)
BY_NAME = (
    "circle",
    "memory",
    "pods",
    "rounds",
    "selection",
    "serving",
)  # a quarter of an hour and more: only by their names


def main(names: list[str]) -> None:
    unknown = set(names) - {*BENCHES, *BY_NAME}
    if unknown:
        raise SystemExit(f"no bench {sorted(unknown)}; expected some of {[*BENCHES, *BY_NAME]}")
    print(f"machine: {machine()}\n", flush=True)
    for name in names or BENCHES:
        importlib.import_module(f"tests.bench.{name}").main()


if __name__ == "__main__":
    main(sys.argv[1:])
