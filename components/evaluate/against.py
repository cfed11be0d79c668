"""The final model against another on the same test images: `against` and `forgotten` of metrics.json."""

from typing import Any, NamedTuple

import numpy as np

from components.common.metrics import calibration_error
from components.evaluate.asked import Said
from components.evaluate.champion import Champion
from components.evaluate.gates import UNMEASURED
from components.evaluate.measures.paired import DRAWS, LEVEL, forgotten, paired

SAME = "the champion has the same weights"
NOTHING_SHARED = "no test image is of a class that both know and new to the champion"
FIGURES = ("accuracy_here", "accuracy_there", "difference", "low", "high", "mended", "made", "mcnemar_p")


class Tests(NamedTuple):
    """The test images that the final model is compared on."""

    labels: np.ndarray  # names of the true classes (images,)
    seen: np.ndarray  # whether the champion learned from it, or from a near-duplicate, with a label: boolean (images,)
    names: list[str]  # of all classes
    dataset: str  # its id


def against_warmup(final: Said, warm: Said, tests: Tests, bins: int, seed: int) -> dict[str, Any]:
    """The comparison with the warm-up model."""
    about = {
        "version": None,
        "dataset": tests.dataset,
        "same_dataset": True,
        "classes_shared": tests.names,
        "only_here": [],
        "only_there": [],
        "seen_in_training": 0,
        "same_weights": False,
    }
    return {**about, **compared(final, warm, bins, seed)}


def against_champion(
    champion: Champion | None, final: Said, there: Said | None, tests: Tests, weights: str, bins: int, seed: int
) -> tuple[dict[str, Any] | None, np.ndarray]:
    """The comparison with the champion, and the test images that it is made on, boolean.

    None without a champion; without figures where it cannot be compared (`there` is None). weights: sha256 of the final
    model's. Compared is on images of classes that both know, without those that the champion learned from with a label,
    as it may have where its dataset was split otherwise.
    """
    if champion is None:
        return None, np.zeros(len(tests.labels), bool)
    known = set(champion.classes)
    both = [name for name in tests.names if name in known]
    of_both = np.isin(tests.labels.astype(str), both)
    facts = {
        "version": champion.version,
        "dataset": champion.dataset,
        "same_dataset": champion.dataset == tests.dataset,
        "classes_shared": both,
        "only_here": [name for name in tests.names if name not in known] if there is not None else [],
        "only_there": [name for name in champion.classes if name not in set(both)],
        "seen_in_training": int(np.sum(of_both & tests.seen)),
        "same_weights": champion.weights == weights,
    }
    where = of_both & ~tests.seen
    if there is None:
        return {**facts, **nothing(champion.why)}, where
    if len(where) and not where.any():
        found = nothing(NOTHING_SHARED)
    else:
        found = compared(final.at(where), there.at(where), bins, seed)
    notes = _notes(facts, known=champion.taught is not None)
    return {**facts, **found, "why": "; ".join([found["why"], *notes])}, where


def _notes(facts: dict[str, Any], known: bool) -> list[str]:
    """What a reader has to know about the comparison, in clauses. known: whether it is on record what the champion
    learned from.
    """
    notes = [SAME] if facts["same_weights"] else []
    if not facts["same_dataset"]:
        unknown = "" if known else ", and which test images it learned from is not on record"
        notes.append(f"it learned from another version of the dataset{unknown}")
    if n := facts["seen_in_training"]:
        notes.append(f"without {n:,} test image{'' if n == 1 else 's'} that it learned from (or from near-duplicates)")
    if facts["only_here"] or facts["only_there"]:
        apart = [
            f"{whose} {', '.join(facts[key][:5])}{' and more' if len(facts[key]) > 5 else ''}"
            for key, whose in (("only_here", "only this model knows"), ("only_there", "only the champion knows"))
            if facts[key]
        ]
        notes.append(f"compared on the {len(facts['classes_shared']):,} classes that both know ({'; '.join(apart)})")
    return notes


def compared(here: Said, there: Said, bins: int, seed: int) -> dict[str, Any]:
    """The figures of both on the same images, and a sentence."""
    if not len(here.right):
        return nothing(UNMEASURED)
    pair = paired(here.right, there.right, seed)
    return {
        "images": pair.images,
        "accuracy_here": float(here.right.mean()),
        "accuracy_there": float(there.right.mean()),
        "difference": pair.difference,
        "low": pair.low,
        "high": pair.high,
        "level": LEVEL,
        "draws": DRAWS,
        "mended": pair.mended,
        "made": pair.made,
        "mcnemar_p": pair.p,
        "ece_here": calibration_error(here.confidence, here.right, bins),
        "ece_there": calibration_error(there.confidence, there.right, bins),
        "why": f"{points(pair.difference, pair.low, pair.high)} on the same {pair.images:,} test images: "
        f"{pair.mended:,} mistakes mended, {pair.made:,} made",
    }


def nothing(why: str) -> dict[str, Any]:
    """The figures of a comparison that was not made."""
    empty = dict.fromkeys((*FIGURES, "ece_here", "ece_there"))
    return {"images": 0, **empty, "level": LEVEL, "draws": DRAWS, "why": why}


def points(difference: float, low: float, high: float) -> str:
    """A difference and its interval in points: `+1.2 points (0.1 to 2.4)`."""
    return f"{100 * difference:+.1f} points ({100 * low:.1f} to {100 * high:.1f})"


def lost(final: Said, there: Said | None, labels: np.ndarray, where: np.ndarray) -> dict[str, Any] | None:
    """`forgotten` of metrics.json: None where there is no champion to have known it, or nothing to compare on."""
    if there is None or not where.any():
        return None
    return forgotten(final.right[where], there.right[where], labels[where])


def told(champion: dict[str, Any], gone: dict[str, Any] | None) -> str:
    """The comparison with the champion in a line, for the log and the closing table: `+1.2 points (0.1 to 2.4), 3
    forgotten`.
    """
    if champion["difference"] is None:
        return champion["why"]
    apart = points(*(champion[name] for name in ("difference", "low", "high")))
    return f"{apart}, {gone['images'] if gone else 0:,} forgotten"
