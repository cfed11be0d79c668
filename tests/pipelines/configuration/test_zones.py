"""Schedules in a time zone: what is said in UTC fires at the very minutes at which the zone's clocks show the time."""

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pipelines.configuration.cron import FIELDS, field_values
from pipelines.configuration.zones import Stretch, check_zone, stretches

NOW = datetime(2026, 11, 27, 8, 30, tzinfo=UTC)
ZONES = ["Europe/Berlin", "America/New_York", "Australia/Lord_Howe", "Asia/Kathmandu", "Africa/Casablanca", "UTC"]


def fires(cron: str, wall: datetime) -> bool:
    """Whether clocks that show this are a time of the schedule, as robfig/cron reads it."""
    words = cron.split()
    values = {field: field_values(field, word, cron) for field, word in zip(FIELDS, words, strict=True)}
    day, weekday = wall.day in values["day"], (wall.weekday() + 1) % 7 in values["weekday"]
    either = words[3][0] in "*?" or words[5][0] in "*?"
    return (
        wall.minute in values["minute"]
        and wall.hour in values["hour"]
        and wall.month in values["month"]
        and ((day and weekday) if either else (day or weekday))
    )


def minutes(around: datetime, days: int) -> Iterator[datetime]:
    start = around - timedelta(days=days)
    return (start + timedelta(minutes=number) for number in range(days * 2 * 24 * 60))


def check(cron: str, zone: str, said: list[Stretch]) -> None:
    """Against trying every minute of the days around each change of the clocks."""
    present, *later = said
    for change in [stretch.start for stretch in later] or [NOW]:
        assert change is not None
        for minute in minutes(change, 3):
            stretch = present if present.end is None or minute < present.end else later[0]
            wanted = fires(cron, minute.astimezone(ZoneInfo(zone)))
            assert fires(stretch.cron, minute) == wanted, f"{cron} {zone} {minute} {stretch}"


@pytest.mark.parametrize(
    ("cron", "zone", "winter", "summer", "changes"),
    [
        ("0 30 2 * * *", "Europe/Berlin", "0 30 1 * * *", "0 30 0 * * *", ["2027-03-28 01:00", "2027-10-31 01:00"]),
        (
            "0 0 6 * * sat",
            "America/New_York",
            "0 0 11 * * sat",
            "0 0 10 * * sat",
            ["2027-03-14 07:00", "2027-11-07 06:00"],
        ),
        (
            "0 30 0 * * mon-fri",
            "Europe/Berlin",
            "0 30 23 * * 0,1,2,3,4",
            "0 30 22 * * 0,1,2,3,4",
            ["2027-03-28 01:00", "2027-10-31 01:00"],
        ),
    ],
)
def test_two_stretches_meet_where_the_clocks_change(cron, zone, winter, summer, changes):
    present, later = stretches(cron, check_zone(zone), NOW)
    assert (present.cron, later.cron) == (winter, summer)
    assert present.start is None
    assert present.end == later.start
    assert [f"{end:%Y-%m-%d %H:%M}" for end in (present.end, later.end) if end] == changes
    check(cron, zone, [present, later])


@pytest.mark.parametrize(
    ("cron", "said"), [("5 0 3 * * *", "5 15 21 * * *"), ("0 0 */6 ? * ?", "0 15 0,6,12,18 ? * ?")]
)
def test_clocks_that_never_change_need_one(cron, said):
    assert stretches(cron, check_zone("Asia/Kathmandu"), NOW) == [Stretch(said, None, None)]
    check(cron, "Asia/Kathmandu", [Stretch(said, None, None)])


def test_a_time_left_out_does_not_come_and_one_shown_twice_comes_twice():
    spring, autumn = datetime(2027, 3, 28, tzinfo=UTC), datetime(2027, 10, 31, tzinfo=UTC)
    for change, times in ((spring, 0), (autumn, 2)):
        said = stretches("0 30 2 * * *", check_zone("Europe/Berlin"), change - timedelta(days=1))
        check("0 30 2 * * *", "Europe/Berlin", said)
        day = [change + timedelta(minutes=number - 60) for number in range(24 * 60)]
        assert sum(fires(said[minute >= said[1].start].cron, minute) for minute in day if said[1].start) == times


def test_the_present_stretch_is_the_one_that_was_still_to_come():
    zone = check_zone("Europe/Berlin")
    _, summer = stretches("0 30 2 * * *", zone, NOW)
    assert summer.start is not None
    present, winter = stretches("0 30 2 * * *", zone, summer.start)
    assert (present.cron, present.end) == (summer.cron, summer.end)
    assert winter.start == summer.end


hours = st.sampled_from(["0", "2", "3", "23", "*", "*/6", "8-17", "1,22"])
times = st.tuples(st.sampled_from(["0", "30", "15,45", "*/20", "*"]), hours)
days = st.sampled_from(["* * *", "? * ?", "* * sat", "* * mon-fri", "1 * *", "* jan *", "1,15 * sun", "*/2 * *"])


@settings(max_examples=60, deadline=None)
@given(times, days, st.sampled_from(ZONES), st.integers(0, 500))
def test_what_is_said_in_utc_is_exact_or_refused_in_one_line(time, day, zone, later):
    cron = f"0 {time[0]} {time[1]} {day}"
    said: list[Stretch] = []
    told = "expected"
    try:
        said = stretches(cron, check_zone(zone), NOW + timedelta(days=later))
    except ValueError as error:
        told = str(error)
    assert "expected" in told
    assert "\n" not in told
    for change in [stretch.start for stretch in said[1:]]:
        assert change is not None
        for minute in minutes(change, 2):
            stretch = said[minute >= change]
            assert fires(stretch.cron, minute) == fires(cron, minute.astimezone(ZoneInfo(zone)))


@pytest.mark.parametrize(
    ("name", "line"),
    [
        ("Europe/Berln", "got 'Europe/Berln', which is no time zone; did you mean 'Europe/Berlin'?"),
        ("../etc", "got '../etc', which is no time zone; expected a name of the IANA database, such as Europe/Berlin"),
        ("", "got '', which is no time zone; expected a name"),
        ("Europe", "got 'Europe', which is no time zone; did you mean"),
    ],
)
def test_a_zone_that_is_not_known(name, line):
    with pytest.raises(ValueError, match="which is no time zone") as error:
        check_zone(name)
    assert str(error.value).startswith(line)
