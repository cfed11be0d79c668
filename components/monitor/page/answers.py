"""What the model says: the shares of the classes, and how often it is likely to be right."""

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from components.common.charts.tracks import Row, keys, tracks
from components.common.html import note, table
from components.common.words import finding, percent, share
from components.monitor.page.trend import Point, trend

MOST_CLASSES = 20  # rows that stay readable
LEGEND = (("final", "now"), ("champion", "in the reference"))


def shares(drift: Mapping[str, Any]) -> str:
    """Each class's share with its interval, beside the reference; of many classes, those that changed most."""
    now = "predicted" if drift["no_shares"] else "estimate"
    order = sorted(drift["shares"], key=lambda row: -abs(row[now] - row["reference"]))
    highest = max(max(row[now], row["reference"], row["high"] or 0) for row in order)
    rows = [_share(row, now) for row in order[:MOST_CLASSES]]
    chart = tracks(rows, 0, min(100, 105 * highest + 1), " %", LEGEND)
    told = next(test["told"] for test in drift["signals"] if test["name"] == "shares")
    text = (
        f"Shares of the answers. Those of the true classes cannot be estimated: {drift['no_shares']}."
        if drift["no_shares"]
        else "Estimated from the answers and from the mistakes that the model makes on held-out labels, as if the "
        "images of a class looked as they did and only their number had changed. The bars are 95 % intervals."
    )
    parts = [finding(told.rstrip(".")), f'<div class="panel">{chart}</div>', note(text)]
    if len(order) > MOST_CLASSES:
        whole = table(["class", "reference", "answers", "estimate", "95 % interval"], map(_line, order))
        parts.append(f"<details><summary>All {len(order):,} classes</summary>{whole}</details>")
    return "".join(parts)


def accuracy(drift: Mapping[str, Any], before: Sequence[Mapping[str, Any]]) -> str:
    """Accuracy on the test images, expected now, and as people find it; and how right the expectation was."""
    about = drift["accuracy"]
    parts = [finding(about["told"].rstrip("."))]
    if rows := list(_accuracies(drift)):
        lowest = min(row.interval[0] for row in rows if row.interval)
        chart = f'<div class="panel">{tracks(rows, max(0.0, lowest - 3), 100, " %")}</div>'
        parts.append(f'<div class="panels wide">{chart}{_over_time(drift, before)}</div>')
        text = (
            "What is expected holds as far as the model's confidence means what it meant: images of a class that it "
            "has never seen get confident answers too. Only the audit measures it. The bars are 95 % intervals."
        )
        parts.append(note(text))
    if drift["was_right"]:
        parts.append(f"<h3>How right the expectation was</h3>{note(drift['was_right']['told'])}")
    return "".join(parts)


def audit(drift: Mapping[str, Any]) -> str:
    """What people say of answers that were drawn at random."""
    found = drift["audit"]
    if found is None:
        return note(
            "Nobody looks yet. Set monitor.audit to a number of answers a week, such as 20: they are drawn at random, "
            "people label them, and so they measure the true accuracy, with an interval that holds however often one "
            "looks."
        )
    header = ["look", "drawn", "labelled", "right", "95 % interval of that look"]
    rows = [
        (each["number"], each["drawn"], each["labelled"], percent(each["accuracy"]), _reach(each))
        for each in found["looks"]
    ]
    return finding(found["told"].rstrip(".")) + (table(header, rows) if rows else "")


def _share(row: Mapping[str, Any], now: str) -> Row:
    marks = [("champion", 100 * row["reference"]), ("final", 100 * row[now])]
    interval = None if row["low"] is None or now == "predicted" else (100 * row["low"], 100 * row["high"])
    moved = f"{100 * (row[now] - row['reference']):+.1f} points"
    return Row(row["class"], share(row[now]), marks, interval, kind="main", aside=moved)


def _accuracies(drift: Mapping[str, Any]) -> Iterator[Row]:
    about, audited = drift["accuracy"], drift["audit"] or {}
    for name, each, mark, kind in (
        ("on the test images", about["held_out"], "champion", "other"),
        ("expected now", about["atc"], "final", "main"),
        ("expected, another way", about["doc"], "", ""),
    ):
        if each:
            ends = 100 * each["low"], 100 * each["high"]
            yield Row(name, share(each["value"]), [(mark, 100 * each["value"])], ends, kind=kind)
    if audited.get("labelled"):
        ends = 100 * audited["low"], 100 * audited["high"]
        tag = f"{audited['labelled']:,} labels"
        yield Row("found by people", share(audited["accuracy"]), [("ink", 100 * audited["accuracy"])], ends, tag)


def _over_time(drift: Mapping[str, Any], before: Sequence[Mapping[str, Any]]) -> str:
    """Expected accuracy over the looks, and what people found of each."""
    looks = [look for look in (*before, drift) if look["accuracy"]["atc"]]
    points = [Point(look["until"], 100 * look["accuracy"]["atc"]["value"], look["accuracy"]["alarm"]) for look in looks]
    ends = {look["number"]: look["until"] for look in looks}
    found = [
        Point(ends[each["number"]], 100 * each["accuracy"], False, 100 * each["low"], 100 * each["high"])
        for each in (drift["audit"] or {}).get("looks", [])
        if each["labelled"] and each["number"] in ends
    ]
    about = drift["accuracy"]
    if not about["held_out"]:
        return ""
    limit = 100 * (about["held_out"]["value"] - about["least"])
    drawn = trend(points, limit, "right, %", "expected accuracy, look by look", found)
    legend = [("blue", "expected"), ("orange", "an alarm; dashed: below it matters")]
    legend += [("ink", "found by people, of that look")] * bool(found)
    return f'<div class="panel">{keys(legend)}{drawn}</div>' if drawn else ""


def _line(row: Mapping[str, Any]) -> tuple[str, ...]:
    return (row["class"], *(percent(row[name]) for name in ("reference", "predicted", "estimate")), _reach(row))


def _reach(each: Mapping[str, Any]) -> str:
    return (
        "–"
        if each["low"] is None or each.get("labelled") == 0
        else f"{100 * each['low']:.1f} to {100 * each['high']:.1f}"
    )
