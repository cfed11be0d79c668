"""The shape of a pool: consistency of neighbours against a plain search, and the page of clusters."""

import re

import numpy as np
import pytest

from components.common.data.reader import ShardReader
from components.common.storage import open_store
from components.sample.cluster_page import PICTURES, clusters_page, shown_of
from components.sample.clusters import Clusters, clusters_of
from components.sample.shape import ASKED, K, neighbours_of
from components.sample.strategies.pool import Pool
from tests import tiny
from tests.sample.strategies.pools import blobs, pool_of, unit


def test_the_share_of_neighbours_is_that_of_a_plain_search():
    x = blobs(300, 16, 0)
    cluster = np.random.default_rng(0).integers(4, size=300)
    found = neighbours_of(pool_of(x), cluster)
    vectors = x.astype(np.float64)
    shares = []
    for row in range(300):
        others = sorted(set(range(300)) - {row}, key=lambda other: -(vectors[other] @ vectors[row]))
        shares.append(np.mean(cluster[others[:K]] == cluster[row]))
    assert found.share == pytest.approx(np.array(shares))
    assert (found.cluster == cluster).all()
    pairs = [cluster[i] == cluster[j] for i in range(300) for j in range(300) if i != j]
    assert found.chance == pytest.approx(np.mean(pairs))


def test_clusters_that_hold_all_neighbours_are_wholly_consistent_and_random_ones_as_by_chance():
    x = np.repeat(np.eye(4, 8), 50, axis=0) + unit(200, 8, 0) * 0.1
    x = (x / np.linalg.norm(x, axis=1, keepdims=True)).astype(np.float16)
    apart = neighbours_of(pool_of(x), np.repeat(np.arange(4), 50)).about()
    assert (apart["share"], apart["whole"], apart["images"]) == (1, 1, 200)
    assert apart["sentence"].startswith("Of the 10 nearest neighbours of an image, 100 % lie in its own cluster (by ")
    mixed = neighbours_of(pool_of(x), np.tile(np.arange(4), 50)).about()
    assert mixed["share"] == pytest.approx(mixed["chance"], abs=0.03)


def test_equal_at_any_number_of_threads_and_a_sample_of_many(tmp_path):
    np.save(tmp_path / "x.npy", unit(9000, 8, 0))
    mapped = np.load(tmp_path / "x.npy", mmap_mode="r")
    cluster = np.random.default_rng(0).integers(9, size=9000)
    one, two = (neighbours_of(pool_of(mapped, threads=threads), cluster) for threads in (1, 2))
    assert (one.share == two.share).all()
    assert len(one.share) == ASKED


def test_a_pool_of_one_image_has_no_neighbours():
    assert neighbours_of(pool_of(unit(1, 4, 0)), np.zeros(1, np.int64)).about() == {}


@pytest.fixture(scope="module")
def shown(tiny_world: tiny.World) -> tuple[str, Clusters, Pool]:
    x = np.load(tiny_world.embeddings / "embeddings.npy", mmap_mode="r")
    rows = tiny_world.data.rows("train")
    pool = Pool(x, rows, rows[:0], np.ones(len(rows), bool))
    clusters = clusters_of(pool, 10)
    reader = ShardReader(tiny_world.data, open_store(tiny_world.store))
    return clusters_page(tiny_world.data, reader, pool, clusters, neighbours_of(pool, clusters.of)), clusters, pool


def test_the_page_has_a_sheet_for_every_cluster_the_largest_first(shown):
    page, clusters, pool = shown
    sizes = np.bincount(clusters.of)
    numbers = [int(number) for number in re.findall(r'<h2 id="cluster-(\d+)">', page)]
    assert numbers == sorted(range(len(sizes)), key=lambda number: (-sizes[number], number))
    assert set(re.findall(r'href="#cluster-(\d+)"', page)) == {str(number) for number in range(len(sizes))}
    assert f"{sizes.max()} images ({100 * sizes.max() / len(pool):.1f} %); mean distance to the centre" in page
    assert "nearest neighbours of an image" in page
    assert len(numbers) < page.count("data:image/") <= PICTURES
    assert not re.search(r"""(src|href)\s*=\s*["']?(https?:)?//|<script|<link""", page)


def test_the_nearest_cluster_is_that_of_the_nearest_centre(shown):
    page, clusters, _ = shown
    sheet = page.partition('<h2 id="cluster-0">')[2]
    near = int(re.findall(r'href="#cluster-(\d+)"', sheet)[0])
    distances = np.linalg.norm(clusters.centres - clusters.centres[0], axis=1)
    assert near == np.argsort(distances)[1]


@pytest.mark.parametrize(
    ("clusters", "pictures"), [(1, (8, 4)), (40, (8, 4)), (100, (3, 1)), (400, (1, 0)), (900, (1, 0))]
)
def test_few_pictures_are_read_however_many_clusters_there_are(clusters, pictures):
    typical, edge = shown_of(np.arange(50), clusters)
    assert (len(typical), len(edge)) == pictures
    assert clusters * sum(pictures) <= max(PICTURES, clusters)
    assert typical.tolist() == list(range(pictures[0]))
    assert edge.tolist() == list(range(49, 49 - pictures[1], -1))


def test_no_picture_is_shown_twice_in_a_small_cluster():
    typical, edge = shown_of(np.arange(9), 10)
    assert sorted([*typical, *edge]) == list(range(9))
