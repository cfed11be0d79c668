"""Ingest under kill -9."""

from pathlib import Path

from tests.kills import survive


def test_an_ingest_that_is_killed_goes_on_to_the_same_bytes(tmp_path: Path) -> None:
    outcome = survive(tmp_path, kills=20, seed=1)
    print(outcome)
    assert outcome.kills == 20
