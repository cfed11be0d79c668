"""Connected components: which images one or more pairs connect."""

from threading import Lock

import numpy as np


class Connections:
    """Components of rows, built pair by pair; threads may read while another joins."""

    def __init__(self, count: int) -> None:
        self._labels = np.arange(count)  # of each row, that of its component
        self._members: dict[int, list[int]] = {}  # of components of more than one row, by label
        self._joining = Lock()

    def apart(self, a: np.ndarray, b: np.ndarray) -> np.ndarray:
        """Whether each pair of rows is not connected, as far as is known: bool (pairs,)."""
        return self._labels[a] != self._labels[b]

    def promising(self, a: np.ndarray, b: np.ndarray) -> np.ndarray:
        """An order in which to compare pairs: each row of a first with one row of each component, then with a second.

        So what is one component is mostly known before its members are compared with each other: int64 (pairs,).
        """
        order = np.lexsort((self._labels[b], a))
        change = np.diff(a[order], prepend=-1).astype(bool) | np.diff(self._labels[b[order]], prepend=-1).astype(bool)
        first = np.maximum.accumulate(np.where(change, np.arange(len(order)), 0))
        return order[np.argsort(np.arange(len(order)) - first, kind="stable")]

    def join(self, a: np.ndarray, b: np.ndarray) -> None:
        """Connect each pair of rows."""
        with self._joining:
            for one, other in zip(a.tolist(), b.tolist(), strict=True):
                labels = {int(self._labels[one]), int(self._labels[other])}
                if len(labels) == 2:
                    self._merge(*labels)

    def pairs(self) -> np.ndarray:
        """The first row of each component with every other of it, sorted: int64 (pairs, 2)."""
        first: dict[int, int] = {}
        labels = enumerate(self._labels.tolist())
        pairs = [(first[label], row) for row, label in labels if first.setdefault(label, row) != row]
        return np.array(sorted(pairs), np.int64).reshape(-1, 2)

    def _merge(self, one: int, other: int) -> None:
        """Give the smaller component the label of the larger, so that no row changes its label often."""
        rows = {label: self._members.pop(label, [label]) for label in (one, other)}
        small, large = sorted(rows, key=lambda label: len(rows[label]))
        self._labels[rows[small]] = large
        rows[large].extend(rows[small])
        self._members[large] = rows[large]


def connected(pairs: np.ndarray) -> dict[int, int]:
    """The lowest number of everyone's connected component, for those that are in a pair."""
    parent: dict[int, int] = {}

    def root(node: int) -> int:
        while parent.setdefault(node, node) != node:
            parent[node] = parent[parent[node]]
            node = parent[node]
        return node

    for a, b in pairs.tolist():
        low, high = sorted((root(a), root(b)))
        parent[high] = low
    return {node: root(node) for node in sorted(parent)}
