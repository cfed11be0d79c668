"""The gates of a release, judged on the figures of the test split."""

from typing import Any

from components.evaluate.settings import Gates

UNMEASURED = "no test labels to measure on: set sample.test_budget, and answer its picks"


def judge(gates: Gates, measured: dict[str, Any]) -> list[dict[str, Any]]:
    """Each gate that is switched on: name, figure, limit, relation, passed and why, one sentence.

    measured: `accuracy`, `warmup_accuracy` and `ece_after` on the test split. Without them, as without test labels,
    every gate fails.
    """
    accuracy, warmup, error = (measured.get(name) for name in ("accuracy", "warmup_accuracy", "ece_after"))
    # equal accuracies must not differ by the last bit
    drop = None if accuracy is None else round(warmup - accuracy, 12)
    rules = [
        (
            "min_accuracy",
            accuracy,
            ">=",
            gates.min_accuracy,
            "the test accuracy is {figure} %, and at least {limit} % is demanded",
        ),
        (
            "max_ece",
            error,
            "<=",
            gates.max_ece,
            "the calibration error on the test split is {figure} %, and at most {limit} % is allowed",
        ),
        (
            "max_drop",
            drop,
            "<=",
            gates.max_drop,
            "the test accuracy is {figure} points {side} the warm-up model's, and a loss of at most {limit} is allowed",
        ),
    ]
    return [
        _gate(name, figure, relation, limit, why) for name, figure, relation, limit, why in rules if limit is not None
    ]


def _gate(name: str, figure: float | None, relation: str, limit: float, why: str) -> dict[str, Any]:
    passed = figure is not None and (figure >= limit if relation == ">=" else figure <= limit)
    if figure is None:
        why = UNMEASURED
    else:
        why = why.format(
            figure=f"{100 * abs(figure):.2f}", limit=f"{100 * limit:.2f}", side="below" if figure > 0 else "above"
        )
    return {"name": name, "figure": figure, "limit": limit, "relation": relation, "passed": passed, "why": why}
