"""`gleaner release reproduce`."""

import argparse
import shutil
import sys
import tempfile
from pathlib import Path

from components.common.errors import BadInputError

EPILOG = """\
examples:
  gleaner release reproduce -c my.yaml                               the champion of the model of my.yaml
  gleaner release reproduce s3://bucket/gleaner/releases/mnist/3f9c… one version
  gleaner release reproduce store/releases/mnist seed=1              with a setting changed: what would differ

It runs pretraining to release again, as long as the first time, in a folder of its own: the store is only read. Bytes
are equal for the same code, libraries and kind of processor; where one of these differs, that is said. The exit code is
2 where a byte differs.
"""


def parser() -> argparse.ArgumentParser:
    made = argparse.ArgumentParser(
        prog="gleaner release reproduce",
        description="Run a release again from its recorded inputs, and compare every byte.",
        epilog=EPILOG,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    made.add_argument(
        "words",
        metavar="PLACE [key=value …]",
        nargs="*",
        help="folder or s3:// URI of a version, or of a model (its champion), and settings that go before the recorded "
        "ones",
    )
    where = made.add_mutually_exclusive_group()
    where.add_argument(
        "-c",
        "--config",
        type=Path,
        metavar="CONFIG",
        help="run configuration: where the store is, and the champion of which model, where no PLACE is named",
    )
    where.add_argument("--store", metavar="STORE", help="where the dataset is; by default the store that PLACE is in")
    made.add_argument("--object-store", type=Path, metavar="DIR", help="folder that keeps what s3:// names here")
    made.add_argument("--keep", type=Path, metavar="DIR", help="keep all that was made, in this new folder")
    return made


def main(words: list[str]) -> int:
    """Run again and print a line per file; returns 0 where all are equal, 2 where one differs, else what a failed stage
    gave.
    """
    options = parser().parse_args(words)
    changes = [word for word in options.words if "=" in word]
    place, store = _reached(options, [word for word in options.words if "=" not in word])
    if options.keep and options.keep.exists():
        raise BadInputError(f"{options.keep}: is there already; expected a new folder to keep what is made")
    if options.keep:
        options.keep.mkdir(parents=True)
        return reproduce(place, store, options.keep, changes)
    folder = Path(tempfile.mkdtemp(prefix="gleaner-reproduce-"))
    code = 1
    try:
        code = reproduce(place, store, folder, changes)
    except BadInputError:
        code = 0  # nothing to look at was made
        raise
    finally:
        if code:
            print(f"kept in {folder}", file=sys.stderr)
        else:
            shutil.rmtree(folder)
    return code


def reproduce(place: str, store: str | None, folder: Path, changes: list[str]) -> int:
    """Make a release again below `folder`, and print how it compares; the exit code."""
    from components.common.check import keys_of
    from components.plan.settings import RunSettings
    from components.releases.bundle import folder_of
    from pipelines.configuration.files import read_override
    from pipelines.local.progress import open_display
    from pipelines.local.record import StageError
    from pipelines.reproducing.compare import causes, compare, timed
    from pipelines.reproducing.inputs import gathered
    from pipelines.reproducing.rerun import rerun

    text_keys = [key for key, kind in keys_of(RunSettings).items() if kind in (str, str | None)]
    layers = [read_override(text, text_keys) for text in changes]
    inputs = gathered(place, store, folder)
    try:
        made = rerun(inputs, folder, layers, open_display())
    except StageError as failed:
        print(f"{failed.line}\nlog: {failed.log}", file=sys.stderr)
        return failed.code
    again = inputs.store / folder_of(made)
    files = compare(inputs.bundle, again, made["files"])
    width = max(len(file.name) for file in files)
    for file in files:
        print(f"{file.name:<{width}}  {f'differs: {file.differs}' if file.differs else 'equal'}")
    differing = sum(bool(file.differs) for file in files)
    if not differing:
        print(f"release {inputs.release['version']}: made again, all {len(files)} files equal to the byte")
        return 0
    print(f"release {inputs.release['version']}: {differing} of {len(files)} files differ; it is {made['version']} now")
    for change in changes:
        print(f"changed setting: {change}")
    for gate in timed(inputs.bundle):
        print(f"gate {gate} is on a time, which differs from run to run")
    reasons = causes(inputs.bundle, again)
    print(
        "\n".join(f"other than then: {line}" for line in reasons) or "code, libraries and processor are those of then"
    )
    return 2


def _reached(options: argparse.Namespace, places: list[str]) -> tuple[str, str | None]:
    """The release's place and its store, reachable from here on."""
    store, folder = options.store, options.object_store
    if options.config:
        from pipelines.configuration.config import load_config

        config = load_config(options.config)
        store = config.store
        places = places or [f"{store.rstrip('/')}/releases/{config.name}"]
        if config.object_store and store.startswith("s3://"):
            folder = folder or Path(config.object_store).expanduser()
    if len(places) != 1:
        raise BadInputError(f"release reproduce: got {len(places)} places, expected one release, or -c CONFIG")
    if folder:
        from pipelines.local.objectstore import reachable

        places = reachable(folder, places)
        store = reachable(folder, [store])[0] if store else None
    return places[0], store
