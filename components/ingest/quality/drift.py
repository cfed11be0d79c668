"""How a version differs from the one before: class shares, sizes and brightness, each as a number from 0 to 1."""

import json
import math
from collections.abc import Mapping
from typing import Any

from components.common.storage import Store
from components.ingest.previous.version import PreviousVersion
from components.ingest.version.inventory import Inventory

LARGE = 0.1  # a difference below this says little, however many images prove it
# of the two-sample Kolmogorov-Smirnov statistic, times sqrt(1/n + 1/m): exceeded by chance once in a hundred times
CRITICAL = 1.63
LEVELS = 8  # grey levels of a bin of brightness
OCTAVE = 4  # bins of a doubling of the number of pixels
NAMES = {"classes": "class shares", "pixels": "sizes (pixels)", "brightness": "brightness"}

Profile = dict[str, dict[str, int]]


def profile(inventory: Inventory) -> Profile:
    """Counts by class, by bin of pixels (quarter octaves) and by bin of brightness (8 grey levels) of the images of a
    version.
    """
    images = "FROM images WHERE aside = ''"
    classes = inventory.rows(f"SELECT label, COUNT(*) {images} AND label IS NOT NULL GROUP BY label")
    sizes: dict[str, int] = {}
    for pixels, count in inventory.rows(f"SELECT width * height AS p, COUNT(*) {images} GROUP BY p"):
        name = str(round(OCTAVE * math.log2(pixels)))
        sizes[name] = sizes.get(name, 0) + count
    grey = inventory.rows(f"SELECT CAST(brightness / {LEVELS} AS INTEGER) AS b, COUNT(*) {images} GROUP BY b")
    return {"classes": dict(classes), "pixels": sizes, "brightness": {str(level): count for level, count in grey}}


def profile_before(previous: PreviousVersion, version: str, store: Store) -> Profile | None:
    """The profile of the version before this one: where nothing changed, of the one before that, so that the report
    repeats.
    """
    before = previous.before if previous.id == version else previous.id
    try:
        return (
            json.loads(store.read(f"datasets/{previous.name}/{before}/quality.json")).get("profile") if before else None
        )
    except KeyError:
        return None


def drifts(before: Profile, now: Profile) -> list[dict[str, Any]]:
    """What has drifted, with the statistic: the total variation distance of class shares, the Kolmogorov-Smirnov
    statistic of the rest.

    Counted as drift where it is larger than 0.1 and than what two samples of these sizes from one source would show.
    """
    found: list[dict[str, Any]] = []
    for what, kind, measure in (
        ("classes", "total variation", _total_variation),
        ("pixels", "Kolmogorov-Smirnov", _kolmogorov_smirnov),
        ("brightness", "Kolmogorov-Smirnov", _kolmogorov_smirnov),
    ):
        n = sum(before[what].values())
        m = sum(now[what].values())
        if not n or not m:
            continue
        statistic, chance = measure(before[what], now[what])
        if statistic > max(LARGE, chance):
            found.append(
                {
                    "what": what,
                    "statistic": round(statistic, 4),
                    "kind": kind,
                    "by_chance": round(chance, 4),
                    "most": _most_changed(before[what], now[what]),
                }
            )
    return found


def _total_variation(before: Mapping[str, int], now: Mapping[str, int]) -> tuple[float, float]:
    """Half the sum of differences of shares, and three times what chance gives: each difference has a standard
    deviation of sqrt(p (1 - p) (1/n + 1/m)), and a mean size of sqrt(2 / pi) of it.
    """
    n = sum(before.values())
    m = sum(now.values())
    names = sorted({*before, *now})
    distance = sum(abs(before.get(name, 0) / n - now.get(name, 0) / m) for name in names) / 2
    shares = [(before.get(name, 0) + now.get(name, 0)) / (n + m) for name in names]
    chance = sum(math.sqrt(2 / math.pi * share * (1 - share) * (1 / n + 1 / m)) for share in shares) / 2
    return distance, 3 * chance


def _kolmogorov_smirnov(before: Mapping[str, int], now: Mapping[str, int]) -> tuple[float, float]:
    """Largest difference of the cumulative shares, over bins with numbers for names."""
    n = sum(before.values())
    m = sum(now.values())
    largest, left, right = 0.0, 0, 0
    for name in sorted({*before, *now}, key=int):
        left = left + before.get(name, 0)
        right = right + now.get(name, 0)
        largest = max(largest, abs(left / n - right / m))
    return largest, CRITICAL * math.sqrt(1 / n + 1 / m)


def _most_changed(before: Mapping[str, int], now: Mapping[str, int], many: int = 5) -> list[dict[str, Any]]:
    """The classes or bins whose shares changed most: name, share before, share now."""
    n = sum(before.values())
    m = sum(now.values())
    shares = [(name, before.get(name, 0) / n, now.get(name, 0) / m) for name in sorted({*before, *now})]
    return [
        {"name": name, "before": round(a, 4), "now": round(b, 4)}
        for name, a, b in sorted(shares, key=lambda entry: -abs(entry[1] - entry[2]))[:many]
    ]
