"""Two promoters race for the champion: one winner each time, in a folder and on an S3 server."""

import os
import tempfile
import time
from pathlib import Path
from unittest import mock

from components.common.storage import S3Store, open_store
from components.releases.champion import champion, history
from tests.releases.races import races
from tests.s3 import serve

RACES = 1000


def main() -> None:
    with tempfile.TemporaryDirectory(prefix="gleaner-bench-") as folder:
        _report("folder", str(Path(folder) / "store"))
        with serve(Path(folder) / "s3") as server, mock.patch.dict(os.environ, server.environment()):
            store = open_store("s3://races/gleaner")
            assert isinstance(store, S3Store)
            store.make_bucket()
            _report("SeaweedFS", store.uri)


def _report(name: str, place: str) -> None:
    began = time.monotonic()
    winners = races(place, RACES)
    seconds = time.monotonic() - began
    store = open_store(place)
    now = champion(store, "m")
    assert now is not None
    assert now.version == winners[-1]
    assert [event["version"] for event in history(store, "m")] == winners
    print(
        f"promotions, {name}: {RACES} races of two promoters, {len(winners)} winners, one each; the history has each "
        f"in its order ({1000 * seconds / RACES:.0f} ms a race)",
        flush=True,
    )
