"""What changed: a panel for each test, in words, over the looks, and with its figures."""

from collections.abc import Mapping, Sequence
from html import escape
from typing import Any

from components.common.charts.tracks import keys
from components.common.html import note
from components.monitor.page.dates import day
from components.monitor.page.trend import Point, trend

NAMES = {
    "embedding_mmd": "The images as a whole",
    "embedding_ks": "Single features of the images",
    "novelty": "Images like none before",
    "brightness": "Brightness",
    "size": "Size",
    "sharpness": "Sharpness",
    "shares": "Shares of the classes",
    "confidence": "Confidence",
    "entropy": "Wavering between classes",
    "abstained": "Left to people",
    "accuracy": "Expected accuracy",
}
RARE = 1e-9
POINTS = ("novelty", "shares", "abstained")  # whose effect is a difference of shares
LEGEND = (("blue", "a look"), ("orange", "an alarm; dashed: from there on it matters"))


def changes(drift: Mapping[str, Any], before: Sequence[Mapping[str, Any]]) -> str:
    """Panels of what changed; what did not is folded away."""
    looks = [*before, drift]
    changed = sorted((test for test in drift["signals"] if test["significant"]), key=lambda test: not test["alarm"])
    same = [test for test in drift["signals"] if not test["significant"]]
    legend = keys(LEGEND) if len(looks) > 1 else ""
    parts = [legend, _panels(changed, looks) if changed else note("No test found a change.")]
    if same:
        label = f"{len(same)} of {len(drift['signals'])} tests found no change"
        opened = "" if changed else " open"
        parts.append(f"<details{opened}><summary>{escape(label)}</summary>{_panels(same, looks)}</details>")
    return "".join(parts)


def _panels(tests: Sequence[Mapping[str, Any]], looks: Sequence[Mapping[str, Any]]) -> str:
    return f'<div class="panels">{"".join(_panel(test, looks) for test in tests)}</div>'


def _panel(test: Mapping[str, Any], looks: Sequence[Mapping[str, Any]]) -> str:
    name = test["name"]
    scale = 100 if name in POINTS else 1
    found = [(look["until"], each) for look in looks for each in look["signals"] if each["name"] == name]
    points = [Point(until, scale * each["effect"], each["alarm"]) for until, each in found]
    title = NAMES.get(name, name)
    drawn = trend(points, scale * test["least"], "points" if scale > 1 else "shift", f"{title}, look by look")
    tag = ' <em class="tag">alarm</em>' if test["alarm"] else ""
    return (
        f'<div class="panel test"><b>{escape(title)}{tag}</b><p>{escape(test["told"])}</p>{drawn}'
        f'<p class="figure">{escape(_figures(test))}</p></div>'
    )


def _figures(test: Mapping[str, Any]) -> str:
    if test["name"] in POINTS:
        size = f"{100 * test['effect']:.1f} points; {100 * test['least']:g} and more matter"
    else:
        size = f"Shift {test['effect']:.2f} of 1; {test['least']:g} and more matter"
    began = f" Since {day(test['since'])}." if test["since"] else ""
    return f"{size}. By chance: {odds(test['p'])}; {odds(test['level'])} and rarer is an alarm.{began}"


def odds(p: float) -> str:
    """A chance, as one can picture it."""
    if p < RARE:
        return "under 1 in a billion"
    return f"{p:.2f}" if p > 0.05 else f"1 in {float(f'{1 / p:.2g}'):,.0f}"
