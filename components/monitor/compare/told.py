"""A look in lines for a terminal."""

from collections.abc import Mapping
from typing import Any

COLUMNS = ("what", "reference", "observed", "p", "allowed", "")
WIDTHS = (16, 10, 10, 9, 9, 0)


def told(drift: Mapping[str, Any], page: str = "") -> list[str]:
    """drift.json as a small table of its tests, the verdict and its reasons, and where the page lies."""
    tests = [*drift["signals"], {**drift["accuracy"], "name": "accuracy"}]
    rows = [_row(test) for test in tests if test.get("p") is not None]
    lines = [_line(row) for row in [COLUMNS, *rows]] if rows else []
    verdict = drift["verdict"]
    since = f", since {verdict['since'][:10]}" if verdict["since"] else ""
    lines.append(f"{'ALARM: ' if verdict['alarm'] else ''}{verdict['title']}{since}")
    lines += [f"  {sentence}" for sentence in verdict["why"] if sentence.rstrip(".") != verdict["title"]]
    if drift["audit"] and not drift["audit"]["alarm"]:
        lines.append(f"  {drift['audit']['told']}")
    if drift["lacks"]:
        lines.append(f"  {drift['lacks']}")
    if not drift["version"]:
        return lines
    lines.append(
        f"look {drift['number']} at {drift['model']} {drift['version']}: {drift['images']:,} images from "
        f"{drift['since'][:10]} to {drift['until'][:10]}" + (f"; {page}" if page else "")
    )
    return lines


def _row(test: Mapping[str, Any]) -> tuple[str, ...]:
    means = [("" if test.get(name) is None else f"{test[name]:.4g}") for name in ("reference", "observed")]
    mark = "ALARM" if test["alarm"] else "small" if test["significant"] else ""
    return (test["name"], *means, f"{test['p']:.1e}", f"{test['level']:.1e}", mark)


def _line(row: tuple[str, ...]) -> str:
    first, *rest = zip(row, WIDTHS, strict=True)
    return (f"{first[0]:<{first[1]}}" + "".join(f" {text:>{width}}" for text, width in rest)).rstrip()
