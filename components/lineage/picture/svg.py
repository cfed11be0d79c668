"""The picture of a lineage: an SVG that stands alone, readable on light and on dark paper."""

from collections import Counter
from collections.abc import Iterator, Sequence
from html import escape
from itertools import pairwise
from typing import NamedTuple

from components.lineage.graph import Edge, Graph, Node
from components.lineage.picture.layers import Placed, placed

WIDE, HIGH, LINE = 200, 50, 16  # pixels: a box, its height with the title alone, each line more
GAP, BETWEEN, POINT = 120, 18, 10  # pixels between columns and between boxes, and the height of an edge that passes
MARGIN, HEADING = 28, 46  # pixels around all, and for the title
LETTER = 0.56  # mean width of a letter, of its size
ALONG = (0.5, 0.35, 0.65, 0.25, 0.75)  # of an edge: where its word may stand, the best first
MOST = 6  # boxes of one kind that are drawn; the others are counted in one box

STYLE = """
svg { --paper: #fdfcf9; --card: #fff; --ink: #23261f; --faint: #6d7166; --line: #cbc7ba; --edge: #a39f90;
  --accent: #8a6d1d; --tint: #f5f1e4;
  background: var(--paper); font-family: system-ui, -apple-system, "Segoe UI", Roboto, sans-serif }
@media (prefers-color-scheme: dark) { svg { --paper: #171813; --card: #1f211b; --ink: #e7e6dd; --faint: #a0a294;
  --line: #4b4d42; --edge: #85877a; --accent: #dcb858; --tint: #2f2e22 } }
.paper { fill: var(--paper) }
.box { fill: var(--card); stroke: var(--line) }
.run .box, .decision .box { stroke-dasharray: 4 3 }
.focus .box { fill: var(--tint); stroke: var(--accent); stroke-width: 2 }
.heading { fill: var(--ink); font-size: 19px; font-weight: 600 }
.title { fill: var(--ink); font-size: 13px; font-weight: 600 }
.more { fill: var(--faint); font-size: 12px }
.what { fill: var(--accent); font-size: 10px; letter-spacing: .06em; text-transform: uppercase }
.edge { fill: none; stroke: var(--edge); stroke-width: 1.5 }
.tip { fill: var(--edge) }
.word { fill: var(--faint); font-size: 11px; text-anchor: middle; stroke: var(--paper); stroke-width: 4px;
  paint-order: stroke; stroke-linejoin: round }
"""


class Box(NamedTuple):
    """The rectangle of a node, or a point of an edge, which has no height to speak of."""

    left: float
    top: float
    height: float

    @property
    def middle(self) -> float:
        return self.top + self.height / 2


def picture(graph: Graph) -> str:
    """The graph as an SVG document; of kinds with many nodes only some are drawn, and the others counted."""
    nodes, edges = _few(graph)
    order = placed([node.key for node in nodes], [(edge.cause, edge.effect) for edge in edges])
    heights = {node.key: HIGH + LINE * len(node.lines) for node in nodes}
    boxes = _boxes(order, heights)
    width = max((box.left for box in boxes.values()), default=0) + WIDE + MARGIN
    height = max((box.top + box.height for box in boxes.values()), default=0) + MARGIN
    width = max(width, 2 * MARGIN + len(graph.title) * LETTER * 20)
    parts = [
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {width:.0f} {height:.0f}" width="{width:.0f}" '
        f'height="{height:.0f}" role="img" aria-label="{escape(graph.title)}">',
        f"<style>{STYLE}</style>",
        f'<rect class="paper" width="{width:.0f}" height="{height:.0f}"/>',
        f'<text class="heading" x="{MARGIN}" y="{MARGIN + 14}">{escape(graph.title)}</text>',
        *(_line([boxes[key] for key in order.routes[edge.cause, edge.effect]]) for edge in edges),
        *(_box(node, boxes[node.key], node.key == graph.focus) for node in nodes),
        *_words([(edge.word, [boxes[key] for key in order.routes[edge.cause, edge.effect]]) for edge in edges]),
        "</svg>",
    ]
    return "\n".join(parts) + "\n"


def _few(graph: Graph) -> tuple[list[Node], list[Edge]]:
    """Nodes and edges to draw: of each kind the focus and the last ones, and one box that counts the others."""
    drawn = [edge for edge in graph.edges if edge.drawn]
    joined = {end for edge in drawn for end in (edge.cause, edge.effect)} | {graph.focus}
    nodes = [node for node in graph.nodes if node.key in joined]
    many = {what for what, count in Counter(node.what for node in nodes).items() if count > MOST}
    stands: dict[str, str] = {}  # key of a node that is not drawn -> of the box that counts it
    kept: list[Node] = []
    for what in dict.fromkeys(node.what for node in nodes):
        some = [node for node in nodes if node.what == what]
        last = some[-(MOST - 1) :] if what in many else some
        left = [node for node in some if node not in last and node.key != graph.focus]
        kept += [node for node in some if node not in left]
        if left:
            rest = Node(f"\1{what}", left[0].kind, what, f"{len(left):,} more")
            kept.append(rest)
            stands |= {node.key: rest.key for node in left}
    joining: dict[tuple[str, str], Edge] = {}
    for edge in drawn:
        ends = stands.get(edge.cause, edge.cause), stands.get(edge.effect, edge.effect)
        if ends[0] != ends[1]:
            word = edge.word if ends == (edge.cause, edge.effect) else ""  # of several it may not be true
            joining.setdefault(ends, Edge(*ends, edge.relation, word))
    return kept, list(joining.values())


def _boxes(order: Placed, heights: dict[str, int]) -> dict[str, Box]:
    """Where everything stands: columns side by side, each in the middle of the height of the tallest."""
    tall = [
        sum(heights.get(key, POINT) for key in column) + BETWEEN * (len(column) - 1) if column else 0
        for column in order.columns
    ]
    boxes: dict[str, Box] = {}
    for number, column in enumerate(order.columns):
        top = MARGIN + HEADING + (max(tall) - tall[number]) / 2
        for key in column:
            height = heights.get(key, POINT)
            boxes[key] = Box(MARGIN + number * (WIDE + GAP), top, height)
            top += height + BETWEEN
    return boxes


def _box(node: Node, box: Box, is_focus: bool) -> str:
    kind = f"{escape(node.what)}{' focus' if is_focus else ''}"
    corner = 17 if node.kind == "agent" else 7
    left, top = box.left + 14, box.top
    lines = [
        f'<g class="{kind}"><title>{escape(" · ".join([node.what, node.title, *node.lines]))}</title>',
        f'<rect class="box" x="{box.left:.1f}" y="{top:.1f}" width="{WIDE}" height="{box.height:.1f}" rx="{corner}"/>',
        f'<text class="what" x="{left:.1f}" y="{top + 19:.1f}">{escape(node.what)}</text>',
        f'<text class="title" x="{left:.1f}" y="{top + 36:.1f}">{escape(_fit(node.title, 15, WIDE - 28))}</text>',
    ]
    for number, line in enumerate(node.lines, 1):
        y = top + 36 + LINE * number
        lines.append(f'<text class="more" x="{left:.1f}" y="{y:.1f}">{escape(_fit(line, 12, WIDE - 28))}</text>')
    return "\n".join([*lines, "</g>"])


def _line(points: Sequence[Box]) -> str:
    """A curve from the side of a box to that of another one, and its tip."""
    path, ends = [], [*_ends(points)]
    x, y = ends[0][0]
    path.append(f"M{x:.1f} {y:.1f}")
    for (x, y), (to, down) in ends:
        if path[-1] != f"M{x:.1f} {y:.1f}":
            path.append(f"L{x:.1f} {y:.1f}")
        half = (to - x) / 2
        path.append(f"C{x + half:.1f} {y:.1f} {to - half:.1f} {down:.1f} {to:.1f} {down:.1f}")
    (x, _), (to, down) = ends[-1]
    back = 7 if to > x else -7
    tip = f"M{to:.1f} {down:.1f}l{-back} -4v8z"
    return f'<path class="edge" d="{"".join(path)}"/><path class="tip" d="{tip}"/>'


def _ends(points: Sequence[Box]) -> Iterator[tuple[tuple[float, float], tuple[float, float]]]:
    """Start and end of each piece of an edge, between columns."""
    for one, other in pairwise(points):
        forward = other.left >= one.left
        yield (
            (one.left + (WIDE if forward else 0), one.middle),
            (other.left + (0 if forward else WIDE), other.middle),
        )


def _words(edges: Sequence[tuple[str, Sequence[Box]]]) -> Iterator[str]:
    """What edges say, each on its first piece, where it covers the fewest words that stand there already."""
    there: list[tuple[float, float, float]] = []
    for word, points in edges:
        if word:
            text = _fit(word, 11, GAP - 16)
            half = len(text) * LETTER * 11 / 2 + 3
            (x, y), (to, down) = next(_ends(points))

            def covered(place: tuple[float, float], half: float = half) -> int:
                return sum(abs(place[0] - a) < half + b and abs(place[1] - c) < 14 for a, b, c in there)

            places = [(x + (to - x) * share, y + (down - y) * (3 * share**2 - 2 * share**3)) for share in ALONG]
            place = min(places, key=covered)
            there.append((place[0], half, place[1]))
            yield f'<text class="word" x="{place[0]:.1f}" y="{place[1] + 4:.1f}">{escape(text)}</text>'


def _fit(text: str, size: float, width: float) -> str:
    """A text of one line that fits a width, cut off where it must be. size: of its letters, in pixels."""
    room = int(width / (LETTER * size))
    return text if len(text) <= room else f"{text[: room - 1]}…"
