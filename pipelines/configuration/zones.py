"""Convert schedules of a time zone to UTC: one cron expression for each stretch between two changes of the clocks.

Kubeflow's scheduler knows one zone for all schedules. It reads expressions by robfig/cron v1.2.0 (go.mod of
kubeflow/pipelines; backend/src/crd/controller/scheduledworkflow/util/cron_schedule.go), whose parser takes `TZ=` for a
seventh field and refuses it: the prefix came with v2 (https://github.com/robfig/cron/issues/148). But a recurring run
may have a first and a last moment. So the present stretch and the next one are recurring runs of their own, each exact
to the second at which it begins and ends, and the reconciler adds the one after as soon as the next is the present.

A time that the clocks leave out does not come that day, one that they show twice comes twice; so it is too where the
scheduler itself has such a zone (its Next goes on in hours of elapsed time, spec.go).
"""

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from difflib import get_close_matches
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError, available_timezones

from pipelines.configuration.cron import FIELDS, field_values

DAY = 24 * 60  # minutes
FARTHEST = 400  # days ahead in which clocks that change are found to do so: twice a year, or for Ramadan
EVERY = {"*", "?"}


@dataclass(frozen=True)
class Stretch:
    """Times in UTC at which a schedule fires from `start` on and before `end`; None: since ever, for ever."""

    cron: str
    start: datetime | None
    end: datetime | None


def check_zone(name: str) -> ZoneInfo:
    """The zone of that name in the IANA database; ValueError in one line."""
    try:
        return ZoneInfo(name)
    except (ZoneInfoNotFoundError, ValueError, OSError):
        known = available_timezones()
    if not known:
        raise ValueError(
            f"got {name!r}, but this machine has no time zones; expected Debian's or PyPI's package tzdata here"
        )
    close = get_close_matches(name, known, n=1)
    meant = f"did you mean {close[0]!r}?" if close else "expected a name of the IANA database, such as Europe/Berlin"
    raise ValueError(f"got {name!r}, which is no time zone; {meant}")


def stretches(cron: str, zone: ZoneInfo, now: datetime) -> list[Stretch]:
    """The present stretch and, where the clocks will change, the next one; ValueError where UTC cannot say it."""
    first = _next_change(zone, now)
    present = Stretch(in_utc(cron, zone, _offset(zone, now)), None, first)
    if first is None:
        return [present]
    return [present, Stretch(in_utc(cron, zone, _offset(zone, first)), first, _next_change(zone, first))]


def in_utc(cron: str, zone: ZoneInfo, offset: int) -> str:
    """The expression moved by `offset`, minutes that the zone is ahead of UTC.

    cron: six fields that `check_cron` has passed. Days of the week move along; days of months cannot, since months
    differ in length.
    """
    second, minute, hour, day, month, weekday = cron.split()
    minutes, hours, weekdays = (
        field_values(field, word, cron) for field, word in (("minute", minute), ("hour", hour), ("weekday", weekday))
    )
    times = {each * 60 + past - offset for each in hours for past in minutes}
    days = {time // DAY for time in times}
    hours, minutes = {time % DAY // 60 for time in times}, {time % 60 for time in times}
    if {day, month, weekday} <= EVERY:
        days = {0}
    if len(days) > 1 or len(hours) * len(minutes) != len(times):
        raise ValueError(
            f"got {zone.key!r} for {cron!r}, whose times are on two days or at unlike minutes in UTC, by which "
            "Kubeflow goes; expected two schedules, each with some of these times"
        )
    (moved,) = days
    if moved and not {day, month} <= EVERY:
        raise ValueError(
            f"got {zone.key!r} for {cron!r}, which is on the day {'after' if moved > 0 else 'before'} in UTC, by which "
            f"Kubeflow goes; expected {'an earlier' if moved > 0 else 'a later'} hour, or days of the week"
        )
    if moved:
        weekday = _words("weekday", {(each + moved) % 7 for each in weekdays})
    return " ".join([second, _words("minute", minutes), _words("hour", hours), day, month, weekday])


def _words(field: str, values: set[int]) -> str:
    least, greatest = FIELDS[field]
    return "*" if len(values) == greatest - least + 1 else ",".join(str(value) for value in sorted(values))


def _offset(zone: ZoneInfo, moment: datetime) -> int:
    """Minutes that the zone is ahead of UTC."""
    ahead = moment.astimezone(zone).utcoffset()
    assert ahead is not None
    return ahead // timedelta(minutes=1)


def _next_change(zone: ZoneInfo, after: datetime) -> datetime | None:
    """The next second, in UTC, from which on the zone's offset is another; None: there is none for FARTHEST days."""
    early = after.astimezone(UTC).replace(microsecond=0)
    for _ in range(FARTHEST):
        late = early + timedelta(days=1)
        if _offset(zone, late) != _offset(zone, early):
            break
        early = late
    else:
        return None
    while late - early > timedelta(seconds=1):
        middle = early + (late - early) // 2
        middle = middle.replace(microsecond=0)
        if _offset(zone, middle) == _offset(zone, early):
            early = middle
        else:
            late = middle
    return late
