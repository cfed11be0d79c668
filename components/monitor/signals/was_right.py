"""How right the expected accuracy was, once people had said what is in the audited images."""

from collections.abc import Iterable, Mapping
from typing import Any

from components.common.metrics import wilson_interval
from components.common.words import plural, share
from components.monitor.signals.signal import rounded


def was_right(looks: Iterable[Mapping[str, Any]], audit: Mapping[str, Any] | None) -> dict[str, Any] | None:
    """`was_right` of drift.json: of the looks whose answers were audited, each counted by its labels, the accuracy that
    ATC had expected beside the one that people found. None where there is no such look.

    looks: drift.json of looks at one version; audit: what components.monitor.audit measured of it.
    """
    expected = {look["number"]: look["accuracy"]["atc"]["value"] for look in looks if look["accuracy"]["atc"]}
    both = [each for each in (audit or {}).get("looks", []) if each["labelled"] and each["number"] in expected]
    labelled = sum(each["labelled"] for each in both)
    if not labelled:
        return None
    right = sum(each["right"] for each in both)
    hoped = sum(each["labelled"] * expected[each["number"]] for each in both) / labelled
    low, high = wilson_interval(right, labelled)
    off = hoped - right / labelled
    inside = low <= hoped <= high
    told = (
        f"Over {len(both):,} {plural('look', len(both))} {share(hoped)} were expected to be right, and of "
        f"{labelled:,} audited answers {share(right / labelled)} were (95 % interval {100 * low:.1f} to "
        f"{100 * high:.1f}): "
        + (
            "the expectation is borne out"
            if inside
            else f"{'too high' if off > 0 else 'too low'} by {abs(100 * off):.1f} points"
        )
        + "."
    )
    return {
        "looks": len(both),
        "labelled": labelled,
        "expected": rounded(hoped),
        "audited": rounded(right / labelled),
        "low": rounded(low),
        "high": rounded(high),
        "mean_error": rounded(off),
        "told": told,
    }
