"""TCM against the two strategies it is made of, before, at and after the switch."""

import numpy as np
import pytest

from components.sample.strategies import tcm as module
from components.sample.strategies.tcm import tcm
from components.sample.strategies.typiclust import typiclust
from tests.sample.strategies.classified import NAMES, said
from tests.sample.strategies.pools import blobs, check_rules, pool_of, split


def slow_margin(p: np.ndarray, free: list[int], budget: int) -> list[int]:
    def gap(position: int) -> float:
        best = sorted(p[position].tolist())
        return round(best[-1] - best[-2], 6)

    return sorted(free, key=lambda position: (gap(position), position))[:budget]


@pytest.mark.parametrize("labels", [0, 6, 25])
@pytest.mark.parametrize("budget", [4, 9, 200])
def test_typical_ones_up_to_five_labels_per_class_then_the_margin(labels, budget):
    labelled, closed = split(80, labels, 5, 2)
    pool = pool_of(blobs(80, 6, 1), labelled, closed)
    p = said(pool, 2)
    picks, reasons = tcm(pool, budget, 5, p, NAMES[:2])
    few = min(budget, max(0, 10 - labels))
    typical = typiclust(pool, few, 5)
    left = sorted(set(np.flatnonzero(pool.free).tolist()) - set(typical.positions.tolist()))
    assert picks.tolist() == typical.positions.tolist() + slow_margin(p, left, budget - few)
    assert [reason.startswith("typical") for reason in reasons] == [True] * few + [False] * (len(picks) - few)


def test_without_a_classifier_all_are_typical():
    pool = pool_of(blobs(60, 6, 1), [1, 2])
    assert tcm(pool, 30, 5, None, ()).positions.tolist() == typiclust(pool, 30, 5).positions.tolist()


def test_labels_outside_of_the_pool_count():
    pool = pool_of(blobs(60, 6, 1), [1, 2])
    p = said(pool, 2)
    assert tcm(pool, 5, 5, p, NAMES[:2]).reasons[0].startswith("typical")
    assert tcm(pool, 5, 5, p, NAMES[:2], labels=10).reasons[0].startswith("between")


def test_the_rules_of_all_strategies(tmp_path, monkeypatch):
    monkeypatch.setattr(module, "TYPICAL", 4)  # 7 labels of 4 classes: most rounds have picks of both kinds
    check_rules(lambda pool, budget: tcm(pool, budget, 5, said(pool), NAMES[:4]), tmp_path)
