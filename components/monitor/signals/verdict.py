"""What a look comes to: whether it is an alarm, since when, and why, in words."""

from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime, timedelta
from typing import Any

YEAR = timedelta(days=365.25)
NOTHING, CANNOT = "Nothing has changed that is worth an alarm", "Cannot tell yet"
ACCURATE = {"audit": "The model is right less often", "accuracy": "The model is likely to be right less often"}


def since(found: Mapping[str, Any], before: Mapping[str, Any] | None, start: str) -> str | None:
    """From when on a test has been an alarm at every look: the start of the window of the first of these looks; None
    where it is none.

    before: what the look before it found; start: of this look's window.
    """
    if not found["alarm"]:
        return None
    return (before.get("since") if before and before["alarm"] else None) or start


def of_signal(look: Mapping[str, Any] | None, name: str) -> Mapping[str, Any] | None:
    """What a look found by one test; None where it did not make it."""
    return next((each for each in look["signals"] if each["name"] == name), None) if look else None


def verdict(
    signals: Sequence[Mapping[str, Any]], accuracy: Mapping[str, Any], audit: Mapping[str, Any] | None
) -> dict[str, Any]:
    """`verdict` of drift.json, from what stands there of the tests."""
    raised = [(name, each) for name, each in (("audit", audit), ("accuracy", accuracy)) if each and each["alarm"]]
    raised += [(each["family"], each) for each in signals if each["alarm"]]
    began = [str(each["since"]) for _, each in raised]
    return {
        "alarm": bool(raised),
        "cannot_tell": False,
        "title": _title({family for family, _ in raised}),
        "why": [each["told"] for _, each in raised] or [NOTHING + "."],
        "since": min(began, key=datetime.fromisoformat) if began else None,
    }


def cannot_tell(why: str) -> dict[str, Any]:
    return {"alarm": False, "cannot_tell": True, "title": CANNOT, "why": [why], "since": None}


def spent(looks: Iterable[Mapping[str, Any]], until: str, level: float) -> float:
    """Levels of the looks of the year that ends with this one, together."""
    end = datetime.fromisoformat(until)
    return level + sum(look["level"] for look in looks if datetime.fromisoformat(look["until"]) > end - YEAR)


def _title(families: set[str]) -> str:
    for family, words in ACCURATE.items():
        if family in families:
            return words
    if {"inputs", "predictions"} <= families:
        return "Other images come, and the model answers otherwise"
    if "inputs" in families:
        return "Other images come than those that the model was measured on"
    return "The model answers otherwise than it did" if families else NOTHING
