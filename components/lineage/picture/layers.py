"""Where the boxes of a graph stand: in columns, causes before effects, with as few crossings as a few passes find.

The method of layers (Sugiyama, Tagawa and Toda 1981): a column for each node by its longest path, points for edges that
pass columns, and the order inside a column by the mean place of neighbours.
"""

from collections.abc import Mapping, Sequence
from itertools import pairwise
from typing import NamedTuple

Ends = tuple[str, str]  # cause, effect
PASSES = 8  # over all columns, back and forth


class Placed(NamedTuple):
    """Columns of keys from left to right, each from top to bottom, and the keys that an edge passes.

    A key that no node has stands for a point of an edge that passes a column.
    """

    columns: list[list[str]]
    routes: dict[Ends, list[str]]  # keys from the cause to the effect, both included


def placed(nodes: Sequence[str], edges: Sequence[Ends]) -> Placed:
    """nodes: in an order to keep where nothing speaks against it. An edge that closes a circle is drawn backwards."""
    column = _columns(nodes, edges)
    width = max(column.values(), default=0) + 1
    columns: list[list[str]] = [[] for _ in range(width)]
    for node in nodes:
        columns[column[node]].append(node)
    routes: dict[Ends, list[str]] = {}
    for number, (cause, effect) in enumerate(dict.fromkeys(edges)):
        left, right = sorted((cause, effect), key=lambda key: column[key])
        points = [f"\0{number}/{place}" for place in range(column[left] + 1, column[right])]
        for place, point in enumerate(points, column[left] + 1):
            columns[place].append(point)
        route = [left, *points, right]
        routes[cause, effect] = route if left == cause else route[::-1]
    _order(columns, list(routes.values()))
    return Placed(columns, routes)


def _columns(nodes: Sequence[str], edges: Sequence[Ends]) -> dict[str, int]:
    """The column of each node: one more than the greatest of its causes; what has no cause stands just before what came
    of it.
    """
    causes: dict[str, set[str]] = {node: set() for node in nodes}
    effects: dict[str, set[str]] = {node: set() for node in nodes}
    for cause, effect in edges:
        if cause != effect:
            causes[effect].add(cause)
            effects[cause].add(effect)
    column: dict[str, int] = {}
    left = list(nodes)
    while left:
        ready = [node for node in left if causes[node] <= column.keys()] or left[:1]  # a circle is broken at its first
        for node in ready:
            column[node] = max((column[cause] + 1 for cause in causes[node] if cause in column), default=0)
        left = [node for node in left if node not in column]
    for node in nodes:
        if not causes[node] and effects[node]:
            column[node] = max(0, min(column[effect] for effect in effects[node]) - 1)
    return column


def _order(columns: list[list[str]], routes: Sequence[Sequence[str]]) -> None:
    """Sort each column by the mean place of what is joined to each in the column before, then in the one after."""
    before: dict[str, list[str]] = {}
    after: dict[str, list[str]] = {}
    at = {key: place for place, column in enumerate(columns) for key in column}
    for route in routes:
        for one, other in pairwise(route):
            left, right = sorted((one, other), key=lambda key: at[key])
            before.setdefault(right, []).append(left)
            after.setdefault(left, []).append(right)
    best, fewest = [list(column) for column in columns], _crossings(columns, after)
    for turn in range(PASSES):
        joined = before if turn % 2 == 0 else after
        for column in columns if turn % 2 == 0 else reversed(columns):
            place = {key: _height(number, of) for of in columns for number, key in enumerate(of)}
            column.sort(key=lambda key: _mean([place[other] for other in joined.get(key, ())], place[key]))
        if (now := _crossings(columns, after)) < fewest:
            best, fewest = [list(column) for column in columns], now
    for column, order in zip(columns, best, strict=True):
        column[:] = order


def _height(number: int, column: Sequence[str]) -> float:
    """Where the middle of a box stands in its column, from 0 to 1, so that columns of any length can be compared."""
    return (number + 0.5) / len(column)


def _mean(places: Sequence[float], otherwise: float) -> float:
    return sum(places) / len(places) if places else otherwise


def _crossings(columns: Sequence[Sequence[str]], after: Mapping[str, Sequence[str]]) -> int:
    """How often two edges between neighbouring columns cross."""
    place = {key: number for column in columns for number, key in enumerate(column)}
    count = 0
    for column in columns:
        ends = [(place[key], place[other]) for key in column for other in after.get(key, ())]
        count += sum((a - c) * (b - d) < 0 for n, (a, b) in enumerate(ends) for c, d in ends[:n])
    return count
