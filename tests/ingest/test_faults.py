"""Ingest over a network that lies: the same dataset, to the digest."""

from pathlib import Path

import pytest

from components.common.data.reader import ShardReader
from components.common.storage import open_store
from tests.faulty import ROUGH, Faults, faulty
from tests.ingest.test_ingest import ingest, picture
from tests.s3 import S3Server


def test_ingest_over_a_rough_network_gives_equal_bytes(
    s3_server: S3Server, s3_bucket: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    source = open_store(f"{s3_bucket}/source")
    counts = {}
    found = {}
    for number in range(120):
        source.write(f"{'cat' if number % 2 else 'dog'}/{number:03d}.png", picture(number))
    for name, faults in (("calm", Faults()), ("rough", ROUGH)):
        with faulty(s3_server.endpoint, faults, seed=2) as proxy:
            monkeypatch.setenv("AWS_ENDPOINT_URL", proxy.endpoint)
            monkeypatch.setattr("components.ingest.source.locations.store_of", open_store)
            monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / name))
            dataset, _, _ = ingest(f"{s3_bucket}/source", tmp_path / name, store=f"{s3_bucket}/{name}")
            reader = ShardReader(dataset, open_store(f"{s3_bucket}/{name}"))
            found[name] = dataset.id, [reader.image_bytes(row) for row in range(len(dataset.index))]
            counts[name] = proxy.counts["requests"]
    assert found["rough"] == found["calm"]
    assert len(found["calm"][1]) == 120
    assert counts["rough"] <= 1.6 * counts["calm"], counts
