"""The page that says what an ingest took in, what it left out and why."""

from collections import Counter

import numpy as np

from components.common import html
from components.common.artifacts import SPLITS, TEST, Dataset
from components.ingest.findings import findings_html, overview
from components.ingest.gallery import Gallery
from components.ingest.pack import Contents, Image
from components.ingest.quality import Finding
from components.ingest.sources import Listing

ROWS = 1000  # of a long list
CLASSES, EXAMPLES, PER_CLASS = 60, 240, 9  # most classes shown, most pictures in all, most of one class


def report_html(dataset: Dataset, contents: Contents, listing: Listing, findings: dict[str, Finding], gallery: Gallery) -> str:
    """One page; equal contents give equal bytes."""
    rewritten = sum(count for (_, kept), count in contents.came_as.items() if not kept)
    lead = (f"{_many(len(dataset.index), 'image')} in {_many(len(dataset.classes), 'class', 'classes')}, stored "
            f"{'in colour' if dataset.mode == 'RGB' else 'in grey'} as {_many(len(dataset.shards), 'shard')}. Dataset {dataset.id[:12]}.")
    copies = sum(len(image.copies) - 1 for image in contents.duplicates)
    top = html.figures([
        ("images", len(dataset.index)), ("classes", len(dataset.classes)), ("refused", len(contents.refused)),
        ("duplicates dropped", copies), ("near-duplicates", findings["near_duplicates"].count), ("set aside", len(contents.set_aside)),
        ("rewritten as PNG", rewritten)])
    return html.page(f"Dataset {dataset.name}", [
        ("", top),
        ("What there is to know", overview(findings)),
        ("Classes and splits", _counts(dataset, listing)),
        ("Examples", _examples(contents, gallery)),
        ("Refused files", _refused(contents, listing)),
        *([("Warnings", "".join(html.note(line) for line in listing.warnings))] if listing.warnings else []),
        ("Duplicates and label conflicts", _duplicates(contents)),
        *findings_html(findings, gallery),
        ("Sizes", _sizes(dataset)),
        ("Formats", _formats(contents)),
    ], lead)


def _counts(dataset: Dataset, listing: Listing) -> str:
    tally = Counter(zip(dataset.column("label"), dataset.column("split"), strict=True))
    names: list[str | None] = [*dataset.classes, *([None] if any(label is None for label, _ in tally) else [])]
    counts = [[tally[name, split] for split in SPLITS] for name in names]
    rows = [[name or "(no label)", *count, sum(count)] for name, count in zip(names, counts, strict=True)]
    total = ["all", *dataset.counts().values(), len(dataset.index)] if len(rows) > 1 else None
    brought = sorted(listing.brought)
    if brought:
        rule = (f"The source brings folders for {' and '.join(brought)}: held-out ones are kept as they are and nothing is added to them; "
                "all else is split by its contents.")
        outside = sum(file.given is None for file in listing.images)
        if outside:
            rule += f" {_many(outside, 'file')} beside those folders: their own folder is not read as a class."
    else:
        rule = "The split of an image follows from its contents, so it never changes: seven tenths train, a tenth lies in each other one."
    return html.table(["class", *SPLITS, "all"], rows, total) + html.note(rule)


def _examples(contents: Contents, gallery: Gallery) -> str:
    by_class: dict[str | None, list[Image]] = {}
    for image in contents.by_id():
        by_class.setdefault(image.labels[0] if len(image.labels) == 1 else None, []).append(image)
    names = sorted(name for name in by_class if name is not None)
    shown: list[str | None] = [*names[:CLASSES], *([None] if None in by_class else [])]
    each = max(2, min(PER_CLASS, EXAMPLES // len(shown))) if names else 3 * PER_CLASS
    rows = [(name or "(no label)", html.thumbnails((gallery.picture(image.id), "") for image in by_class[name][:each]))
            for name in shown]
    rest = html.note(f"The first {CLASSES} of {len(names)} classes.") if len(names) > CLASSES else ""
    return html.named_rows(rows) + rest


def _refused(contents: Contents, listing: Listing) -> str:
    ignored = ", ".join(f"{count:,} {extension}" for extension, count in sorted(listing.ignored.items()))
    others = html.note(f"Not images, and not read: {ignored}.") if ignored else ""
    if not contents.refused:
        return html.note(f"None: all of {len(listing.images):,} image files could be read.") + others
    reasons = Counter(reason.partition(":")[0] for _, reason in contents.refused).most_common()
    summary = html.note("; ".join(f"{count:,} {reason}" for reason, count in sorted(reasons, key=lambda pair: (-pair[1], pair[0]))) + ".")
    return summary + html.table(["file", "reason"], contents.refused[:ROWS]) + _cut(len(contents.refused)) + others


def _duplicates(contents: Contents) -> str:
    if not contents.duplicates:
        return html.note("None: no two files hold the same bytes.")
    parts = [html.note("Files with equal bytes are one image: the first by name is kept, one of a given held-out split before all others.")]
    if contents.conflicts:
        rows = [[", ".join(f"{copy.key} ({copy.label or 'no label'})" for copy in sorted(image.copies)), " or ".join(image.labels)]
                for image in contents.conflicts]
        parts.append(html.note(f"{_many(len(rows), 'image')} with two labels: nothing may learn from a contradiction, so the label is "
                               "dropped. Keep one of the files."))
        parts += [html.table(["files", "called"], rows[:ROWS]), _cut(len(rows))]
    table = [[image.kept.key, ", ".join(copy.key for copy in sorted(image.copies)[1:]), _why_kept(image)] for image in contents.duplicates]
    return "".join([*parts, html.table(["kept", "dropped", ""], table[:ROWS]), _cut(len(table))])


def _why_kept(image: Image) -> str:
    splits = {copy.given or "no given split" for copy in image.copies}
    if len(splits) == 1:
        return ""
    where = " and ".join(sorted(splits))
    return f"lies in {where}: kept for {image.split}" + (", and never trained on" if image.split == TEST else "")


def _sizes(dataset: Dataset) -> str:
    width, height = dataset.column("width"), dataset.column("height")
    rows = [[name, *(int(np.quantile(values, q, method="nearest")) for q in (0, 0.05, 0.5, 0.95, 1))]
            for name, values in (("width, pixels", width), ("height, pixels", height), ("stored bytes", dataset.column("size")))]
    sizes = Counter(zip(width.tolist(), height.tolist(), strict=True))
    common = sorted(sizes.items(), key=lambda item: (-item[1], item[0]))[:6]
    text = ", ".join(f"{w} x {h} ({count:,})" for (w, h), count in common)
    note = html.note(f"{_many(len(sizes), 'size')}; most common: {text}.")
    return html.table(["", "smallest", "5 %", "median", "95 %", "largest"], rows) + note


def _formats(contents: Contents) -> str:
    rows = [[came_as, count, "as it is" if kept else "rewritten as PNG"] for (came_as, kept), count in
            sorted(contents.came_as.items(), key=lambda item: (-item[1], item[0]))]
    return html.table(["came as", "images", "stored"], rows)


def _cut(total: int) -> str:
    return html.note(f"The first {ROWS:,} of {total:,}.") if total > ROWS else ""


def _many(count: int, noun: str, plural: str = "") -> str:
    return f"{count:,} {noun if count == 1 else plural or noun + 's'}"
