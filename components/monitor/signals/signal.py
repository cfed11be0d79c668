"""One test of a look: what it found, and the words for it."""

from collections.abc import Iterable
from typing import Any, NamedTuple

from components.common.words import share
from components.monitor.settings import Family
from components.monitor.statistics.sequential import share_of_year, split_level

# Parts of a look's level. MMD has most: the smaller its level, the more permutations, and they are the cost of a look.
WEIGHTS = {
    "embedding_mmd": 4.0,
    "embedding_ks": 1.0,
    "novelty": 2.0,
    "brightness": 1.0,
    "size": 1.0,
    "sharpness": 1.0,
    "shares": 2.0,
    "confidence": 1.0,
    "entropy": 1.0,
    "abstained": 1.0,
    "accuracy": 2.0,
}
AUDIT = 0.2  # of the false alarms of a year: the audit's, whose interval holds at all times; looks share the rest


class Signal(NamedTuple):
    """What a test found. It is an alarm where p is at most its level and the effect at least the least one that
    matters, if its family may raise alarms.
    """

    name: str  # of WEIGHTS
    family: Family
    test: str  # in words
    statistic: float
    p: float
    level: float
    effect: float
    least: float
    changed: str  # what to say where it changed
    same: str  # and where it did not
    may_alarm: bool = True
    reference: float | None = None  # mean
    observed: float | None = None

    @property
    def significant(self) -> bool:
        return self.p <= self.level

    @property
    def alarm(self) -> bool:
        return self.significant and self.effect >= self.least and self.may_alarm

    @property
    def told(self) -> str:
        if not self.significant:
            return f"{self.same}; the difference may be chance." if self.effect >= self.least else f"{self.same}."
        if self.effect < self.least:
            return f"{self.changed}, but by less than is worth an alarm."
        return f"{self.changed}." if self.may_alarm else f"{self.changed}; alarms of {self.family} are switched off."

    def as_dict(self) -> dict[str, Any]:
        """As in drift.json, but for `since`."""
        kept = {name: getattr(self, name) for name in ("name", "family", "test", "told", "alarm", "significant")}
        figures = ("statistic", "p", "level", "effect", "least", "reference", "observed")
        return kept | {name: rounded(getattr(self, name)) for name in figures}


def look_level(seconds: float, false_alarms: float) -> float:
    """Level of a look at so many seconds; those of the looks of a year add up to what the audit leaves."""
    return share_of_year(seconds, false_alarms * (1 - AUDIT))


def levels(level: float, names: Iterable[str]) -> dict[str, float]:
    """The level of each test that is made; they add up to the look's."""
    return split_level(level, {name: WEIGHTS[name] for name in names})


def of(seen: float, known: float) -> str:
    """A share of the look's images, and of the reference's."""
    return f"{share(seen)}, {share(known)} in the reference"


def rounded(value: float | None) -> float | None:
    """To six digits: what the order of sums makes of equal inputs does not show."""
    return None if value is None or value != value else float(f"{value:.6g}")
