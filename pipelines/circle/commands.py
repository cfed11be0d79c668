"""`gleaner circle`: rehearse on a stream of images what the watch does in production."""

import argparse
import sys
from pathlib import Path
from typing import Any

from components.common.files import write_json, write_text

ABOUT = """\
Live through a stream of images, week by week: the champion serves and writes its log, the watch looks at that, and
where it raises an alarm it names what is new, a scripted person labels that, the pipeline trains, the gates compare
with the champion, and the better model takes over. All of it by the commands that people have, on this machine.

Beside the served model, the first one answers too: the figures say what the watch was good for."""
EXAMPLES = """examples:
  gleaner example mnist demo/stream --stream
  gleaner circle pipelines/configs/circle.yaml --stream demo/stream -o demo/circle
  gleaner circle my.yaml monitor.labels_per_alarm=20 --stream demo/stream -o out
"""


def add_circle(commands: Any) -> None:
    """Add it to the sub-parsers of `gleaner`."""
    circle = commands.add_parser(
        "circle",
        help="rehearse the whole circle on a stream: serve, watch, label, train, promote",
        formatter_class=argparse.RawDescriptionHelpFormatter,
        description=ABOUT,
        epilog=EXAMPLES,
    )
    circle.add_argument("config", metavar="CONFIG", type=Path, help="run configuration; its source is a new folder")
    circle.add_argument("overrides", metavar="key=value", nargs="*", help="settings that go before the file's")
    circle.add_argument("--stream", metavar="DIR", type=Path, required=True, help="a stream: start/, weeks, truth.csv")
    circle.add_argument(
        "-o", "--output", metavar="DIR", type=Path, required=True, help="write circle.json and circle.html there"
    )
    circle.add_argument(
        "--workdir", metavar="DIR", type=Path, default=Path(".gleaner"), help="of the runs (default: %(default)s)"
    )
    circle.set_defaults(run=_circle)


def _circle(options: argparse.Namespace) -> int:
    from pipelines.circle.page import lines, shown
    from pipelines.circle.story import Circle, Week, recorded
    from pipelines.circle.stream import read_stream

    circle = Circle(options.config, options.overrides, read_stream(options.stream), options.workdir)
    first = circle.begin()
    weeks: list[Week] = []
    for week in circle.weeks(first, lambda line: print(line, file=sys.stderr, flush=True)):
        weeks.append(week)
        options.output.mkdir(parents=True, exist_ok=True)
        write_json(options.output / "circle.json", recorded(weeks))
        write_text(options.output / "circle.html", shown(weeks, circle.stream.pictures()))
    print("\n".join(lines(weeks)), flush=True)
    print(f"{options.output / 'circle.html'}: the same as a page", flush=True)
    return 0
