"""`gleaner lineage`: from a release to what it is made of, from an image or a label to the releases that learned from
it, and back.
"""

import argparse
import json
from collections.abc import Sequence
from pathlib import Path

from components.common.commands import run_command
from components.common.errors import BadInputError
from components.common.files import json_text, write_text
from components.common.storage import Store
from components.lineage import graphs
from components.lineage.graph import Graph
from components.lineage.known import image, label, release
from components.lineage.picture.svg import picture
from components.lineage.prov import document
from components.lineage.reading.served import log_of
from components.lineage.thing import EXPECTED, Thing, thing_of
from components.lineage.told import lines_of
from components.releases.deciding.options import Which, opened, shared

EXAMPLES = """examples:
  gleaner lineage -c my.yaml                           the champion: what it is made of, who labelled, who decided
  gleaner lineage 3f9c12ab -c my.yaml                  a release, or an image, by its first digits
  gleaner lineage photo.png -c my.yaml                 an image, known by its contents
  gleaner lineage photo.png -c my.yaml --releases      which releases learned from this image?
  gleaner lineage 3f9c12ab -c my.yaml --images         every image that a release learned from or was measured by
  gleaner lineage 81aa03fe@anna -c my.yaml             what anna said of an image, and which releases have it
  gleaner lineage @anna -c my.yaml                     all that anna said
  gleaner lineage 0002-3f9c12ab -c my.yaml             a batch of labels, by its file in labels/ of the store
  gleaner lineage photo.png -c my.yaml -o json         PROV-JSON of the W3C
  gleaner lineage -c my.yaml --picture lineage.svg     a picture beside the text

-c my.yaml says which store: `name`, `store`, `object_store` and `monitor.log` of a run configuration; --name and
--store do too, or a place such as s3://bucket/prefix/releases/mnist as the first word.
"""
DETAILS = """\
Tell what came of what. THING is
  a release: its first digits, or `champion`, which is meant without THING;
  an image: its id, the first digits of it, or its file;
  labels: a batch such as 0002-3f9c12ab, image@who, or @who.

It reads names and digests, no pixels: release.json and the labels of each release, the part of each dataset's index
that may hold the image, and of the labels and the serving log the columns that are asked about."""


def main(argv: Sequence[str] | None = None) -> None:
    run_command(parser(), argv)


def parser() -> argparse.ArgumentParser:
    made = argparse.ArgumentParser(
        prog="gleaner lineage",
        description=DETAILS,
        epilog=EXAMPLES,
        parents=[shared()],
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    made.add_argument("words", metavar="[PLACE] THING", nargs="*", help="what is asked about")
    made.add_argument("--releases", action="store_true", help="of an image, only which releases learned from it")
    made.add_argument("--images", action="store_true", help="of a release, a line for each of its images")
    made.add_argument("-o", "--output", choices=("text", "json", "svg"), default="text", help="default: text")
    made.add_argument("--picture", type=Path, metavar="FILE", help="write the picture (SVG) to a file")
    made.add_argument("--log", default="", metavar="URI", help="what servers log to (default: `log` in the store)")
    made.add_argument("--no-log", action="store_true", help="do not look at what servers log")
    made.set_defaults(run=_run)
    return made


def _run(options: argparse.Namespace) -> int:
    which, words = opened(options)
    if len(words) > 1:
        raise BadInputError(f"expected one thing, got {' '.join(words)}; {EXPECTED}")
    log = None if options.no_log else log_of(which.store, options.log)
    thing = thing_of(words[0] if words else "champion", which, log)
    if options.releases and (thing.person or not thing.image):
        raise BadInputError("--releases asks about an image; give its id or its file")
    if options.images and not thing.release:
        raise BadInputError("--images asks about a release; give its first digits, or nothing for the champion")
    if options.images:
        return _tell_images(which, release.release_of(which.store, which.model, thing.release, None), options.output)
    if options.releases:
        return _tell_releases(which, thing, options.output)
    lines, graph = _found(which, thing, log)
    if options.picture:
        _write(options.picture, picture(graph))
    if options.output == "svg":
        print(picture(graph), end="")
    elif options.output == "json":
        print(json_text(document(graph, which.store)), end="")
    else:
        print("\n".join(lines))
    return 0


def _found(which: Which, thing: Thing, log: Store | None) -> tuple[list[str], Graph]:
    """What is known of a thing, as text and as a graph."""
    store, model = which
    if thing.release:
        about = release.release_of(store, model, thing.release, log)
        return [*release.told(about, store)], graphs.of_release(about, store)
    if thing.batch or thing.person:
        labels = label.labels_of(store, model, thing.batch, thing.image, thing.person)
        return [*label.told(labels)], graphs.of_labels(labels)
    known = image.image_of(store, thing.image, [model], log)
    return [*image.told(known)], graphs.of_image(known)


def _tell_releases(which: Which, thing: Thing, output: str) -> int:
    """Which releases learned from an image."""
    releases, champions = image.releases_with(which.store, thing.image)
    if output == "json":
        print(json_text([{**one._asdict(), "learned": one.learned} for one in releases]), end="")
    else:
        section = image.releases_section(releases, champions)
        print("\n".join(lines_of(f"image {thing.image}", {}, [section], image.untold(releases))))
    return 0


def _tell_images(which: Which, about: release.Release, output: str) -> int:
    """Every image of a release, a line each as it is found: there may be a million."""
    names = ("id", "how", "label", "by")
    for row in release.images_in(which.store, about):
        print(json.dumps(dict(zip(names, row, strict=True))) if output == "json" else "\t".join(row).rstrip())
    return 0


def _write(path: Path, text: str) -> None:
    try:
        write_text(path, text)
    except OSError as error:
        raise BadInputError(f"{path}: cannot be written: {error.strerror}; name another file") from None
