"""`gleaner labels import`: the answers in a file or folder become a batch, whole or not at all."""

import argparse
import csv
import io
import json
import sys
import tempfile
from pathlib import Path
from typing import Any

from components.common.errors import BadInputError
from components.common.labels.answers import PERSON, Line
from components.common.labels.lines import read_lines
from components.common.storage import open_store
from components.labels.candidates import newest_candidates
from components.labels.images import Images, images_of
from components.labels.judging import Given, Judged, Refused, judge
from components.labels.options import add_command, now, opened, whole, write_to
from components.labels.rules import resolve
from components.labels.store import LabelStore

SHOWN = 20  # refused entries that are told; --refused FILE has all
DETAILS = """\
Add the answers in FILE or DIR to the labels. Read, whatever it is called:
  a table      CSV with commas, semicolons or tabs: `id` (or `source`), `label`, and perhaps `annotator`, `time`,
               `round`; candidates.csv, filled in, is one. Empty labels are not answered yet.
  Label Studio exports as JSON, JSON-MIN, CSV or TSV; skipped tasks are kept as skipped.
  CVAT         exports as `CVAT for images 1.1` (XML or zip: tags of whole images) or `ImageNet 1.0` (zip).
  a folder     DIR/CLASS/FILE, or a zip of it.
Images are known by id, by path in the source, and in folders by contents (sha256); those of an audit (audit.csv of a
look) by id or contents, though the dataset does not hold them.
A label `skip` says passed over, `none of these` says none of the classes, unless a class is called so; in a table the
column `answer` says it too: class, none, skip or open.
Where an entry is refused, nothing is written, unless --keep-going."""
EXAMPLES = """\
  gleaner labels import candidates.csv -c my.yaml                   a table, filled in
  gleaner labels import export.json -c my.yaml --annotator ann      who answered, where the file does not say
  gleaner labels import sorted/ -c my.yaml --keep-going --refused refused.csv
  gleaner labels import answers.csv -c my.yaml --dry-run            what would become of each entry
"""


def add_import(commands: Any, common: argparse.ArgumentParser) -> None:
    """Add `import` to the sub-parsers."""
    made = add_command(commands, common, "import", "add the answers in a file or folder", DETAILS, EXAMPLES)
    made.add_argument("file", metavar="FILE|DIR", help="path, or s3:// URI of a file")
    made.add_argument("--annotator", metavar="WHO", help=f"of entries that name nobody (default: {PERSON})")
    made.add_argument("--round", metavar="N", type=whole, help="of labelling (default: the file's, else the newest's)")
    made.add_argument("--keep-going", action="store_true", help="write the good entries though others are refused")
    made.add_argument("--refused", metavar="FILE", type=Path, help="write what is refused, and why, as CSV")
    made.add_argument("--new-classes", action="store_true", help="accept new classes, where the source has none")
    made.add_argument("--again", action="store_true", help="accept answers again that were withdrawn")
    made.add_argument("--dry-run", action="store_true", help="write no answers")
    made.add_argument("-o", "--output", choices=["table", "json"], default="table")
    made.set_defaults(run=_import)


def _import(options: argparse.Namespace) -> int:
    labels = opened(options)
    name = file_name(options.file)
    lines = lines_of(options.file, name)
    images = images_of(labels.store, options.name)
    turn = options.round or newest_round(labels, options.name)
    given = Given(name, options.annotator, turn, options.round is None, now(), options.new_classes, options.again)
    judged = judge(lines, images, labels.read(), given)
    if options.refused:
        write_to(options.refused, refused_csv(judged.refused))
    if not options.dry_run:
        accept(labels, judged, options.keep_going)
    tell(labels, name, len(lines), judged, options)
    if judged.refused and not options.keep_going:
        raise BadInputError(
            f"import: {name}: {len(judged.refused):,} of {len(lines):,} entries are refused, so nothing was written; "
            "mend them, or accept the others with --keep-going"
        )
    return 0


def take(
    labels: LabelStore, lines: list[Line], images: Images, given: Given, keep_going: bool, dry_run: bool = False
) -> Judged:
    """Judge the entries, and accept what is to be accepted."""
    judged = judge(lines, images, labels.read(), given)
    if not dry_run:
        accept(labels, judged, keep_going)
    return judged


def accept(labels: LabelStore, judged: Judged, keep_going: bool) -> None:
    """Append the accepted as one batch; nothing where an entry is refused, unless `keep_going`."""
    if judged.accepted and (keep_going or not judged.refused):
        labels.append(judged.accepted)


def file_name(path: str) -> str:
    """What the places of answers call a file: its name without folders, so that it is the same on every machine."""
    return path.rstrip("/").rpartition("/")[2] if "://" in path else Path(path).expanduser().resolve().name


def lines_of(path: str, name: str) -> list[Line]:
    """Every entry of a file or folder, or of an object at an s3:// URI."""
    if "://" not in path:
        if not Path(path).expanduser().exists():
            raise BadInputError(f"{path}: no such file or folder; expected one of answers")
        return read_lines(Path(path).expanduser(), name)
    folder, _, key = path.rpartition("/")
    with tempfile.TemporaryDirectory(prefix="gleaner-labels-") as scratch:
        copy = Path(scratch) / "answers"
        try:
            copy.write_bytes(open_store(folder).read(key))
        except KeyError:
            raise BadInputError(f"{path}: does not exist; expected a file of answers") from None
        return read_lines(copy, name)


def newest_round(labels: LabelStore, name: str) -> int:
    candidates = newest_candidates(labels.store, name)
    return candidates.round if candidates else 1


def refused_csv(refused: list[Refused]) -> str:
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(Refused._fields)
    writer.writerows(refused)
    return text.getvalue()


def tell(
    labels: LabelStore, name: str, entries: int, judged: Judged, options: argparse.Namespace, remedy: str = ""
) -> None:
    """What became of the entries: sums to stdout, what is refused to stderr. remedy: takes back what is missing now."""
    is_written = bool(judged.accepted) and not options.dry_run and (options.keep_going or not judged.refused)
    counts = {
        "entries": entries,
        "accepted": len(judged.accepted),
        "known": judged.known,
        "unanswered": judged.unanswered,
        "refused": len(judged.refused),
    }
    if judged.elsewhere:
        print(judged.elsewhere, file=sys.stderr)
    else:
        for one in judged.refused[:SHOWN]:
            print(f"{one.where}: {one.reason}", file=sys.stderr)
        if len(judged.refused) > SHOWN:
            print(f"and {len(judged.refused) - SHOWN:,} more; --refused FILE lists them all", file=sys.stderr)
    conflicts = len(resolve(labels.read(), options.rule).conflicts) if is_written else 0
    if options.output == "json":
        facts = {"changed": judged.changed, "withdrawn": judged.withdrawn, "missing": len(judged.missing)}
        told = {"file": name, **counts, **facts, "disagreements": conflicts, "written": is_written}
        print(json.dumps(told, indent=1, ensure_ascii=False))
        return
    accepted = "accepted" if is_written or not judged.accepted else "acceptable"
    print(
        f"{name}: {entries:,} entries = {counts['accepted']:,} {accepted} + {judged.known:,} known already + "
        f"{judged.unanswered:,} not answered + {counts['refused']:,} refused"
    )
    for sentence in _notes(name, judged, conflicts, remedy or f"gleaner labels withdraw --not-in {name}"):
        print(sentence)
    if options.dry_run:
        print("nothing was written: --dry-run")


def _notes(name: str, judged: Judged, conflicts: int, remedy: str) -> list[str]:
    told = []
    if judged.changed:
        told.append(f"{judged.changed:,} of them change what the same person said before")
    if judged.withdrawn:
        told.append(f"{judged.withdrawn:,} of the known were withdrawn since, and stay so; --again gives them anew")
    if judged.missing:
        told.append(
            f"{len(judged.missing):,} answers of an earlier {name} are not in it now, and still hold; to take them "
            f"back: {remedy}"
        )
    if conflicts:
        told.append(f"people disagree on {conflicts:,} images: gleaner labels status")
    return told
