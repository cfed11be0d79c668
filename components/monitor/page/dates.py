"""Days as people read them."""

from datetime import datetime

MONTHS = (
    *("January", "February", "March", "April", "May", "June"),
    *("July", "August", "September", "October", "November", "December"),
)


def day(iso: str) -> str:
    """2 March 2026"""
    time = datetime.fromisoformat(iso)
    return f"{time.day} {MONTHS[time.month - 1]} {time.year}"


def short_day(iso: str) -> str:
    """2 Mar"""
    time = datetime.fromisoformat(iso)
    return f"{time.day} {MONTHS[time.month - 1][:3]}"


def span(since: str, until: str) -> str:
    """from 23 February to 2 March 2026"""
    first, last = day(since), day(until)
    return f"on {last}" if first == last else f"from {first.removesuffix(last[-5:])} to {last}"
