from datetime import UTC, datetime, timedelta

import pytest

from components.common.clock import VARIABLE, now
from components.common.errors import BadInputError


def test_it_is_the_time_unless_another_is_rehearsed(monkeypatch):
    monkeypatch.delenv(VARIABLE, raising=False)
    assert abs(now() - datetime.now(UTC)) < timedelta(minutes=1)
    monkeypatch.setenv(VARIABLE, "2031-03-02T07:00:00+01:00")
    assert now() == datetime(2031, 3, 2, 6, tzinfo=UTC)


@pytest.mark.parametrize("said", ["yesterday", "2031-03-02T07:00:00"])
def test_a_time_without_a_zone_is_none(monkeypatch, said):
    monkeypatch.setenv(VARIABLE, said)
    with pytest.raises(BadInputError, match=r"GLEANER_NOW: got .*, expected a time such as"):
        now()
