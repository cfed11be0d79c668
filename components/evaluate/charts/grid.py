"""A confusion matrix as a table whose cells are as deep as their share of the row."""

from collections.abc import Sequence
from html import escape

import numpy as np

MOST_CLASSES = 30  # rows that stay readable


def confusion(names: Sequence[str], matrix: np.ndarray) -> str:
    """Rows are true classes: right answers in blue, mistakes in orange. Of many classes, those mistaken most."""
    kept = shown_classes(matrix)
    counts = matrix[np.ix_(kept, kept)]
    share = counts / np.maximum(matrix[kept].sum(axis=1, keepdims=True), 1)
    head = "".join(f'<th scope="col"><span>{escape(names[c])}</span></th>' for c in kept)
    body = "\n".join(
        f'<tr><th scope="row">{escape(names[c])}</th>'
        + "".join(_cell(int(counts[i, j]), float(share[i, j]), i == j) for j in range(len(kept)))
        + "</tr>"
        for i, c in enumerate(kept)
    )
    long = max((len(names[c]) for c in kept), default=0) > 3
    return (
        f'<div class="scroll"><table class="confusion{" long" if long else ""}">\n'
        f"<thead><tr><td>true ↓ said →</td>{head}</tr></thead>\n<tbody>\n{body}\n</tbody></table></div>"
    )


def shown_classes(matrix: np.ndarray) -> np.ndarray:
    """Indices of the classes that the table has, ascending."""
    errors = matrix.sum(axis=0) + matrix.sum(axis=1) - 2 * np.diag(matrix)
    return np.sort(np.argsort(-errors, kind="stable")[:MOST_CLASSES])


def _cell(count: int, share: float, right: bool) -> str:
    if not count:
        return "<td></td>"
    depth = share * 0.8 if right else min(1.0, 3 * share) ** 0.6
    kind = ("right" if right else "wrong") + (" deep" if depth > 0.55 else "")
    return f'<td class="{kind}" style="--depth:{100 * depth:.0f}%" title="{share:.1%} of the row">{count:,}</td>'
