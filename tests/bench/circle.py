"""Weeks to recover on a stream that changes, with the watch and without: the whole circle on MNIST's digits.

    python -m tests.bench circle

Two quiet weeks, four in which digits turn by 10 degrees more each, one class swells and another one appears, and two
that are like the last of them (components/ingest/drifting.py). It is `make circle` in a folder of its own: a real
server, real looks, a script that labels, five or so trainings.
"""

import json
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from components.ingest.drifting import QUIET

ROOT = Path(__file__).parents[2]
NEAR = 0.05  # of the accuracy of the quiet weeks: what counts as recovered


def main() -> None:
    begun = time.monotonic()
    with tempfile.TemporaryDirectory(prefix="gleaner-bench-") as scratch:
        weeks = rehearsed(Path(scratch))
    minutes = (time.monotonic() - begun) / 60
    quiet = sum(week["accuracy"] for week in weeks[:QUIET]) / QUIET
    print(f"the circle, {len(weeks)} weeks of {weeks[0]['images']} digits, {minutes:.0f} minutes (one run):")
    for week in weeks:
        marks = ("ALARM " if week["alarm"] else "") + (f"-> {week['promoted']}" if week["promoted"] else "")
        print(
            f"  {week['name']}  right {100 * week['accuracy']:5.1f} %  without {100 * week['without']:5.1f} %  "
            f"labels {week['labels']:3d}  {marks}"
        )
    alarm = next((number for number, week in enumerate(weeks, 1) if week["alarm"] and number > QUIET), None)
    print(f"  false alarms in {QUIET} quiet weeks: {sum(week['alarm'] for week in weeks[:QUIET])}")
    print(f"  the change begins in week {QUIET + 1}; the first alarm comes in week {alarm}")
    print(f"  accuracy of the quiet weeks: {100 * quiet:.1f} %; within {100 * NEAR:.0f} points of it again, to stay:")
    for name, key in (("with the watch", "accuracy"), ("without", "without")):
        print(f"    {name}: {recovery([week[key] for week in weeks], quiet)}")
    print(f"  labels that the watch asked for: {sum(week['labels'] for week in weeks)}\n", flush=True)


def rehearsed(folder: Path) -> list[dict[str, Any]]:
    """Weeks of circle.json."""
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    here = ("source=source", "store=store", "--stream", "stream", "-o", "out")
    for words in (
        ("example", "mnist", "stream", "--stream"),
        ("circle", str(ROOT / "pipelines" / "configs" / "circle.yaml"), *here),
    ):
        subprocess.run(
            [sys.executable, "-m", "pipelines", *words],
            cwd=folder,
            env=environment,
            check=True,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )
    weeks: list[dict[str, Any]] = json.loads((folder / "out" / "circle.json").read_text())["weeks"]
    return weeks


def recovery(shares: Sequence[float], quiet: float) -> str:
    """In words, when the accuracy is back to stay. shares: accuracy by week."""
    low = [share < quiet - NEAR for share in shares]
    if not any(low):
        return "never lost"
    last = max(number for number, each in enumerate(low, start=1) if each)
    first = low.index(True) + 1
    if last == len(shares):
        return f"lost in week {first}, not in {len(shares)} weeks"
    return f"lost in week {first}, back in week {last + 1}, {last + 1 - first} weeks later"


if __name__ == "__main__":
    main()
