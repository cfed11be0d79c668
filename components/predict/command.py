"""`gleaner predict`: class and calibrated confidence of images, by a release whose every byte is verified first."""

import argparse
import json
import signal
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path

from components.common.cores import cores
from components.common.errors import OUT_OF_MEMORY, BadInputError
from components.predict.answering import Answering, Row, answer_all
from components.predict.listing import write_listing
from components.predict.pace import paced
from components.predict.settings import CHUNK, PredictSettings
from components.predict.shown import show, summary
from components.predict.tables import as_object
from components.predict.work import answer, begin, clear, join, near
from components.releases.bundle import resolved
from components.releases.model import load_release

LISTED = 10_000  # images whose answers are held at once, to be shown
EXAMPLES = """\
examples:
  gleaner predict store/releases/mnist scan.png                           the champion
  gleaner predict s3://bucket/gleaner/releases/mnist/3f9c… a.jpg b.jpg    one version
  gleaner predict store/releases/mnist *.png --json --top 3               three classes each, as JSON
  gleaner predict store/releases/mnist photos 's3://bucket/in/*.jpg' -o answers.parquet
  gleaner predict s3://bucket/gleaner/releases/mnist table.csv -o s3://bucket/answers.csv --processes 8
  gleaner predict --object-store DIR s3://gleaner/releases/mnist a.jpg    of a run whose `object_store` is DIR

A table (CSV or Parquet) names images in a column uri, path or image. With --output, what is known is kept beside the
output until that is whole: the same command goes on with it after it was interrupted or killed.

The exit code is 2 where the release was changed after its release, or an image could not be read; with --output an
unreadable image has its reason in the column error, and the exit code is 2 where none could be read.
"""


def main(argv: Sequence[str] | None = None) -> None:
    """Print a line per image, or write the output; exit code 2 where the release is refused or an image unreadable."""
    made = parser()
    options = made.parse_args(argv)
    if options.output and options.json:
        made.error("--json prints, and --output writes: give one of them (JSON Lines by a name that ends in .jsonl)")
    settings = PredictSettings(
        top=options.top,
        embedding=options.embedding,
        int8=options.int8,
        part_images=options.part_images,
        processes=options.processes,
        threads=options.threads,
        anew=options.anew,
    )
    try:
        with tempfile.TemporaryDirectory(prefix="gleaner-predict-") as scratch:
            if options.output:
                code = write_all(options.release, options.images, options.output, settings, Path(scratch))
            else:
                code = print_all(options.release, options.images, settings, Path(scratch), options.json)
    except BadInputError as error:
        print(f"error: predict: {error}", file=sys.stderr)
        raise SystemExit(2) from None
    except MemoryError:
        print(f"error: predict: {OUT_OF_MEMORY}", file=sys.stderr)
        raise SystemExit(1) from None
    if code:
        raise SystemExit(code)


def parser() -> argparse.ArgumentParser:
    made = argparse.ArgumentParser(
        prog="gleaner predict",
        description="Class and calibrated confidence of each image.",
        epilog=EXAMPLES,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    made.add_argument(
        "release",
        metavar="RELEASE",
        help="folder or s3:// URI of a version, or of a model (its champion), or the release.json that a run left",
    )
    made.add_argument(
        "images",
        metavar="IMAGES",
        nargs="+",
        help="image files, folders (with all below), patterns, tar or zip archives, tables of paths and URIs; each may "
        "lie on s3://",
    )
    made.add_argument(
        "-o", "--output", metavar="FILE", help="write there: a path or s3:// URI of .csv, .jsonl, .parquet"
    )
    made.add_argument("--json", action="store_true", help="a list of objects instead of a table")
    made.add_argument(
        "--top", type=_count, default=1, metavar="K", help="the K likeliest classes of each image (default 1)"
    )
    made.add_argument("--embedding", action="store_true", help="the embedding of each image too")
    made.add_argument("--int8", action="store_true", help="the model of 8-bit weights, where the release has one")
    made.add_argument("--anew", action="store_true", help="begin anew where another run was begun beside the output")
    here = cores()
    made.add_argument(
        "--processes",
        type=_count,
        default=min(here, 256),
        metavar="N",
        help=f"that decode and classify ({here} here)",
    )
    made.add_argument("--threads", type=_count, default=1, metavar="N", help="CPU threads of each process (default 1)")
    made.add_argument(
        "--part-images",
        type=_part,
        default=PredictSettings().part_images,
        metavar="N",
        help="images after which what is known is kept, a multiple of 32 (default %(default)s)",
    )
    return made


def predict(release: str, images: Sequence[str], settings: PredictSettings, scratch: Path) -> list[Row]:
    """What is told of each image, as JSON says it: its name, class, confidence, `top` classes, whether to abstain and
    the conformal set; or its name and `error`, why it could not be read.
    """
    place, _ = resolved(release)
    model = load_release(place, 1, settings.int8)
    listing = write_listing(images, settings.part_images, scratch, scratch / "listing.parquet")
    count = sum(listing.sizes)
    if count > LISTED:
        raise BadInputError(f"{count:,} images are too many to be printed: name a file with --output")
    needed = settings.model_copy(update={"processes": min(settings.processes, -(-count // CHUNK))})
    parts = (near(listing.part(number), scratch) for number in range(len(listing.sizes)))
    rows = answer_all(parts, Answering(place, model.preprocessing.max_pixels, needed))
    return [as_object(row) for row in rows if row is not None]


def print_all(release: str, images: Sequence[str], settings: PredictSettings, scratch: Path, is_json: bool) -> int:
    """Print what is told of each image; the exit code."""
    answers = predict(release, images, settings, scratch)
    if is_json:
        print(json.dumps(answers, indent=1, ensure_ascii=False))
    else:
        show(answers)
    unreadable = [one for one in answers if "error" in one]
    for one in unreadable:
        print(f"error: predict: {one['image']}: {one['error']}", file=sys.stderr)
    return 2 if unreadable else 0


def write_all(release: str, images: Sequence[str], output: str, settings: PredictSettings, scratch: Path) -> int:
    """Write what is told of each image to the output, going on where a killed run was; the exit code."""
    work = begin(release, list(images), output, settings, scratch)
    there = work.done()
    if there:
        print(f"predict: {len(there)} of {len(work.listing.sizes)} parts are there already: goes on", file=sys.stderr)
    done = sum(work.listing.sizes[number] for number in there)
    for _ in paced(answer(work, range(len(work.listing.sizes))), done, sum(work.listing.sizes)):
        pass
    counts = join(work)
    clear(work.store)
    print(summary(output, counts), file=sys.stderr)
    return 2 if counts["unreadable"] == counts["images"] else 0


def _count(text: str) -> int:
    value = int(text)
    if value < 1:
        raise argparse.ArgumentTypeError("must be at least 1")
    return value


def _part(text: str) -> int:
    value = _count(text)
    if value % CHUNK or value > 1 << 16:
        raise argparse.ArgumentTypeError(f"must be a multiple of {CHUNK}, at most {1 << 16}")
    return value


if __name__ == "__main__":
    signal.signal(signal.SIGPIPE, signal.SIG_DFL)  # `… | head` ends it quietly
    main()
