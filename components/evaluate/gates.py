"""Judge the gates of a release on the figures of the test split, and say whether the model ships."""

from collections.abc import Callable, Iterable
from typing import Any

from components.evaluate.rules import METRICS, Rule, parse
from components.evaluate.sought import UNMEASURED, Answers, Difference, NoFigureError, against, figure

__all__ = ["UNMEASURED", "Answers", "decision", "judge"]

SIDES = {">=": "at least {} is demanded", ">": "more than {} is demanded"}
SIDES |= {"<=": "at most {} is allowed", "<": "less than {} is allowed"}
Row = dict[str, Any]


def judge(
    rules: Iterable[str],
    about: dict[str, Any],
    answers: Answers | None = None,
    timing: Callable[[], dict[str, float]] | None = None,
    seed: int = 0,
) -> list[Row]:
    """A row for each gate, in their order: the gates of gate.json.

    rules: as `evaluate.gates` has them; about: metrics.json; answers: of both models to each test image, for gates on a
    class or a slice; timing: measures the latency (`ms_p50`, `ms_p95`), and is called only where a gate names it, since
    a time differs from run to run. A gate whose figure is not known fails and says why; without a champion, one against
    the champion passes. A model file whose answers differ from torch's adds a gate of its own, `onnx`.
    """
    understood = [parse(text) for text in rules]
    if timing and any(METRICS[rule.metric].unit == "ms" for rule in understood):
        about = {**about, "latency": timing()}
    return [_judged(rule, about, answers, seed) for rule in understood] + _onnx(about)


def _judged(rule: Rule, about: dict[str, Any], answers: Answers | None, seed: int) -> Row:
    try:
        if _lacks_champion(rule, about):
            return _row(rule, None, True, "there is no champion to compare with yet", "no champion yet")
        if rule.other:
            return _compared(rule, against(rule, about, answers, seed))
        found = figure(rule, about, answers)
    except NoFigureError as error:
        return _row(rule, None, False, str(error), "no figure")
    unit = METRICS[rule.metric].unit
    passed = {
        ">=": found.value >= rule.value,
        ">": found.value > rule.value,
        "<=": found.value <= rule.value,
        "<": found.value < rule.value,
    }[rule.relation]
    why = f"{METRICS[rule.metric].words}{found.of} is {in_words(found.value, unit)}, and "
    why += SIDES[rule.relation].format(in_words(rule.value, unit))
    return _row(rule, found.value, passed, why, in_words(found.value, unit), images=found.images)


def _lacks_champion(rule: Rule, about: dict[str, Any]) -> bool:
    """Whether the gate asks about a champion that is not there; without test labels nothing is known of any model."""
    asked = rule.other == "champion" or rule.metric == "forgotten"
    return bool(asked and about["images"] and about.get("against", {}).get("champion") is None)


def _compared(rule: Rule, found: Difference) -> Row:
    """`not below` fails at a level only where the whole interval of the difference is lower than the margin allows."""
    worse = -1 if rule.relation == "not below" else 1
    known = None if rule.level is None else (found.high if worse < 0 else found.low)
    passed = worse * (found.value if known is None else known) <= rule.value
    shown = f"{100 * found.value:+.2f} points"
    side = "above" if found.value > 0 else "below"
    why = f"{METRICS[rule.metric].words}{found.of} is {100 * abs(found.value):.2f} points {side} that of {found.other}"
    if found.value == 0:
        why = f"{METRICS[rule.metric].words}{found.of} is the same as that of {found.other}"
    if known is not None:
        between = f"{100 * found.low:+.2f} to {100 * found.high:+.2f}"
        shown += f" ({between})"
        why += f", at {100 * (rule.level or 0):g} % {between}"
    word = "significantly worse" if known is not None else "worse"
    margin = f" by more than {100 * rule.value:g} points" if rule.value else ""
    why += f": {'not ' if passed else ''}{word}{margin}"
    between_figures = (found.low, found.high) if known is not None else (None, None)
    return _row(rule, found.value, passed, why, shown, between_figures, found.images)


def _row(
    rule: Rule,
    value: float | None,
    passed: bool,
    why: str,
    shown: str,
    interval: tuple[float | None, float | None] = (None, None),
    images: int | None = None,
) -> Row:
    """A row of gate.json. `shown`: the figure in words; `limit`: what `figure` is held against by `relation`, except
    where `level` is given: then it is the interval from `low` to `high`.
    """
    relation = {"not below": ">=", "not above": "<="}.get(rule.relation, rule.relation)
    return {
        "name": rule.name,
        "rule": rule.text,
        "figure": value,
        "limit": -rule.value if rule.relation == "not below" else rule.value,
        "relation": relation,
        "level": rule.level,
        "low": interval[0],
        "high": interval[1],
        "against": rule.other,
        "where": rule.where,
        "images": images,
        "passed": bool(passed),
        "shown": shown,
        "why": why,
    }


def _onnx(about: dict[str, Any]) -> list[Row]:
    """That the model file answers as torch does: what is released must be what was measured."""
    known = about.get("onnx")
    if not known:
        return []
    rule = parse(f"onnx_difference <= {known['tolerance']!r}")
    row = _judged(rule, about, None, 0)
    return [{**row, "name": "onnx", "why": f"{row['why']}, over {known['images']:,} test images"}]


def in_words(value: float, unit: str) -> str:
    """A figure as people read it: `97.58 %`, `18.2 ms`."""
    return {"share": f"{100 * value:.2f} %", "ms": f"{value:.1f} ms", "images": f"{value:,.0f}"}.get(
        unit, f"{value:.4g}"
    )


def decision(gates: list[Row], about: dict[str, Any]) -> dict[str, Any]:
    """Whether the model ships, and why, against what: the box of the report, the closing table, the release.

    about: metrics.json. `ship` is whether every gate passed.
    """
    failed = [gate for gate in gates if not gate["passed"]]
    other = about.get("against", {}).get("champion")
    known = f"the champion {other['version']}" if other else "the warm-up model, for there is no champion yet"
    if failed:
        title = f"Do not ship, {len(failed)} of {_counted(len(gates))} failed"
        why = "; ".join(f"{gate['rule']}: {gate['why']}" for gate in failed)
    else:
        title = f"Ship, all {_counted(len(gates))} passed" if gates else "Ship, no gate is set"
        why = (other or about.get("against", {}).get("warmup") or {}).get("why") or _accuracy(about)
    return {"ship": not failed, "title": title, "why": why, "against": known}


def in_a_line(decided: dict[str, Any]) -> str:
    """The decision for the closing table and Kubeflow's UI."""
    return f"{decided['title']}: {decided['why']} (against {decided['against']})"


def _counted(gates: int) -> str:
    return f"{gates} gate{'' if gates == 1 else 's'}"


def _accuracy(about: dict[str, Any]) -> str:
    if not about["images"]:
        return UNMEASURED
    return f"right on {100 * about['accuracy']:.1f} % of {about['images']:,} test images"
