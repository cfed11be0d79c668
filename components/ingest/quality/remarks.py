"""What an ingest says in a line: in the log of the stage, in the report and in the closing table of a run."""

from components.common.artifacts import TRAIN
from components.common.data.kinds import remedy
from components.common.forgotten import WHY as FORGOTTEN
from components.ingest.plan.planning import Plan
from components.ingest.quality.quality import Finding
from components.ingest.source.classes import look_alikes
from components.ingest.version.inventory import Inventory

NAMED = 5  # classes, or files, that a line names


def warnings(plan: Plan, inventory: Inventory) -> list[str]:
    """Remarks on how the source writes its labels, one line each."""
    labelled = "SELECT label, COUNT(*) FROM images WHERE aside = '' AND label IS NOT NULL GROUP BY label"
    return [*plan.warnings, *look_alikes(dict.fromkeys(inventory.empty, 0) | dict(inventory.rows(labelled)))]


def losses(inventory: Inventory, findings: dict[str, Finding]) -> list[str]:
    """What of the source goes on to no later stage: images that are passed over, classes without an image to learn."""
    lines = []
    passed = findings["passed_over"]
    if passed.kinds:
        each = ", ".join(f"{count:,} {kind} ({remedy(kind)})" for kind, count in passed.kinds.items())
        lines.append(f"images passed over, since their kind is not read: {each}")
    left = [key for (key,) in inventory.rows("SELECT key FROM files WHERE reason = ? ORDER BY key", (FORGOTTEN,))]
    if left:
        more = f" and {len(left) - NAMED:,} more" if len(left) > NAMED else ""
        lines.append(
            f"left out, since they were forgotten (gleaner forget): {', '.join(left[:NAMED])}{more}; remove them from "
            "the source"
        )
    missing = findings["missing_classes"]
    if missing.count:
        unlabelled = inventory.count(f"images WHERE aside = '' AND label IS NULL AND split = '{TRAIN}'")
        unless = f" (unless one of the {unlabelled:,} without a label shows them)" if unlabelled else ""
        lines.append(
            f"classes without an image in the train split, which nothing can ever learn{unless}: {names(missing)}; "
            "add images of them"
        )
    return lines


def kinds(passed: Finding) -> str:
    """`8 camera RAW, 4 SVG`."""
    return ", ".join(f"{count:,} {kind}" for kind, count in (passed.kinds or {}).items())


def names(missing: Finding) -> str:
    """`rose (1 image), tulip (no image) and 7 more`: classes, and how many images they have in all."""
    first = [f"{item['class']} ({_images(item['images'])})" for item in missing.items[:NAMED]]
    rest = missing.count - len(first)
    return ", ".join(first) + (f" and {rest:,} more" if rest else "")


def _images(count: int) -> str:
    return f"{count or 'no'} image" if count < 2 else f"{count:,} images"
