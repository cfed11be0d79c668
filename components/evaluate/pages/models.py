"""How the models came about: whether pseudo-labels were sound, what a second opinion says, and where all comes from."""

import json

from IPython.display import HTML

from components.common.html import figures, note, table
from components.evaluate.findings import share
from components.evaluate.pages.facts import Evaluation


def provenance(facts: Evaluation) -> HTML:
    """Digests and settings that this evaluation follows from."""
    rows = [
        (part, name, value if isinstance(value, str) else json.dumps(value, sort_keys=True, ensure_ascii=False))
        for part, values in facts.about["provenance"].items()
        for name, value in values.items()
    ]
    return HTML(f'<div class="digest">{table(["of", "what", "value"], rows)}</div>')


def second_opinion(facts: Evaluation) -> HTML:
    """Where an ensemble with many views disagrees with the final model."""
    about = facts.about["precise"]
    shown: list[tuple[str, object]] = [
        (f"agreement on {about['images']:,} images without a label", share(about["agreement"])),
        ("where it surely disagrees", about["disagree"]),
    ]
    if about.get("accuracy") is not None:
        reach = f"accuracy of the ensemble; 95 % interval {100 * about['accuracy_low']:.1f} to {100 * about['accuracy_high']:.1f}"
        shown.append((reach, share(about["accuracy"])))
    said = f"{about['models']} models, {about['views']} views of each image. Images with a sure disagreement are offered to the next round."
    return HTML(note(said) + figures(shown))
