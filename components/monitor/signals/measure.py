"""All tests of a look."""

from typing import Any, NamedTuple

from components.monitor.settings import MonitorSettings
from components.monitor.signals import accuracy, inputs, predictions
from components.monitor.signals.plain import figure_signal
from components.monitor.signals.sample import Compared
from components.monitor.signals.signal import Signal, levels

LEAST = 20  # images of the reference, fewer of which tests cannot be made with


class Measured(NamedTuple):
    """What the tests found."""

    signals: list[Signal]
    shares: list[dict[str, Any]]  # as in drift.json
    no_shares: str  # why they are not estimated, or nothing
    accuracy: dict[str, Any]  # as in drift.json
    expected: Signal | None  # the test of the accuracy, None where nothing can be expected


def measure(compared: Compared, level: float, settings: MonitorSettings) -> Measured:
    """Compare the images of a look with the reference. Where nothing changed, the chance that any of the tests is an
    alarm is at most `level`, which they share (WEIGHTS).
    """
    known, seen = compared.known, compared.seen
    both = known.figures.keys() & seen.figures.keys()
    figures = [figure for figure in (*inputs.LOOKS, *predictions.SURE) if figure.name in both]
    with_labels = compared.held is not None and len(compared.held.correct) >= accuracy.LEAST
    with_abstained = known.abstain is not None and seen.abstain is not None
    names = ["embedding_mmd", "embedding_ks", "novelty", "shares", *(figure.name for figure in figures)]
    names += ["abstained"] * with_abstained + ["accuracy"] * with_labels
    given = levels(level, names)
    shares, rows, why = predictions.estimated(compared, given["shares"], settings)
    signals = [
        inputs.embedding_mmd(known, seen, given["embedding_mmd"], settings),
        inputs.embedding_ks(known, seen, given["embedding_ks"], settings),
        inputs.novel(known, seen, given["novelty"], settings),
        *(
            figure_signal(each, known.figures[each.name], seen.figures[each.name], given[each.name], settings)
            for each in figures
        ),
        shares,
    ]
    if known.abstain is not None and seen.abstain is not None:
        signals.append(predictions.abstained(known.abstain, seen.abstain, given["abstained"], settings))
    expected, about = accuracy.expected(compared.held, seen.figures["confidence"], given.get("accuracy", 0.0), settings)
    return Measured(signals, rows, why, about, expected)
