"""`gleaner predict`: class and calibrated confidence of images, by a release whose every byte is verified first."""

import argparse
import json
import signal
import sys
import tempfile
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from rich.console import Console
from rich.table import Table

from components.common.cli import progress
from components.common.data.images import ImageError, decode, to_square
from components.common.errors import OUT_OF_MEMORY, BadInputError
from components.common.metrics import softmax
from components.common.storage import open_store
from components.releases.bundle import FILES, find, locate, verified_file

BATCH = 64  # images per forward pass
MAX_PIXELS = 100_000_000
EXAMPLES = """\
examples:
  gleaner predict store/releases/mnist scan.png                           the champion
  gleaner predict s3://bucket/gleaner/releases/mnist/3f9c… a.jpg b.jpg    one version
  gleaner predict store/releases/mnist *.png --json --top 3               three classes each, as JSON
  gleaner predict --object-store DIR s3://gleaner/releases/mnist a.jpg    of a run whose `object_store` is DIR

The exit code is 2 where the release was changed after its release, or an image could not be read.
"""


def main(argv: Sequence[str] | None = None) -> None:
    """Print a line per image; exit code 2 where the release is refused or an image is unreadable."""
    options = parser().parse_args(argv)
    try:
        answers = predict(options.release, options.images, options.top, options.threads)
    except BadInputError as error:
        print(f"error: predict: {error}", file=sys.stderr)
        raise SystemExit(2) from None
    except MemoryError:
        print(f"error: predict: {OUT_OF_MEMORY}", file=sys.stderr)
        raise SystemExit(1) from None
    if options.json:
        print(json.dumps(answers, indent=1, ensure_ascii=False))
    else:
        show(answers)
    unreadable = [answer for answer in answers if "error" in answer]
    for answer in unreadable:
        print(f"error: predict: {answer['image']}: {answer['error']}", file=sys.stderr)
    if unreadable:
        raise SystemExit(2)


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
    made.add_argument("images", metavar="IMAGE", nargs="+", type=Path, help="JPEG, PNG, WebP, BMP, TIFF or GIF file")
    made.add_argument("--json", action="store_true", help="a list of objects instead of a table")
    made.add_argument(
        "--top", type=_count, default=1, metavar="K", help="the K likeliest classes of each image (default 1)"
    )
    made.add_argument("--threads", type=_count, default=2, metavar="N", help="CPU threads (default 2)")
    return made


def predict(release: str, images: Sequence[Path], top: int, threads: int) -> list[dict[str, Any]]:
    """Per image its name, class, confidence and `top` classes; or its name and `error`, why it could not be read."""
    place = locate(release)
    store = open_store(place)
    folder, about = find(store)
    with tempfile.TemporaryDirectory(prefix="gleaner-predict-") as scratch:
        for name in FILES:
            if name not in about["files"]:
                raise BadInputError(
                    f"{place}/{folder}release.json: lists no {name}; release again with this version of Gleaner"
                )
            (Path(scratch) / name).write_bytes(verified_file(store, folder, about, name))
        return _answers(Path(scratch), about, images, top, threads)


def _answers(
    folder: Path, about: dict[str, Any], images: Sequence[Path], top: int, threads: int
) -> list[dict[str, Any]]:
    import torch  # two seconds that a refused release need not cost

    from components.common.learning.inference import predict_pixels
    from components.common.learning.models import load_classifier
    from components.common.learning.training import set_threads

    set_threads(threads)
    model, spec, _ = load_classifier(folder)
    answers: list[dict[str, Any]] = []
    shown = progress(images, len(images), "images", every=1000) if sys.stderr.isatty() else images
    for batch in _batches(shown, BATCH):
        pixels = []
        read = []
        for path in batch:
            answers.append({"image": str(path)})
            try:
                pixels.append(to_square(decode(path.read_bytes(), spec.mode, MAX_PIXELS), spec.image_size))
                read.append(answers[-1])
            except OSError as error:
                answers[-1]["error"] = error.strerror or str(error)
            except ImageError as error:
                answers[-1]["error"] = str(error)
        if not read:
            continue
        probabilities = softmax(predict_pixels(model, spec, torch.from_numpy(np.stack(pixels))), about["temperature"])
        for answer, row in zip(read, probabilities, strict=True):
            best = [
                {"class": about["classes"][c], "confidence": float(row[c])}
                for c in np.argsort(-row, kind="stable")[:top]
            ]
            answer |= {**best[0], "top": best}
    return answers


def show(answers: Sequence[dict[str, Any]]) -> None:
    """A table of the images that could be read; never wrapped where another program reads it."""
    readable = [answer for answer in answers if "top" in answer]
    if not readable:
        return
    width = len(readable[0]["top"])
    table = Table(box=None, pad_edge=False)
    for heading in ("image", "class", "confidence", *(f"{n}." for n in range(2, width + 1))):
        table.add_column(heading, overflow="fold", justify="right" if heading == "confidence" else "left")
    for answer in readable:
        others = [f"{one['class']} {one['confidence']:.1%}" for one in answer["top"][1:]]
        table.add_row(answer["image"], answer["class"], f"{answer['confidence']:.1%}", *others)
    console = Console(highlight=False, markup=False)
    if not console.is_terminal:
        console.width = 10_000
    console.print(table)


def _batches(items: Iterator[Path] | Sequence[Path], size: int) -> Iterator[list[Path]]:
    batch: list[Path] = []
    for item in items:
        batch.append(item)
        if len(batch) == size:
            yield batch
            batch = []
    if batch:
        yield batch


def _count(text: str) -> int:
    value = int(text)
    if value < 1:
        raise argparse.ArgumentTypeError("must be at least 1")
    return value


if __name__ == "__main__":
    signal.signal(signal.SIGPIPE, signal.SIG_DFL)  # `… | head` ends it quietly
    main()
