"""The picture of a lineage: every box apart from the others, every text inside its box, on light and on dark paper."""

import itertools
import random
import xml.etree.ElementTree as ET
from typing import Any

import pytest

from components.lineage.graph import AGENT, ENTITY, Edge, Graph, Node, graph_of
from components.lineage.picture.layers import placed
from components.lineage.picture.svg import MOST, picture
from tests.labelling.person import browser
from tests.lineage.world import BOB, World, says

SVG = "{http://www.w3.org/2000/svg}"
MEASURE = """() => [...document.querySelectorAll('g')].map(g => {
    const box = g.querySelector('rect').getBBox();
    return {box: [box.x, box.y, box.x + box.width, box.y + box.height],
            texts: [...g.querySelectorAll('text')].map(text => {
                const inside = text.getBBox();
                return [inside.x, inside.y, inside.x + inside.width, inside.y + inside.height, text.textContent];
            })};
})"""


def chain(count: int) -> Graph:
    nodes = [Node(f"n:{number}", ENTITY, "release", f"release {number}", ("a line",)) for number in range(count)]
    edges = [Edge(f"n:{number}", f"n:{number + 1}", "wasDerivedFrom", "then") for number in range(count - 1)]
    return graph_of("A chain", "n:0", nodes, edges)


@pytest.fixture(scope="module")
def chromium():
    with browser() as started:
        yield started


def drawn(chromium: Any, text: str, scheme: str = "light") -> tuple[list[dict[str, Any]], tuple[int, ...]]:
    """Boxes and texts as a browser lays them out, and the colour of the paper."""
    page = chromium.new_context(color_scheme=scheme).new_page()
    page.set_content(text)
    paper = page.evaluate("() => getComputedStyle(document.querySelector('.paper')).fill")
    ink = page.evaluate("() => getComputedStyle(document.querySelector('.title')).fill")
    found = page.evaluate(MEASURE)
    page.close()
    return found, tuple(sum(map(int, colour[4:-1].split(","))) for colour in (paper, ink))


def test_texts_stay_in_their_boxes_and_boxes_apart(world: World, capsys, chromium):
    for word in ("champion", world.image(world.disputed), f"@{BOB}", world.batches[0]):
        found, _ = drawn(chromium, says(capsys, world.uri, word, "-o", "svg"))
        assert found
        for one in found:
            left, top, right, bottom = one["box"]
            for x, y, x2, y2, text in one["texts"]:
                assert left < x, text
                assert x2 < right, text
                assert top < y + 3, text
                assert y2 - 3 < bottom, text
        for one, other in itertools.combinations([one["box"] for one in found], 2):
            assert one[2] < other[0] or other[2] < one[0] or one[3] < other[1] or other[3] < one[1]


def test_it_is_light_on_light_paper_and_dark_on_dark(chromium):
    text = picture(chain(3))
    paper, ink = drawn(chromium, text)[1]
    assert paper - ink > 450
    paper, ink = drawn(chromium, text, "dark")[1]
    assert ink - paper > 450


def test_names_that_mean_something_in_xml_are_escaped():
    graph = graph_of("<a> & b", "n:1", [Node("n:1", AGENT, "person", "<script>&\"'")], [])
    root = ET.fromstring(picture(graph))
    assert [text.text for text in root.iter(f"{SVG}text")] == ["<a> & b", "person", "<script>&\"'"]


def test_many_of_a_kind_are_counted_in_one_box_and_the_focus_stays():
    nodes = [Node("n:person", AGENT, "person", "Ann")]
    nodes += [Node(f"n:{number}", ENTITY, "label", f"label {number}") for number in range(40)]
    edges = [Edge("n:person", node.key, "wasAttributedTo") for node in nodes[1:]]
    text = picture(graph_of("Forty", "n:3", nodes, edges))
    titles = [one.text for one in ET.fromstring(text).iter(f"{SVG}text") if one.get("class") == "title"]
    assert len(titles) == 1 + 1 + MOST
    assert {"Ann", "label 3", "label 39", f"{40 - MOST} more"} <= {*titles}
    assert text.count('class="edge"') == MOST + 1


def test_columns_go_from_causes_to_effects_and_edges_pass_every_column_between():
    edges = [("a", "b"), ("b", "c"), ("a", "c"), ("d", "c")]
    found = placed(["a", "b", "c", "d"], edges)
    at = {key: number for number, column in enumerate(found.columns) for key in column}
    assert [at[key] for key in "abcd"] == [0, 1, 2, 1]
    for cause, effect in edges:
        route = found.routes[cause, effect]
        assert (route[0], route[-1]) == (cause, effect)
        assert [at[key] for key in route] == list(range(at[cause], at[effect] + 1))


def test_a_circle_and_an_empty_graph_are_drawn_too():
    found = placed(["a", "b"], [("a", "b"), ("b", "a")])
    assert sorted(key for column in found.columns for key in column) == ["a", "b"]
    assert picture(Graph("Nothing", [], [], "")).startswith("<svg ")


@pytest.mark.parametrize("seed", range(20))
def test_the_order_in_columns_has_no_more_crossings_than_the_order_given(seed):
    """Against counting all pairs of edges in the plainest way."""
    rng = random.Random(seed)
    left, right = [f"l{n}" for n in range(7)], [f"r{n}" for n in range(7)]
    edges = list(dict.fromkeys((rng.choice(left), rng.choice(right)) for _ in range(14)))

    def crossings(columns: list[list[str]]) -> int:
        place = {key: number for column in columns for number, key in enumerate(column)}
        return sum(
            (place[a] - place[c]) * (place[b] - place[d]) < 0 for (a, b), (c, d) in itertools.combinations(edges, 2)
        )

    nodes = [key for key in [*left, *right] if any(key in edge for edge in edges)]
    given = [[key for key in nodes if key[0] == side] for side in "lr"]
    assert crossings(placed(nodes, edges).columns) <= crossings(given)
