"""Write the data report of an ingest as one HTML page."""

from collections import Counter
from itertools import islice

from components.common import html
from components.common.artifacts import SPLITS, TEST
from components.ingest.plan.planning import Plan
from components.ingest.quality.findings import findings_html, overview
from components.ingest.quality.gallery import Gallery
from components.ingest.quality.quality import REFUSED, Finding, copies_of, quantile
from components.ingest.quality.remarks import warnings
from components.ingest.version.inventory import Inventory
from components.ingest.version.layout import Version

ROWS = 1000  # of a long list
SHOWN = 60  # characters of an attribute
CLASSES, EXAMPLES, PER_CLASS = 60, 240, 9  # most classes shown, most pictures in all, most of one class


def report_html(
    version: Version, inventory: Inventory, plan: Plan, findings: dict[str, Finding], gallery: Gallery
) -> str:
    """One page; equal contents give equal bytes."""
    remarks = warnings(plan, inventory)
    images = sum(version.counts.values())
    lead = (
        f"{_many(images, 'image')} in {_many(len(version.classes), 'class', 'classes')}, stored "
        f"{'in colour' if version.mode == 'RGB' else 'in grey'} as {_many(len(version.shards), 'shard')}. "
        f"Dataset {version.id[:12]}."
    )
    top = html.figures(
        [
            ("images", images),
            ("classes", len(version.classes)),
            ("refused", inventory.count(REFUSED)),
            ("passed over", findings["passed_over"].count),
            ("duplicates dropped", findings["exact_duplicates"].count),
            ("near-duplicates", findings["near_duplicates"].count),
            ("set aside", inventory.count("images WHERE aside <> ''")),
            ("rewritten as PNG", inventory.count("images WHERE aside = '' AND NOT kept")),
        ]
    )
    return html.page(
        f"Dataset {version.name}",
        [
            ("", top),
            ("What there is to know", overview(findings)),
            ("Classes and splits", _counts(version, inventory, plan, findings["missing_classes"])),
            *([("Attributes", _attributes(inventory))] if inventory.attributes else []),
            ("Examples", _examples(version, inventory, gallery)),
            ("Refused files", _refused(inventory, plan)),
            *([("Warnings", "".join(html.note(line) for line in remarks))] if remarks else []),
            ("Duplicates and label conflicts", _duplicates(inventory, findings)),
            *findings_html(findings, gallery),
            ("Sizes", _sizes(inventory)),
            ("Formats", _formats(inventory)),
        ],
        lead,
    )


def _counts(version: Version, inventory: Inventory, plan: Plan, missing: Finding) -> str:
    tally = Counter(
        {
            (label, split): count
            for label, split, count in inventory.rows(
                "SELECT label, split, COUNT(*) FROM images WHERE aside = '' GROUP BY label, split"
            )
        }
    )
    classes = sorted({*version.classes, *(item["class"] for item in missing.items)})
    names: list[str | None] = [*classes, *([None] if any(label is None for label, _ in tally) else [])]
    counts = [[tally[name, split] for split in SPLITS] for name in names]
    rows = [[name or "(no label)", *count, sum(count)] for name, count in zip(names, counts, strict=True)]
    total = ["all", *version.counts.values(), sum(version.counts.values())] if len(rows) > 1 else None
    brought = sorted(plan.brought)
    if brought:
        rule = (
            f"The source brings folders for {' and '.join(brought)}: held-out ones are kept as they are and "
            "nothing is added to them; "
            "all else is split by its contents."
        )
        beside = inventory.count("files WHERE given IS NULL AND id IS NOT NULL")
        if beside:
            rule += f" {_many(beside, 'file')} beside those folders: their own folder is not read as a class."
    else:
        rule = (
            "The split of an image follows from its contents, so it never changes: seven tenths train, a tenth lies "
            "in each other one."
        )
    return html.table(["class", *SPLITS, "all"], rows, total) + html.note(rule)


def _attributes(inventory: Inventory) -> str:
    """The other columns of a table: how many images have a value, how many values there are, and the most common."""
    rows = []
    for number, name in enumerate(inventory.attributes):
        value = f"NULLIF(json_extract(told, '$[{number}]'), 0)"  # false, where rows differ, is 0 here
        counts = f"(SELECT {value} AS value, COUNT(*) AS count FROM attributes JOIN images USING (id) WHERE aside = '' "
        counts += "AND value IS NOT NULL GROUP BY value)"
        values, images = next(inventory.rows(f"SELECT COUNT(*), COALESCE(SUM(count), 0) FROM {counts}"))
        common = inventory.rows(f"SELECT value, count FROM {counts} ORDER BY count DESC, value LIMIT 6")
        rows.append([name, images, values, ", ".join(f"{one[:SHOWN]} ({count:,})" for one, count in common)])
    note = html.note("Other columns of the table: later stages report figures for each of their values.")
    return html.table(["column", "images", "values", "most common"], rows) + note


def _examples(version: Version, inventory: Inventory, gallery: Gallery) -> str:
    names = version.classes
    unlabelled = inventory.count("images WHERE aside = '' AND label IS NULL") > 0
    shown: list[str | None] = [*names[:CLASSES], *([None] if unlabelled else [])]
    each = max(2, min(PER_CLASS, EXAMPLES // len(shown))) if names else 3 * PER_CLASS
    rows = [
        (
            name or "(no label)",
            html.thumbnails(
                (gallery.picture(image), "")
                for (image,) in list(
                    inventory.rows(
                        "SELECT id FROM images WHERE aside = '' AND label IS ? ORDER BY id LIMIT ?", (name, each)
                    )
                )
            ),
        )
        for name in shown
    ]
    rest = html.note(f"The first {CLASSES} of {len(names)} classes.") if len(names) > CLASSES else ""
    return html.named_rows(rows) + rest


def _refused(inventory: Inventory, plan: Plan) -> str:
    ignored = Counter(plan.ignored)
    ignored.update(dict(inventory.rows("SELECT other, COUNT(*) FROM files WHERE other IS NOT NULL GROUP BY other")))
    listed_kinds = ", ".join(f"{count:,} {kind}" for kind, count in sorted(ignored.items()))
    others = html.note(f"Not images, and not read: {listed_kinds}.") if ignored else ""
    total = inventory.count(REFUSED)
    if not total:
        read = inventory.count("files WHERE id IS NOT NULL")
        return html.note(f"None: all of {read:,} image files could be read.") + others
    reasons: Counter[str] = Counter()
    for reason, count in inventory.rows(f"SELECT reason, COUNT(*) FROM {REFUSED} GROUP BY reason"):
        reasons[reason.partition(":")[0]] += count
    ranked = sorted(reasons.items(), key=lambda pair: (-pair[1], pair[0]))
    summary = html.note("; ".join(f"{count:,} {reason}" for reason, count in ranked) + ".")
    listed = [
        list(row) for row in islice(inventory.rows(f"SELECT key, reason FROM {REFUSED} ORDER BY key, reason"), ROWS)
    ]
    return summary + html.table(["file", "reason"], listed) + _cut(total) + others


def _duplicates(inventory: Inventory, findings: dict[str, Finding]) -> str:
    doubled = list(
        inventory.rows(
            "SELECT id, source, split FROM images WHERE aside = '' AND copies > 1 ORDER BY source LIMIT ?", (ROWS,)
        )
    )
    parts = [
        html.note(
            "Files with equal bytes are one image: the first by name is kept, one of a given held-out split before "
            "all others."
            if doubled
            else "No two files hold the same bytes."
        )
    ]
    conflicts = findings["label_conflicts"]
    if conflicts.count:
        rows = [
            [
                ", ".join(
                    f"{copy['key']} ({copy['label'] or 'no label'})" for copy in copies_of(inventory, item["id"])
                ),
                " or ".join(item["labels"]),
            ]
            for item in conflicts.items
        ]
        parts.append(
            html.note(
                f"{_many(conflicts.count, 'image')} with two labels: nothing may learn from a contradiction, so the "
                "label is dropped. Keep one of the files, or one line of the table of labels."
            )
        )
        parts += [html.table(["files", "called"], rows[:ROWS]), _cut(conflicts.count)]
    if not doubled:
        return "".join(parts)
    table = []
    for image, source, split in doubled:
        copies = copies_of(inventory, image)
        table.append(
            [
                source,
                ", ".join(copy["key"] for copy in copies[1:]),
                _why_kept({copy["given"] for copy in copies}, split),
            ]
        )
    return "".join(
        [
            *parts,
            html.table(["kept", "dropped", ""], table),
            _cut(inventory.count("images WHERE aside = '' AND copies > 1")),
        ]
    )


def _why_kept(given: set[str | None], split: str) -> str:
    if len(given) == 1:
        return ""
    where = " and ".join(sorted(name or "no given split" for name in given))
    return f"lies in {where}: kept for {split}" + (", and never trained on" if split == TEST else "")


def _sizes(inventory: Inventory) -> str:
    rows = [
        [name, *(quantile(inventory, column, q) for q in (0, 0.05, 0.5, 0.95, 1))]
        for name, column in (("width, pixels", "width"), ("height, pixels", "height"), ("stored bytes", "size"))
    ]
    sizes = "(SELECT width, height, COUNT(*) AS count FROM images WHERE aside = '' GROUP BY width, height)"
    common = inventory.rows(f"SELECT * FROM {sizes} ORDER BY count DESC, width, height LIMIT 6")
    text = ", ".join(f"{w} x {h} ({count:,})" for w, h, count in common)
    note = html.note(f"{_many(inventory.count(sizes), 'size')}; most common: {text}.")
    return html.table(["", "smallest", "5 %", "median", "95 %", "largest"], rows) + note


def _formats(inventory: Inventory) -> str:
    rows = [
        [came_as, count, "as it is" if kept else "rewritten as PNG"]
        for came_as, kept, count in inventory.rows(
            "SELECT came_as, kept, COUNT(*) AS count FROM images WHERE aside = '' GROUP BY came_as, kept "
            "ORDER BY count DESC, came_as, kept"
        )
    ]
    return html.table(["came as", "images", "stored"], rows)


def _cut(total: int) -> str:
    return html.note(f"The first {ROWS:,} of {total:,}.") if total > ROWS else ""


def _many(count: int, noun: str, plural: str = "") -> str:
    return f"{count:,} {noun if count == 1 else plural or noun + 's'}"
