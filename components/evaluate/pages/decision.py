"""The box on top, ship or not, and the gates that it follows from."""

from html import escape
from typing import Any

from IPython.display import HTML

from components.common import words
from components.common.html import figures, note, table
from components.evaluate import findings
from components.evaluate.pages.facts import Evaluation

OTHERS = (("champion", "the champion"), ("warmup", "warm-up"))  # whom the figures compare with, the first one known


def box(facts: Evaluation) -> HTML:
    """Ship or not, why, and against what; below it the figures that a decision rests on."""
    decision = facts.verdict["decision"]
    against = f'<p class="against">Compared with {escape(decision["against"])}.</p>' if decision["against"] else ""
    why = words.sentence(decision["why"]) if decision["ship"] else decision["why"]  # else it begins with a gate
    verdict = (
        f'<div class="verdict {"yes" if decision["ship"] else "no"}" role="status"><h3>{escape(decision["title"])}</h3>'
        f"<p>{escape(why)}</p>{against}</div>"
    )
    return HTML(verdict + figures(headline_figures(facts.about, facts.verdict["gates"])) + unlabelled(facts))


def headline_figures(about: dict[str, Any], gates: list[dict[str, Any]]) -> list[tuple[str, object]]:
    """(what it is, figure) of metrics.json: the champion's, or the warm-up's where there is no champion."""
    passed = ("gates passed", f"{sum(gate['passed'] for gate in gates)} of {len(gates)}")
    if not about["images"]:
        return [passed]
    interval = f"accuracy; 95 % interval {100 * about['accuracy_low']:.1f} to {100 * about['accuracy_high']:.1f}"
    shown: list[tuple[str, object]] = [(interval, words.share(about["accuracy"]))]
    against = about.get("against") or {}
    comparable = [(key, name) for key, name in OTHERS if (against.get(key) or {}).get("difference") is not None]
    for key, name in comparable[:1]:
        compared = against[key]
        reach = f"points over {name}; 95 % interval {100 * compared['low']:+.1f} to {100 * compared['high']:+.1f}"
        shown.append((reach, f"{100 * compared['difference']:+.1f}"))
    if lost := about.get("forgotten"):
        shown.append((f"forgotten: {lost['images']:,} of {lost['of']:,} that were right", words.share(lost["share"])))
    shown += [("calibration error", words.share(about["ece_after"])), ("test images", about["images"]), passed]
    return shown


def unlabelled(facts: Evaluation) -> str:
    """Classes without a training label, and what they cost: a sentence and a table; nothing where there are none."""
    names = facts.about["unlabelled_classes"]
    if not names:
        return ""
    images = dict(zip(facts.names, facts.per_class.support.tolist(), strict=True))
    rows = [(name, images[name]) for name in names]
    total = ("all", sum(images[name] for name in names))
    return note(findings.unlabelled(facts.about)) + table(
        ["class without a training label", "test images"], rows, total
    )


def gates(facts: Evaluation) -> HTML:
    """Each gate with its figure, its verdict and the reason."""
    rows = facts.verdict["gates"]
    if not rows:
        return HTML(note("No gate is set (evaluate.gates)."))
    lines = [
        f'<li class="{"passed" if gate["passed"] else "failed"}"><b>{escape(gate["rule"])}</b>'
        f"<i>{escape(gate['shown'])}</i>"
        f"<span>{'passed' if gate['passed'] else 'failed'}: {escape(gate['why'])}</span></li>"
        for gate in sorted(rows, key=lambda gate: gate["passed"])  # what failed comes first
    ]
    return HTML('<ul class="gates">\n' + "\n".join(lines) + "\n</ul>")
