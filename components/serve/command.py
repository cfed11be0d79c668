"""`gleaner serve`: answer over HTTP with a release, whose every byte is verified first."""

import argparse
import os
import sys
from collections.abc import Callable, Sequence
from pathlib import Path

from components.common.cores import cores
from components.common.errors import BadInputError, FailedError, last_words
from components.common.parent import follow
from components.serve.server import Options, run

EXAMPLES = """examples:
  gleaner serve store/releases/mnist                      the champion; a page to drop pictures on at its link
  gleaner serve s3://bucket/releases/mnist --watch 10     a new champion takes over within ten seconds
  gleaner serve store/releases/mnist --log                in the store, where `gleaner monitor` looks for it
  gleaner serve store/releases/mnist --log s3://bucket/served --log-rate 0.1
  curl -F image=@a.png http://127.0.0.1:8080/predict

As KServe's predictor (ServingRuntime), the release lies in /mnt/models:
  python -m components.serve /mnt/models --host 0.0.0.0 --port 8080 --model-name {{.Name}} --drain 10
"""


def main(argv: Sequence[str] | None = None) -> None:
    """Serve until Ctrl-C or SIGTERM; exit code 2 where the release is refused, or the address is taken."""
    options = parser().parse_args(argv)
    follow()
    try:
        token = _token(options.token_file)
        run(Options(**{name: value for name, value in vars(options).items() if name != "token_file"}, token=token))
    except (BadInputError, FailedError, MemoryError) as error:
        line, code = last_words("serve", error) or ("", 1)
        print(line, file=sys.stderr, flush=True)
        raise SystemExit(code) from None


def parser() -> argparse.ArgumentParser:
    made = argparse.ArgumentParser(
        prog="gleaner serve",
        description="Answer over HTTP with a release: KServe's open inference protocol, uploads, a page.",
        epilog=EXAMPLES,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    made.add_argument(
        "release", metavar="RELEASE", help="folder or s3:// URI of a version, or of a model (its champion)"
    )
    made.add_argument("--host", default="127.0.0.1", help="address to listen at (default: this machine alone)")
    made.add_argument("--port", type=int, default=8080, help="port to listen at; 0: a free one (default 8080)")
    made.add_argument(
        "--token-file", type=Path, metavar="FILE", help="file of a token that all requests but health and metrics carry"
    )
    made.add_argument(
        "--digest",
        default=os.environ.get("GLEANER_RELEASE_DIGEST", ""),
        metavar="SHA256",
        help="refuse any release.json but that of sha256:… (default: what GLEANER_RELEASE_DIGEST says)",
    )
    made.add_argument(
        "--model-name", "--model_name", default="", metavar="NAME", help="name of the model (default: the release's)"
    )
    made.add_argument("--int8", action="store_true", help="use the model of 8-bit weights that the release has")
    made.add_argument(
        "--watch", type=_seconds, default=0.0, metavar="SECONDS", help="look so often for a new champion, and follow it"
    )
    made.add_argument(
        "--drain",
        type=_seconds,
        default=0.0,
        metavar="SECONDS",
        help="once told to stop, go on answering for so long while not ready, until nobody sends more (default 0)",
    )
    _add_limits(made)
    _add_log(made)
    return made


def _add_limits(made: argparse.ArgumentParser) -> None:
    mine = cores()
    some = made.add_argument_group("what it may take")
    some.add_argument("--threads", type=_count, default=mine, metavar="N", help="of the model (default: all cores)")
    some.add_argument(
        "--decoders", type=_count, default=max(2, mine), metavar="N", help="processes that decode (default: cores)"
    )
    some.add_argument("--max-batch", type=_count, default=32, metavar="N", help="images of a run (default 32)")
    some.add_argument(
        "--max-wait",
        type=_seconds,
        default=0.0,
        metavar="MS",
        help="milliseconds that a batch waits for more images; 0 takes those that came during the run before (default)",
    )
    some.add_argument(
        "--max-queue", type=_count, default=128, metavar="N", help="images under way; more are told 429 (default 128)"
    )
    some.add_argument(
        "--max-delay", type=_seconds, default=2.0, metavar="S", help="wait at which more are told 429 too (default 2)"
    )
    some.add_argument("--max-images", type=_count, default=32, metavar="N", help="of a request (default 32)")
    some.add_argument("--max-body", type=_count, default=32, metavar="MIB", help="of a request (default 32)")
    some.add_argument(
        "--max-pixels", type=_count, default=50_000_000, metavar="N", help="of an image (default 50,000,000)"
    )
    some.add_argument("--max-seconds", type=_seconds, default=5.0, metavar="S", help="to decode an image (default 5)")
    some.add_argument("--max-memory", type=_count, default=1024, metavar="MIB", help="to decode one (default 1024)")


def _add_log(made: argparse.ArgumentParser) -> None:
    some = made.add_argument_group("a sample of embeddings and predictions, for the watch on drift")
    some.add_argument(
        "--log",
        nargs="?",
        default="",
        metavar="URI",
        help="write it under that folder or s3:// URI; without one, in the store that RELEASE lies in, where "
        "`gleaner monitor` looks for it",
    )
    some.add_argument("--log-rate", type=_share, default=0.1, metavar="SHARE", help="of the images (default 0.1)")
    some.add_argument(
        "--log-seconds", type=_seconds, default=60.0, metavar="S", help="that a row waits at most (default 60)"
    )
    some.add_argument("--log-pixels", action="store_true", help="keep the pixels too, which are private")


def _token(file: Path | None) -> str:
    if file is None:
        return ""
    try:
        token = file.read_text(encoding="utf-8").strip()
    except (OSError, UnicodeDecodeError) as error:
        why = getattr(error, "strerror", None) or "it is not text"
        raise BadInputError(f"--token-file {file}: cannot be read ({why}); give a file of one line") from None
    if len(token) < 16 or not token.isascii() or not token.isprintable():
        raise BadInputError(f"--token-file {file}: expected a line of at least 16 printable ASCII characters")
    return token


def _number(text: str, is_right: Callable[[float], bool], expected: str) -> float:
    try:
        value = float(text)
    except ValueError:
        value = float("nan")
    if not is_right(value):
        raise argparse.ArgumentTypeError(f"{text!r}: expected {expected}")
    return value


def _seconds(text: str) -> float:
    return _number(text, lambda value: 0 <= value < 1e6, "a number of at least 0")


def _share(text: str) -> float:
    return _number(text, lambda value: 0 < value <= 1, "a share above 0, at most 1")


def _count(text: str) -> int:
    return int(_number(text, lambda value: 1 <= value < 1e12 and value == int(value), "a whole number of at least 1"))
