"""`gleaner labels export`: the answers that hold, or all that stand, as a table or as JSON."""

import argparse
import csv
import io
import json
import sys
from pathlib import Path
from typing import Any

from components.common.lineage import newest_dataset
from components.labels.images import Images
from components.labels.options import add_command, opened, write_to
from components.labels.rules import renamed, resolve, standing
from components.labels.store import Answer, State

COLUMNS = ("id", "source", "label", "answer", "purpose", "annotator", "time", "round")
DETAILS = """\
Write the answers that hold, by id: one for each image, decided by the rule where people disagree; images whose answer
is open have none. --all writes what each person says instead, withdrawn answers aside. `gleaner labels import` reads
all these forms, and the table serves as `sample.labels_file`."""
EXAMPLES = """\
  gleaner labels export -c my.yaml > answers.csv            id,source,label,answer,purpose,annotator,time,round
  gleaner labels export -c my.yaml -o json --all            what each person says, an object a line
  gleaner labels export -c my.yaml --rule latest --to answers.csv
"""


def add_export(commands: Any, common: argparse.ArgumentParser) -> None:
    """Add `export` to the sub-parsers."""
    made = add_command(commands, common, "export", "write the answers that hold", DETAILS, EXAMPLES)
    made.add_argument(
        "-o", "--output", choices=["csv", "wide", "json"], default="csv", help="wide: CSV with where each was given"
    )
    made.add_argument("--all", action="store_true", help="what each person says, not what holds")
    made.add_argument("--to", metavar="FILE", type=Path, help="a file (default: standard output)")
    made.add_argument("--version", metavar="DIGEST", default="", help="as the labels were in this version")
    made.set_defaults(run=_export)


def _export(options: argparse.Namespace) -> int:
    labels = opened(options)
    state = labels.read(options.version)
    dataset = newest_dataset(options.name, labels.store)
    rows = exported(state, options.rule, options.all, Images(dataset) if dataset else None)
    if options.output == "json":
        text = "".join(json.dumps(row, ensure_ascii=False) + "\n" for row in rows)
    else:
        text = _csv(rows, (*COLUMNS, "task") if options.output == "wide" else COLUMNS)
    if options.to:
        write_to(options.to, text)
    else:
        sys.stdout.write(text)
    if left := 0 if options.all else len(resolve(state, options.rule).open):
        print(f"{left:,} images are left out, on which people disagree: gleaner labels status", file=sys.stderr)
    return 0


def exported(state: State, rule: str, every: bool, images: Images | None) -> list[dict[str, Any]]:
    """COLUMNS and `task` of each answer, by id. every: what each person says."""
    if every:
        answers = [one for told in standing(renamed(state.answers, state.renamings)).values() for one in told]
    else:
        found = resolve(state, rule)
        answers = [*found.held.values(), *found.none.values(), *found.skipped.values()]
    answers.sort(key=lambda one: (one.id, one.time, one.annotator))
    about = images.about({one.id for one in answers}) if images else {}
    return [_row(one, *about.get(one.id, ("", ""))) for one in answers]


def _row(answer: Answer, split: str, source: str) -> dict[str, Any]:
    return {
        "id": answer.id,
        "source": source,
        "label": answer.label or "",
        "answer": answer.kind,
        "purpose": split,
        "annotator": answer.annotator,
        "time": answer.time.isoformat(),
        "round": answer.round,
        "task": answer.task,
    }


def _csv(rows: list[dict[str, Any]], columns: tuple[str, ...]) -> str:
    text = io.StringIO()
    writer = csv.DictWriter(text, columns, extrasaction="ignore", lineterminator="\n")
    writer.writeheader()
    writer.writerows(rows)
    return text.getvalue()
