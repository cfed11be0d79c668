"""The same on a real S3 server, also where the network and the server misbehave."""

from pathlib import Path

import pytest

from components.common.storage import open_store
from components.forget.command import main
from components.releases.verify import verify
from tests.faulty import ROUGH, faulty
from tests.forget.world import Made, newest, parts_of, remains
from tests.s3 import S3Server


@pytest.mark.parametrize("rough", [False, True])
def test_nothing_is_left_in_a_bucket(
    made: Made, s3_server: S3Server, s3_bucket: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, rough: bool
) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(made.folder / "cache"))
    store = open_store(f"{s3_bucket}/gleaner")
    for path in sorted(Path(made.store).rglob("*")):
        if path.is_file() and not path.name.startswith("."):
            store.write(path.relative_to(made.store).as_posix(), path.read_bytes())
    what = parts_of(made, made.images["labelled"])
    words = [made.images["labelled"], "--yes", "--store", store.uri, "--from", str(made.source), "--source"]
    if rough:
        with faulty(s3_server.endpoint, ROUGH) as server:
            monkeypatch.setenv("AWS_ENDPOINT_URL", server.endpoint)
            main(words)
        assert server.counts["busy"] > 10
        monkeypatch.setenv("AWS_ENDPOINT_URL", s3_server.endpoint)
    else:
        main(words)
    store = open_store(store.uri)
    for stat in store.list():
        path = tmp_path / "seen" / stat.key
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(store.read(stat.key))
    assert remains(tmp_path / "seen", what) == []
    assert [line for line in remains(made.folder, what) if not line.startswith("store/")] == []
    assert newest(store).index.num_rows
    (release,) = {stat.key.rpartition("/")[0] for stat in store.list("releases/") if stat.key.endswith("/release.json")}
    assert [line for check in verify(f"{store.uri}/{release}") for line in check.wrong] == []
