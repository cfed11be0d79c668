"""When a schedule fires: six fields, seconds first, as the scheduler of Kubeflow Pipelines reads them (robfig/cron v1).

It takes five fields too, and then reads minutes as seconds; and a date that never comes, such as 30 February, makes it
fire without end. So both are refused here.
"""

import re
from datetime import date, datetime, timedelta
from itertools import product

FIELDS = {"second": (0, 59), "minute": (0, 59), "hour": (0, 23), "day": (1, 31), "month": (1, 12), "weekday": (0, 6)}
MONTHS = ["jan", "feb", "mar", "apr", "may", "jun", "jul", "aug", "sep", "oct", "nov", "dec"]
WEEKDAYS = ["sun", "mon", "tue", "wed", "thu", "fri", "sat"]
NAMES = {
    "month": {name: place + 1 for place, name in enumerate(MONTHS)},
    "weekday": {name: place for place, name in enumerate(WEEKDAYS)},
}
LONGEST = (31, 29, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31)  # days of each month
EXAMPLE = "such as '0 30 2 * * *' (every night at 2:30) or '0 0 6 * * mon' (Mondays at six)"


def check_cron(cron: str) -> str:
    """The expression with single spaces; ValueError in one line for what would not fire as it reads."""
    words = cron.split()
    if len(words) != len(FIELDS):
        raise ValueError(
            f"got {cron!r} with {len(words)} field{'s' * (len(words) != 1)}, expected six, {' '.join(FIELDS)}, "
            f"{EXAMPLE}"
        )
    values = {field: field_values(field, word, cron) for field, word in zip(FIELDS, words, strict=True)}
    if not words[0].isdigit():
        raise ValueError(
            f"got {cron!r}, expected one number of seconds first: a training pipeline runs once a minute at "
            f"most; {EXAMPLE}"
        )
    days_only = words[5][0] in "*?"  # otherwise a day of the month or of the week is enough
    if days_only and not any(day <= LONGEST[month - 1] for month in values["month"] for day in values["day"]):
        raise ValueError(f"got {cron!r}, expected a day that its months have")
    return " ".join(words)


def fires_between(cron: str, after: datetime, until: datetime) -> bool:
    """Whether a time of the expression, read in UTC, comes after `after` and not after `until`.

    cron: six fields that `check_cron` has passed. Whether a day of `*/2` must have the right weekday too differs
    between versions of robfig/cron; here either is enough, which is the more times.
    """
    words = dict(zip(FIELDS, cron.split(), strict=True))
    values = {field: field_values(field, word, cron) for field, word in words.items()}
    both = any(part in {"*", "?"} for field in ("day", "weekday") for part in words[field].split(","))

    def comes(day: date) -> bool:
        named = day.day in values["day"], day.isoweekday() % 7 in values["weekday"]
        return day.month in values["month"] and (all(named) if both else any(named))

    times = [
        timedelta(hours=hour, minutes=minute, seconds=second)
        for hour, minute, second in product(values["hour"], values["minute"], values["second"])
    ]
    midnight = after.replace(hour=0, minute=0, second=0, microsecond=0)
    while midnight <= until:
        if comes(midnight.date()) and any(after < midnight + time <= until for time in times):
            return True
        midnight += timedelta(days=1)
    return False


def field_values(field: str, word: str, cron: str) -> set[int]:
    """All numbers that a field names; ValueError in one line for what it must not."""
    least, greatest = FIELDS[field]
    values: set[int] = set()
    for part in word.split(","):
        match = re.fullmatch(r"(?:([*?])|([A-Za-z0-9]+)(?:-([A-Za-z0-9]+))?)(?:/([0-9]+))?", part)
        if not match:
            raise ValueError(f"got {part!r} as {field} in {cron!r}, expected numbers, '*', ranges and steps, {EXAMPLE}")
        any_, first, last, step = match.groups()
        start = least if any_ else _number(field, first, cron)
        end = greatest if any_ or (step and not last) else _number(field, last or first, cron)
        if not (least <= start <= end <= greatest) or step == "0":
            raise ValueError(f"got {part!r} as {field} in {cron!r}, expected {least} to {greatest}, {EXAMPLE}")
        values.update(range(start, end + 1, int(step or 1)))
    return values


def _number(field: str, word: str, cron: str) -> int:
    named = NAMES.get(field, {}).get(word.lower())
    if named is None and not word.isdigit():
        raise ValueError(f"got {word!r} as {field} in {cron!r}, expected a number, {EXAMPLE}")
    return int(word) if named is None else named
