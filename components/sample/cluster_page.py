"""The page of clusters: what the pool looks like, cluster by cluster, before anybody labels."""

from io import BytesIO

import numpy as np

from components.common.artifacts import Dataset
from components.common.data.images import decode
from components.common.data.reader import ShardReader
from components.common.html import TINY, escape, figures, note, page, thumbnails
from components.sample.clusters import Clusters
from components.sample.shape import Neighbours
from components.sample.strategies.clusters import members_of
from components.sample.strategies.distances import squared
from components.sample.strategies.pool import Pool

PICTURES = 480  # of all clusters together
TYPICAL, EDGE = 8, 4  # of one cluster, at most
NEAREST = 3  # other clusters that are named
FEW = 3  # images asked of a cluster, below which its share is not told
SIDE = 160  # pixels of a picture that was larger
MAX_PIXELS = 1_000_000_000  # ingest has refused what is too large
STYLE = """<style>
.jump { display: flex; flex-wrap: wrap; gap: 8px; margin: 12px 0 }
.jump a, .near a { color: inherit; text-decoration: none; border: 1px solid var(--line); border-radius: 8px;
  background: var(--card); padding: 3px 10px; font-size: 13px; font-variant-numeric: tabular-nums; white-space: nowrap }
.jump a span { color: var(--faint); padding-left: 6px }
.jump a:hover, .near a:hover { border-color: var(--accent) }
.near { margin: 8px 0 14px; line-height: 2.2; color: var(--faint) }
.sides { display: flex; flex-wrap: wrap; gap: 8px 40px }
.sides h3 { margin-top: 8px }
</style>
"""


def clusters_page(dataset: Dataset, reader: ShardReader, pool: Pool, clusters: Clusters, neighbours: Neighbours) -> str:
    """A self-contained page with a sheet for each cluster, the largest first: size, tightness, nearest others, the
    images nearest to its centre and farthest from it. At most PICTURES are read: the more clusters, the fewer of each.
    """
    members = members_of(clusters.of)
    order = sorted(range(len(members)), key=lambda number: (-len(members[number]), number))
    centres = clusters.centres.astype(np.float64)
    apart = np.sqrt(squared(centres, centres))
    np.fill_diagonal(apart, np.inf)
    sections = [("", STYLE + _overview(len(pool), members, clusters, neighbours) + _jump(order, members))]
    sections += [("", _sheet(number, dataset, reader, pool, clusters, members, apart, neighbours)) for number in order]
    lead = (
        f"{len(pool):,} images of {dataset.name} that may be labelled for training, in {len(members):,} clusters of "
        "like embeddings. No label was used."
    )
    return page("Clusters", sections, lead)


def _overview(images: int, members: list[np.ndarray], clusters: Clusters, neighbours: Neighbours) -> str:
    sizes = [len(group) for group in members]
    about = neighbours.about()
    shown: list[tuple[str, object]] = [
        ("images", images),
        ("clusters", len(members)),
        ("images in the largest", max(sizes)),
        ("images in the smallest", min(sizes)),
        ("mean distance to the centre", f"{clusters.distance.mean():.2f}"),
    ]
    if about:
        shown.append((f"of {about['k']} neighbours in the same cluster", f"{100 * about['share']:.0f} %"))
    told = [
        about.get("sentence", ""),
        "Where neighbours stay together, a label for one image of a cluster says much about the others; where they do "
        "not, a cluster holds several kinds. A distance is 0 between equal embeddings and 1.41 between unrelated ones.",
    ]
    return figures(shown) + "".join(note(text) for text in told if text)


def _jump(order: list[int], members: list[np.ndarray]) -> str:
    """Links to all sheets, with the sizes."""
    links = [f'<a href="#cluster-{number}">{number}<span>{len(members[number]):,}</span></a>' for number in order]
    return note("Clusters by size, each with its number of images:") + f'<nav class="jump">{"".join(links)}</nav>'


def _sheet(
    number: int,
    dataset: Dataset,
    reader: ShardReader,
    pool: Pool,
    clusters: Clusters,
    members: list[np.ndarray],
    apart: np.ndarray,
    neighbours: Neighbours,
) -> str:
    """One cluster. apart: distances between the centres."""
    group = members[number]
    line = group[np.argsort(clusters.distance[group], kind="stable")]
    typical, edge = shown_of(line, len(members))
    asked = neighbours.share[neighbours.cluster == number]
    stay = f"; {100 * asked.mean():.0f} % of neighbours stay inside" if len(asked) >= FEW else ""
    told = (
        f"{len(group):,} {'image' if len(group) == 1 else 'images'} ({100 * len(group) / len(pool):.1f} %); "
        f"mean distance to the centre {clusters.distance[group].mean():.2f}{stay}"
    )
    near = np.argsort(apart[number], kind="stable")[: min(NEAREST, len(members) - 1)]
    links = [f'<a href="#cluster-{other}">{other}</a> at {apart[number, other]:.2f}' for other in near.tolist()]
    parts = [f'<h2 id="cluster-{number}">Cluster {number}</h2>', note(told)]
    if links:
        parts.append(f'<p class="near">Nearest clusters: {", ".join(links)}</p>')
    sides = [
        f"<div><h3>{escape(name)}</h3>{_pictures(positions, dataset, reader, pool, clusters)}</div>"
        for name, positions in (("Typical", typical), ("At the edge", edge))
        if len(positions)
    ]
    return "\n".join([*parts, f'<div class="sides">{"".join(sides)}</div>'])


def shown_of(line: np.ndarray, clusters: int) -> tuple[np.ndarray, np.ndarray]:
    """Of a cluster's positions, nearest to the centre first, those that are typical and those at the edge (farthest
    first), no more than their share of PICTURES.
    """
    share = max(1, PICTURES // clusters)
    edge = min(EDGE, share // 3)
    typical = min(TYPICAL, share - edge)
    return line[:typical], line[typical:][::-1][:edge]


def _pictures(positions: np.ndarray, dataset: Dataset, reader: ShardReader, pool: Pool, clusters: Clusters) -> str:
    return thumbnails(
        (_small(reader.image_bytes(int(pool.rows[place])), dataset.mode), f"{clusters.distance[place]:.2f}")
        for place in positions.tolist()
    )


def _small(data: bytes, mode: str) -> bytes:
    """The picture itself where it is tiny, else a JPEG of at most SIDE pixels."""
    image = decode(data, mode, MAX_PIXELS)
    if max(image.size) <= TINY:
        return data
    image.thumbnail((SIDE, SIDE))
    text = BytesIO()
    image.save(text, format="JPEG", quality=82)
    return text.getvalue()
