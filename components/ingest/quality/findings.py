"""Sections of the data report, one per finding, with pictures."""

from pathlib import PurePosixPath
from typing import Any

from components.common import html
from components.common.data.kinds import remedy
from components.ingest.quality.drift import LEVELS, NAMES, OCTAVE
from components.ingest.quality.gallery import Gallery
from components.ingest.quality.quality import ASPECT_FACTOR, RARE, SIZE_FACTOR, TITLES, Finding

ROWS, PICTURES = 24, 24  # groups of pictures, and pictures of a list, that a section shows
MEMBERS = 9  # pictures of one group
MEANING = {
    "unreadable": "not in the dataset; the reasons are below",
    "truncated": "not in the dataset: a part of the picture is missing; copy them again",
    "passed_over": "images of a kind that is not read, so not in the dataset; what to do about each is below",
    "exact_duplicates": "files with the bytes of another: kept once",
    "near_duplicates": "images that show what another shows; a group shares its split, so that nothing leaks",
    "edited_copies": "what another image shows in other tones: contrast, brightness or gamma changed; they share its "
    "split too; shown is one of each set of near-duplicates",
    "leaks": "on both sides of a split, as equal files or near-duplicates: kept where held out or where an earlier "
    "version has them",
    "label_conflicts": "nothing may learn from a contradiction: the label is dropped",
    "group_label_conflicts": "groups in which one picture has several labels: at least one of them is wrong",
    "rare_classes": f"fewer than {RARE} images, or less than a tenth of an even share: expect few or none among the "
    "picks",
    "missing_classes": "no image known to be of them in the train split, so nothing can learn them; add some",
    "size_outliers": f"more than {SIZE_FACTOR} times the pixels of the median, or less than 1/{SIZE_FACTOR}",
    "aspect_outliers": f"more than {ASPECT_FACTOR} times as wide or as high as the median's shape: a square crop loses "
    "much of "
    ""
    ""
    ""
    "them",
    "blank": "nearly one grey level: there is nothing to learn or to label",
    "drift": "this version is not like the one before it: what was learned and measured there may not hold here",
}


def overview(findings: dict[str, Finding]) -> str:
    """One line per kind of finding that occurs, and one for all that do not."""
    rows = [[TITLES[name], finding.count, MEANING[name]] for name, finding in findings.items() if finding.count]
    absent = [TITLES[name].lower() for name, finding in findings.items() if not finding.count]
    table = html.table(["finding", "count", "what it means"], rows) if rows else ""
    return table + (html.note(f"None found: {'; '.join(absent)}.") if absent else "")


def findings_html(findings: dict[str, Finding], gallery: Gallery) -> list[tuple[str, str]]:
    """(heading, HTML) of every finding that has something to show, beside refused and equal files, which have their own
    sections.
    """
    sections = {
        "passed_over": _passed_over,
        "drift": _drift,
        "leaks": _leaks,
        "group_label_conflicts": _groups,
        "near_duplicates": _groups,
        "edited_copies": _groups,
        "rare_classes": _classes,
        "missing_classes": _classes,
        "size_outliers": _pictures,
        "aspect_outliers": _pictures,
        "blank": _pictures,
    }
    return [
        (TITLES[name], html.note(f"{MEANING[name][:1].upper()}{MEANING[name][1:]}.") + section(findings[name], gallery))
        for name, section in sections.items()
        if findings[name].count
    ]


def _passed_over(finding: Finding, gallery: Gallery) -> str:
    kinds = finding.kinds or {}
    table = html.table(["kind", "files", "what to do"], [[kind, count, remedy(kind)] for kind, count in kinds.items()])
    files = [[item["source"], item["kind"]] for item in finding.items[:ROWS]]
    return table + html.table(["file", "kind"], files) + _rest(len(files), finding.count, "files")


def _groups(finding: Finding, gallery: Gallery) -> str:
    largest = sorted(finding.items, key=lambda item: (-len(item["images"]), item["group"]))
    rows = []
    for item in largest[:ROWS]:
        size = len(item["images"])
        name = " or ".join(item["labels"]) if "labels" in item else f"{size} in {item['split']}"
        rows.append(
            (
                name,
                html.thumbnails((gallery.picture(image["id"]), _caption(image)) for image in item["images"][:MEMBERS]),
            )
        )
    return html.cards(rows) + _rest(len(rows), len(largest), "groups, the largest first")


def _leaks(finding: Finding, gallery: Gallery) -> str:
    aside = [item for item in finding.items if item["kind"] != "exact"]
    rows = [
        (
            _why_aside(item),
            html.thumbnails(
                [
                    (gallery.picture(image["id"]), f"{word}: {image['source']}")
                    for word, image in (("kept", item["kept"]), ("set aside", item["set_aside"]))
                    if image
                ]
            ),
        )
        for item in aside[:ROWS]
    ]
    exact = [[item["kept"]["source"], ", ".join(item["dropped"])] for item in finding.items if item["kind"] == "exact"]
    rest = _rest(min(len(exact), ROWS), len(exact), "equal files")
    table = html.table(["equal files: kept", "dropped"], exact[:ROWS]) + rest if exact else ""
    return (
        (html.cards(rows) if rows else "") + _rest(len(rows), len(aside), "near-duplicates that were set aside") + table
    )


def _why_aside(item: dict[str, Any]) -> str:
    given = item["set_aside"]["given"] or "no split"
    if item["kind"] == "bridge":
        return "would join groups of two splits"
    if item["kind"] == "before":
        return f"{given} now, another split in the version before"
    return f"{given} like {item['kept']['given'] or 'an earlier image'}" if item["kept"] else given


def _drift(finding: Finding, gallery: Gallery) -> str:
    rows = [
        [
            NAMES[item["what"]],
            item["statistic"],
            item["by_chance"],
            item["kind"],
            "; ".join(
                f"{_bin(item['what'], most['name'])} {most['before']:.1%} to {most['now']:.1%}" for most in item["most"]
            ),
        ]
        for item in finding.items
    ]
    return html.table(["what", "difference", "by chance, at most", "statistic", "what changed most"], rows)


def _bin(what: str, name: str) -> str:
    """A class, or the middle of a bin in words."""
    if what == "pixels":
        side = 2 ** (int(name) / OCTAVE / 2)
        return f"about {side:.0f} x {side:.0f}:"
    return f"grey level {int(name) * LEVELS}:" if what == "brightness" else f"{name}:"


def _classes(finding: Finding, gallery: Gallery) -> str:
    return html.table(["class", "images"], [[item["class"], item["images"]] for item in finding.items])


def _pictures(finding: Finding, gallery: Gallery) -> str:
    shown = finding.items[:PICTURES]
    return html.thumbnails((gallery.picture(item["id"]), _caption(item)) for item in shown) + _rest(
        len(shown), finding.count, "images"
    )


def _caption(item: dict[str, Any]) -> str:
    name = PurePosixPath(item["source"]).name
    if "width" in item:
        return f"{name}, {item['width']} x {item['height']}"
    return f"{name}, {item['label']}" if item.get("label") else name


def _rest(shown: int, total: int, what: str) -> str:
    return html.note(f"{shown} of {total:,} {what}; quality.json lists them.") if total > shown else ""
