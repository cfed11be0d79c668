"""SIGKILLs at random moments of ingest: the same bytes afterwards, every time."""

import tempfile
from pathlib import Path

from tests.kills import survive

KILLS = 300


def main() -> None:
    with tempfile.TemporaryDirectory() as folder:
        outcome = survive(Path(folder), KILLS, seed=0)
    print(
        f"{outcome.kills} SIGKILLs at random moments of an ingest of {outcome.seconds:.1f} s: "
        f"{outcome.finished + 1} ingests came to "
        "their end after them, all with the same digest and the same store; nothing was ever named that was not "
        "there and whole"
    )


if __name__ == "__main__":
    main()
