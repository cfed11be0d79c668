"""Lay out the status of labels as tables of text."""

from collections.abc import Iterator, Sequence
from typing import Any

from components.common.artifacts import SPLITS
from components.labels.status import ELSEWHERE, Status

NUMBERS = "0123456789-–"  # a cell that begins so stands to the right


def tables(status: Status, shown: int | None, rule: str) -> Iterator[str]:
    """Lines. shown: how many disagreements and classes at most; None for all."""
    if not status.answers:
        yield "nobody has answered yet"
    else:
        back = f", of which {status.withdrawals:,} were withdrawn" if status.withdrawals else ""
        yield f"{status.answers:,} answers{back}"
        yield from _classes(status, shown)
        yield from _table(["ROUND", "ANSWERS", "IMAGES", "PEOPLE", "LAST"], _rows(status.rounds))
        yield from _table(["ANNOTATOR", "ANSWERS", "CLASS", "NONE", "SKIP", "LAST"], _rows(status.people))
    if status.agreement:
        rows = [
            [*one.people, one.both, one.same, "–" if one.kappa is None else f"{one.kappa:.2f}"]
            for one in status.agreement
        ]
        yield from _table(["ANNOTATOR", "AND", "BOTH", "SAME", "KAPPA"], rows)
    yield from _conflicts(status, shown, rule)
    for one in status.renamings:
        yield f"{one['old']} is called {one['new']} ({one['annotator']})"
    yield from _waits(status)


def _classes(status: Status, shown: int | None) -> Iterator[str]:
    every = [*status.classes.values(), *status.apart.values()]
    splits = [*SPLITS, *([ELSEWHERE] if any(ELSEWHERE in counts for counts in every) else [])]
    counted = sorted(status.classes.items(), key=lambda one: (-sum(one[1].values()), one[0]))
    few = counted if shown is None or len(counted) <= 2 * shown else counted[:shown]
    rows: list[Sequence[Any]] = [[name, *_counts(counts, splits)] for name, counts in sorted(few)]
    if len(few) < len(counted):
        rest = [counts for _, counts in counted[len(few) :]]
        rows.append([f"({len(rest):,} more classes: -o wide)", *_sums(rest, splits)])
    rows.append(["all classes", *_sums([*status.classes.values()], splits)])
    rows += [[f"({name})", *_counts(counts, splits)] for name, counts in status.apart.items() if counts]
    yield from _table(["CLASS", *(split.upper() for split in splits), "ALL"], rows)


def _counts(counts: dict[str, int], splits: Sequence[str]) -> list[int]:
    return [*(counts.get(split, 0) for split in splits), sum(counts.values())]


def _sums(many: Sequence[dict[str, int]], splits: Sequence[str]) -> list[int]:
    return [sum(column) for column in zip(*(_counts(counts, splits) for counts in many), strict=True)] or [0] * (
        len(splits) + 1
    )


def _conflicts(status: Status, shown: int | None, rule: str) -> Iterator[str]:
    if not status.conflicts:
        return
    still = sum(one["holds"] is None for one in status.conflicts)
    yield ""
    yield f"people disagree on {len(status.conflicts):,} images; open: {still:,} (rule: {rule})"
    for one in status.conflicts[:shown]:
        said = ", ".join(f"{each['annotator']} {each['answer']!r} ({each['where']})" for each in one["said"])
        holds = "open" if one["holds"] is None else f"{one['holds']!r} holds"
        yield f"  {one['id'][:12]}  {holds}: {said}"
    if shown is not None and len(status.conflicts) > shown:
        yield f"  and {len(status.conflicts) - shown:,} more: -o wide"


def _waits(status: Status) -> Iterator[str]:
    if not status.waits:
        return
    purposes = status.waits["purposes"]
    waiting = sum(counts["waiting"] for counts in purposes.values())
    rows = [[purpose, counts["picks"], counts["waiting"]] for purpose, counts in purposes.items()]
    yield from _table(["ASKED FOR", "PICKS", "WAITING"], rows)
    where = f"round {status.waits['round']}, {status.waits['candidates']}/"
    yield f"{waiting:,} picks wait for an answer ({where})" if waiting else f"every pick is answered ({where})"


def _rows(counts: dict[Any, dict[str, Any]]) -> list[list[Any]]:
    return [[name, *facts.values()] for name, facts in counts.items()]


def _table(header: Sequence[str], rows: Sequence[Sequence[Any]]) -> Iterator[str]:
    """An empty line, then columns as wide as they need to be; numbers stand to the right."""
    cells = [[f"{cell:,}" if isinstance(cell, int) else str(cell) for cell in row] for row in rows]
    widths = [max(map(len, column)) for column in zip(header, *cells, strict=True)]
    right = [all(row[at][:1] in NUMBERS for row in cells) and at > 0 for at in range(len(header))]
    yield ""
    for row in [header, *cells]:
        yield "  ".join(
            cell.rjust(width) if to_right else cell.ljust(width)
            for cell, width, to_right in zip(row, widths, right, strict=True)
        ).rstrip()
