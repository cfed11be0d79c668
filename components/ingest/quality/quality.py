"""Find, count and list what may be wrong with a source; settings turn any finding into a gate."""

from collections.abc import Iterable
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from typing import Any

from components.common.artifacts import TRAIN
from components.common.errors import BadInputError
from components.ingest.duplicates.thumbnails import BLANK
from components.ingest.quality.drift import Profile, drifts
from components.ingest.settings import Gates
from components.ingest.source.splits import HELD_OUT
from components.ingest.version.inventory import Inventory

LISTED = 1000  # items of a finding that are written out; `count` is always the whole
RARE, RARE_SHARE = 10, 0.1  # images of a class, and of an even share
SIZE_FACTOR, ASPECT_FACTOR = 16, 2  # of the median
TITLES = {
    "unreadable": "Unreadable files",
    "truncated": "Truncated files",
    "passed_over": "Passed over",
    "exact_duplicates": "Exact duplicates",
    "near_duplicates": "Near-duplicates",
    "edited_copies": "Edited copies",
    "leaks": "Leaks across splits",
    "label_conflicts": "One image, different labels",
    "group_label_conflicts": "Near-duplicates, different labels",
    "rare_classes": "Rare classes",
    "missing_classes": "Missing classes",
    "size_outliers": "Unusual sizes",
    "aspect_outliers": "Unusual shapes",
    "blank": "Blank images",
    "drift": "Drift against the version before",
}
REFUSED = """(SELECT key, reason FROM files WHERE reason IS NOT NULL
    UNION ALL SELECT key || ' (the text beside it)', text_reason FROM files WHERE text_reason IS NOT NULL)"""
NAMED = "id, source, given, label"


@dataclass(frozen=True)
class Finding:
    """One kind of thing to know; `items` are plain values, in a fixed order, the first LISTED of them.

    kinds: how many there are of each kind, the most frequent first, where a finding has kinds.
    """

    count: int
    items: list[dict[str, Any]]
    kinds: dict[str, int] | None = None


def examine(inventory: Inventory, now: Profile, before: Profile | None) -> dict[str, Finding]:
    """Every finding, in the order of TITLES. now, before: profiles of this version and of the one before."""
    changed = drifts(before, now) if before else []
    found = {
        "unreadable": _list(
            inventory, f"SELECT key AS source, reason FROM {REFUSED} WHERE reason <> 'truncated' ORDER BY key, reason"
        ),
        "truncated": _list(
            inventory, f"SELECT key AS source, reason FROM {REFUSED} WHERE reason = 'truncated' ORDER BY key"
        ),
        "passed_over": _passed_over(inventory),
        **_copies(inventory),
        **_groups(inventory),
        **_classes(inventory),
        "leaks": _leaks(inventory),
        "size_outliers": _far(inventory, "width * height * 1.0", SIZE_FACTOR),
        "aspect_outliers": _far(inventory, "width * 1.0 / height", ASPECT_FACTOR),
        "blank": _list(
            inventory, f"SELECT {NAMED}, contrast FROM images WHERE aside = '' AND contrast < {BLANK} ORDER BY id"
        ),
        "drift": Finding(len(changed), changed),
    }
    return {name: found[name] for name in TITLES}


def as_json(dataset: str, inventory: Inventory, now: Profile, findings: dict[str, Finding]) -> dict[str, Any]:
    """quality.json: counts of every finding, its first items, and what the next version is compared with."""
    return {
        "format": 1,
        "dataset": dataset,
        "images": inventory.count("images WHERE aside = ''"),
        "profile": now,
        "findings": {name: _plain(finding) for name, finding in findings.items()},
    }


def stop_at(gates: Gates, findings: dict[str, Finding], report: Path) -> None:
    """Raise BadInputError where a finding has more than its gate lets through."""
    limits = {name: limit for name, limit in gates.model_dump().items() if limit is not None}
    failed = [
        f"{findings[name].count:,} {name} (at most {limit:,})"
        for name, limit in limits.items()
        if findings[name].count > limit
    ]
    if failed:
        raise BadInputError(
            f"ingest.gates: {', '.join(failed)}; look at {report}, then mend the source or raise the limit"
        )


def quantile(inventory: Inventory, value: str, share: float) -> Any:
    """The value that this share of the images lies below, the nearest one that occurs."""
    count = inventory.count("images WHERE aside = ''")
    return inventory.one(
        f"SELECT {value} AS v FROM images WHERE aside = '' ORDER BY v LIMIT 1 OFFSET ?", (round((count - 1) * share),)
    )


def copies_of(inventory: Inventory, image: str) -> list[dict[str, Any]]:
    """The files with the bytes of one image, the kept one first."""
    return list(inventory.named("SELECT key, label, given FROM files WHERE id = ? ORDER BY rank, key", (image,)))


def labels_of(inventory: Inventory, image: str) -> list[str]:
    """Every label that a file with the bytes of one image has, contradicted ones included."""
    query = """SELECT label FROM files WHERE id = ? AND label IS NOT NULL
        UNION SELECT c.label FROM contradicted c JOIN files f USING (key) WHERE f.id = ? ORDER BY 1"""
    return [label for (label,) in inventory.rows(query, (image, image))]


def _plain(finding: Finding) -> dict[str, Any]:
    kinds = {} if finding.kinds is None else {"kinds": finding.kinds}
    return {"count": finding.count, **kinds, "items": finding.items}


def _passed_over(inventory: Inventory) -> Finding:
    passed = _list(inventory, "SELECT key AS source, passed AS kind FROM files WHERE passed IS NOT NULL ORDER BY key")
    kinds = "SELECT passed, COUNT(*) AS count FROM files WHERE passed IS NOT NULL GROUP BY passed"
    return Finding(passed.count, passed.items, dict(inventory.rows(f"{kinds} ORDER BY count DESC, passed")))


def _list(inventory: Inventory, query: str, values: tuple[Any, ...] = ()) -> Finding:
    return Finding(
        int(inventory.one(f"SELECT COUNT(*) FROM ({query})", values)),
        list(islice(inventory.named(query, values), LISTED)),
    )


def _copies(inventory: Inventory) -> dict[str, Finding]:
    """Files with equal bytes, and those of them that are called differently."""
    doubled = _list(inventory, "SELECT id, source, labels FROM images WHERE aside = '' AND copies > 1 ORDER BY source")
    conflicts = _list(inventory, "SELECT id FROM images WHERE aside = '' AND labels > 1 ORDER BY source")
    dropped = inventory.one("SELECT COALESCE(SUM(copies - 1), 0) FROM images WHERE aside = ''")
    listed = [
        {
            "id": item["id"],
            "kept": item["source"],
            "dropped": sorted(copy["key"] for copy in copies_of(inventory, item["id"])[1:]),
        }
        for item in doubled.items
    ]
    called = [(item["id"], copies_of(inventory, item["id"])) for item in conflicts.items]
    return {
        "exact_duplicates": Finding(dropped, listed),
        "label_conflicts": Finding(
            conflicts.count,
            [
                {
                    "id": image,
                    "labels": labels_of(inventory, image),
                    "sources": sorted(copy["key"] for copy in files),
                }
                for image, files in called
            ],
        ),
    }


def _groups(inventory: Inventory) -> dict[str, Finding]:
    """Groups with near-duplicates, with edited copies, and with members that are called differently, those set aside
    included, the largest first.
    """
    # Labels that copies of one file contradict count too.
    called = """SELECT i.team AS "group", COUNT(DISTINCT i.id) AS size, COUNT(DISTINCT f.label) AS names FROM images i
        JOIN files f ON f.id = i.id
        WHERE i.team IN (SELECT team FROM images GROUP BY team HAVING COUNT(*) > 1) GROUP BY i.team"""
    disagree = _list(inventory, f'SELECT * FROM ({called}) WHERE names > 1 ORDER BY size DESC, "group"')

    def labels(item: dict[str, Any]) -> list[str]:
        query = "SELECT DISTINCT f.label FROM files f JOIN images i USING (id) WHERE i.team = ? AND f.label IS NOT NULL"
        return sorted(label for (label,) in inventory.rows(query, (item["group"],)))

    def members(item: dict[str, Any]) -> list[dict[str, Any]]:
        return list(inventory.named(f"SELECT {NAMED} FROM images WHERE team = ? ORDER BY id", (item["group"],)))

    items = [{"group": item["group"], "labels": labels(item), "images": members(item)} for item in disagree.items]
    return {
        "near_duplicates": _alike(inventory, "part", "n = n"),
        "edited_copies": _alike(inventory, "team", "n = part"),
        "group_label_conflicts": Finding(disagree.count, items),
    }


def _alike(inventory: Inventory, column: str, which: str) -> Finding:
    """The images that agree in a column, of those that fulfil a condition, and how many others a first one has."""
    sizes = f"""SELECT {column} AS name, team AS "group", COUNT(*) AS size FROM images WHERE {which} GROUP BY {column}
        HAVING COUNT(*) > 1"""
    found = _list(inventory, f'{sizes} ORDER BY size DESC, "group", name')
    extra = inventory.one(f"SELECT COALESCE(SUM(size - 1), 0) FROM ({sizes})")
    items = []
    for item in found.items:
        split = inventory.one("SELECT split FROM images WHERE team = ? ORDER BY aside, id", (item["group"],))
        images = inventory.named(
            f"SELECT {NAMED} FROM images WHERE {column} = ? AND {which} ORDER BY id", (item["name"],)
        )
        items.append({"group": item["group"], "split": split, "images": list(images)})
    return Finding(extra, items)


def _leaks(inventory: Inventory) -> Finding:
    """Images that would have been learned from and measured on: equal files in two splits, and what was set aside."""
    marks = ",".join(f"'{split}'" for split in HELD_OUT)
    exact = _list(
        inventory,
        f"""SELECT {NAMED} FROM images i WHERE aside = '' AND copies > 1 AND given IN ({marks})
        AND EXISTS (SELECT 1 FROM files f WHERE f.id = i.id AND f.given IS NOT i.given) ORDER BY source""",
    )
    aside = _list(inventory, f"SELECT {NAMED}, team, aside FROM images WHERE aside <> '' ORDER BY team, id")
    items: list[dict[str, Any]] = []
    for item in exact.items:
        dropped = sorted(copy["key"] for copy in copies_of(inventory, item["id"]) if copy["given"] != item["given"])
        items.append({"kind": "exact", "kept": item, "dropped": dropped})
    for item in aside.items:
        team = item.pop("team")
        why = item.pop("aside")
        kept = next(
            inventory.named(f"SELECT {NAMED} FROM images WHERE team = ? AND aside = '' ORDER BY id", (team,)), None
        )
        items.append({"kind": {"given": "near"}.get(why, why), "kept": kept, "set_aside": item})
    return Finding(exact.count + aside.count, items[:LISTED])


def _classes(inventory: Inventory) -> dict[str, Finding]:
    labelled = "SELECT label, COUNT(*) FROM images WHERE aside = '' AND label IS NOT NULL"
    tally = dict(inventory.rows(f"{labelled} GROUP BY label"))
    train = dict(inventory.rows(f"{labelled} AND split = ? GROUP BY label", (TRAIN,)))
    files = inventory.rows("SELECT DISTINCT label FROM files WHERE label IS NOT NULL AND other IS NULL")
    named = sorted({name for (name,) in files} | set(inventory.empty))
    share = sum(tally.values()) / max(1, len(tally))
    rare = [
        {"class": name, "images": tally[name]}
        for name in named
        if 0 < tally.get(name, 0) < max(RARE, RARE_SHARE * share)
    ]
    missing = [{"class": name, "images": tally.get(name, 0), "train": 0} for name in named if not train.get(name)]
    return {"rare_classes": _all(rare), "missing_classes": _all(missing)}


def _far(inventory: Inventory, value: str, factor: float) -> Finding:
    """Images whose value is more than a factor away from the median, the farthest first."""
    middle = float(quantile(inventory, value, 0.5))
    ratio = f"({value} / {middle!r})"
    away = f"MAX({ratio}, 1 / {ratio})"
    return _list(
        inventory,
        f"""SELECT id, source, width, height, ROUND({ratio}, 4) AS times_the_median FROM images
        WHERE aside = '' AND {away} > {factor} ORDER BY {away} DESC, n""",
    )


def _all(items: Iterable[dict[str, Any]]) -> Finding:
    listed = list(items)
    return Finding(len(listed), listed[:LISTED])
