"""Two and four processes learn what one learns of the whole batch: loss, gradient, statistics, steps."""

import math
import multiprocessing
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor
from torch.nn import functional as F

from components.common.learning.collective import Part
from components.common.storage import FolderStore
from components.pretrain.ntxent import nt_xent
from tests import tiny
from tests.pretrain.together import BATCH, process, random, work

Results = list[dict[str, Any]]


@pytest.fixture(scope="module")
def alone(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    folder = tmp_path_factory.mktemp("alone")
    before = torch.get_num_threads()
    work(folder / "1", FolderStore(folder / "store"))
    torch.set_num_threads(before)
    return dict(np.load(folder / "1" / "0.npz"))


@pytest.fixture(scope="module", params=[2, 4])
def together(
    request: pytest.FixtureRequest, tiny_world: tiny.World, tmp_path_factory: pytest.TempPathFactory
) -> Results:
    folder = tmp_path_factory.mktemp("together")
    count = request.param
    spawn = multiprocessing.get_context("spawn")
    given = (count, folder, tiny_world.dataset, tiny_world.store)
    processes = [spawn.Process(target=process, args=(number, *given)) for number in range(count)]
    for each in processes:
        each.start()
    for each in processes:
        each.join(120)
        each.kill()
    assert [each.exitcode for each in processes] == [0] * count
    results = [dict(np.load(folder / str(count) / f"{number}.npz")) for number in range(count)]
    if count == 2:
        for number in range(2):
            results[number]["dali"] = dict(np.load(folder / "2" / f"dali-{number}.npz"))
    return results


def joined(results: Results, name: str, axis: int = 0) -> np.ndarray:
    return np.concatenate([result[name] for result in results], axis=axis)


def slow_loss(z: Tensor, temperature: float) -> Tensor:
    """Equation 1 of Chen et al. 2020 over all pairs, one by one; z: (2, n, features)."""
    rows = [F.normalize(row, dim=0) for row in z.flatten(0, 1)]
    n = len(rows) // 2
    total = z.new_zeros(())
    for i in range(2 * n):
        others = sum(((rows[i] @ rows[k]) / temperature).exp() for k in range(2 * n) if k != i)
        total = total - (((rows[i] @ rows[(i + n) % (2 * n)]) / temperature).exp() / others).log()
    return total / (2 * n)


def test_rows_are_shared_out_without_a_gap(together):
    bounds = [(int(result["start"]), int(result["stop"])) for result in together]
    assert [stop for _, stop in bounds[:-1]] == [start for start, _ in bounds[1:]]
    assert (bounds[0][0], bounds[-1][1]) == (0, BATCH)
    assert {stop - start for start, stop in bounds} == {BATCH // len(together), BATCH // len(together) + 1}


def test_loss_and_gradient_are_those_of_the_union_and_of_the_paper(together, alone):
    z = random(2, BATCH, 5).double().requires_grad_()
    loss = slow_loss(z, 0.3)
    loss.backward()
    expected = pytest.approx(float(loss.detach()), rel=1e-6)
    assert sum(float(result["loss_share"]) for result in together) == expected
    assert float(alone["loss_share"]) == expected
    for found in (joined(together, "loss_gradient", axis=1), alone["loss_gradient"]):
        np.testing.assert_allclose(found, z.grad.numpy(), atol=1e-7, rtol=1e-5)  # type: ignore[union-attr]
    assert {float(result["spread"]) for result in together} == {float(alone["spread"])}


def test_a_part_of_identical_views_costs_its_share_of_the_negatives():
    z = torch.eye(8)
    mine = Part(0, 8, 8)
    assert float(nt_xent(z, z, 0.5, mine)) == pytest.approx(math.log(1 + 14 * math.exp(-2)), rel=1e-5)


def test_batch_normalisation_is_over_all_rows(together, alone):
    np.testing.assert_allclose(joined(together, "norm"), alone["norm"], atol=2e-4)
    np.testing.assert_allclose(joined(together, "norm_gradient"), alone["norm_gradient"], atol=2e-4, rtol=1e-3)
    for name in ("norm_sum", "norm_weight", "norm_bias", "norm_mean", "norm_var"):
        for result in together:
            np.testing.assert_allclose(result[name], alone[name], rtol=2e-4, atol=2e-4, err_msg=name)


def test_views_are_those_that_one_process_makes_of_the_batch(together, alone):
    np.testing.assert_allclose(joined(together, "changed"), alone["changed"], atol=1e-6)


def test_steps_lead_where_one_process_goes_and_all_end_with_equal_weights(together, alone):
    for name, value in alone.items():
        if name.startswith("trained."):
            np.testing.assert_allclose(together[0][name], value, rtol=1e-3, atol=1e-4, err_msg=name)
            assert all(np.array_equal(result[name], together[0][name]) for result in together)
    np.testing.assert_allclose(together[0]["history"], alone["history"], rtol=1e-4)
    # knn_accuracy is the first one's
    assert all(np.array_equal(result["history"], together[0]["history"]) for result in together)


def test_the_first_speaks_for_all(together):
    assert all(
        result["told"].tobytes() == b"first" and result["nothing"] and result["shared"] and result["no_checkpoint"]
        for result in together
    )


def test_dali_loads_each_process_its_part_of_every_step(together):
    if len(together) == 2:
        first, second = (result["dali"] for result in together)
        assert int(first["steps"]) == int(second["steps"]) == 50 // BATCH
        assert (len(first["first"]), len(second["first"])) == (4 * 5, 4 * 6)
        assert not np.array_equal(first["first"], second["first"][:20])
