"""The whole of drift.html."""

from collections.abc import Mapping, Sequence
from html import escape
from typing import Any

from components.common import charts
from components.common.html import figures, note, page
from components.common.words import plural, share, whole
from components.monitor.page import answers
from components.monitor.page.advice import advice
from components.monitor.page.changes import changes
from components.monitor.page.dates import day, span
from components.monitor.page.figures import left_out, tests
from components.monitor.page.novel import Picture, novel
from components.monitor.settings import MonitorSettings

SHOWN = 24  # images, at most
STYLE = """
.verdict.wait { border-left-color: var(--warn); background: color-mix(in srgb, var(--warn) 7%, var(--card)) }
.verdict.wait h3 { color: var(--warn) }
.steps { padding-left: 22px; max-width: 90ch } .steps li { margin: 6px 0; padding-left: 4px }
code { font-size: 13px; background: var(--tint); border-radius: 4px; padding: 1px 5px; overflow-wrap: anywhere }
.tag { font-style: normal; font-size: 12px; font-weight: 600; color: var(--bad); border: 1px solid currentColor;
  border-radius: 999px; padding: 0 8px; margin-left: 6px }
.tests td:nth-child(-n + 6) { white-space: nowrap } .tests td:last-child { min-width: 240px }
.test p { margin: 0 0 8px } .test .figure { color: var(--faint); font-size: 13px; margin: 8px 0 0 }
.mark.ink, .key.ink { background: var(--ink) }
.novel { display: grid; grid-template-columns: repeat(auto-fill, minmax(min(100%, 150px), 1fr)); gap: 18px 16px }
.pair img { border-radius: 8px; background: var(--tint) }
.none { display: grid; place-content: center; text-align: center; aspect-ratio: 1; border: 1px dashed var(--line);
  border-radius: 8px; color: var(--faint); font-size: 12px; overflow-wrap: anywhere }
"""


def render(
    drift: Mapping[str, Any],
    before: Sequence[Mapping[str, Any]],
    pictures: Sequence[Picture],
    settings: MonitorSettings,
) -> str:
    """The page of a look. drift: drift.json; before: earlier looks at the same version; pictures: of the most novel
    images.
    """
    verdict = drift["verdict"]
    sections = [("", _box(drift, before, settings)), ("What to do next", advice(drift, settings))]
    if verdict["cannot_tell"]:
        sections.append(("What there was", "".join(note(each) for each in left_out(drift))))
    else:
        sections += [
            ("What changed", changes(drift, before)),
            ("New images", novel(drift, pictures)),
            ("Shares of the classes", answers.shares(drift)),
            ("How often it is right", answers.accuracy(drift, before)),
            ("The audit", answers.audit(drift)),
            ("The figures", tests(drift, settings)),
        ]
    lead = (
        ""
        if not drift["version"]
        else (
            f"{drift['images']:,} {plural('image', drift['images'])} {span(drift['since'], drift['until'])}, beside "
            f"{drift['reference_images']:,} that release {drift['version']} was measured on."
        )
    )
    style = charts.STYLE + STYLE
    return page(f"{drift['model']}: look {drift['number']}", sections, lead, style, contents=not verdict["cannot_tell"])


def _box(drift: Mapping[str, Any], before: Sequence[Mapping[str, Any]], settings: MonitorSettings) -> str:
    """Alarm or not, why, since when, and how sure that is; below it the figures that matter most."""
    verdict = drift["verdict"]
    kind = "wait" if verdict["cannot_tell"] else "no" if verdict["alarm"] else "yes"
    lines = [escape(sentence) for sentence in verdict["why"] if sentence.rstrip(".") != verdict["title"]]
    if verdict["since"]:
        looks = 1 + sum(look["verdict"]["alarm"] and look["since"] >= verdict["since"] for look in before)
        again = "this look is the first to say so" if looks == 1 else f"{looks} looks in a row say so"
        lines.append(f"<b>Since {escape(day(verdict['since']))}</b>: {again}.")
    told = "".join(f"<p>{line}</p>" for line in lines)
    word = "Alarm. " if verdict["alarm"] else ""
    title = f"<h3>{word}{escape(verdict['title'])}</h3>"
    if verdict["cannot_tell"]:
        return f'<div class="verdict {kind}" role="status">{title}{told}</div>'
    sure = (
        "How sure: where nothing changes, all looks of a year together raise a false alarm with a chance of "
        f"{whole(settings.false_alarms)} at most."
    )
    box = f'<div class="verdict {kind}" role="status">{title}{told}<p class="against">{escape(sure)}</p></div>'
    return box + figures(_headline(drift))


def _headline(drift: Mapping[str, Any]) -> list[tuple[str, object]]:
    audit, about = drift["audit"] or {}, drift["accuracy"]
    raised = sum(test["alarm"] for test in drift["signals"])
    shown: list[tuple[str, object]] = [
        ("images looked at", drift["images"]),
        ("tests raise an alarm", f"{raised} of {len(drift['signals'])}"),
    ]
    if about["atc"]:
        reach = f"{100 * about['atc']['low']:.1f} to {100 * about['atc']['high']:.1f}"
        shown.append((f"expected to be right; 95 % interval {reach}", share(about["atc"]["value"])))
        shown.append(("were right on the test images", share(about["held_out"]["value"])))
    if audit.get("labelled"):
        shown.append((f"right, of {audit['labelled']:,} audited answers", share(audit["accuracy"])))
    shown.append((f"new images; {share(drift['novel']['usual_share'])} are usual", share(drift["novel"]["share"])))
    return shown
