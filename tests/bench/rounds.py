"""Which labels teach most, on all of MNIST: every strategy against chance, rounds against all at once, rare classes.

`python -m tests.bench.rounds --cache FOLDER` keeps the embeddings, so that the tables can be printed again without
pretraining. Nothing in it was chosen by looking at the test images.
"""

import argparse
import statistics
import tempfile
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor
from functools import partial
from multiprocessing import get_context
from pathlib import Path
from typing import TypeVar

import numpy as np

from components.sample.settings import SampleSettings
from components.sample.strategies.pool import Pool
from tests.bench.machine import machine
from tests.bench.mnist import Embedded, embedded
from tests.bench.picking import COLD, GREEDY, WARM, accuracy, buy, choose, whole

SEEDS = range(5)
BUDGETS = (10, 20, 50, 100)
SHARE = 3  # each seed has one in so many images of the pool, so that strategies without a draw vary too
ROUNDS, SIZE = 5, 20
PLANS = (
    ("random", 1, False),
    ("typiclust", 1, False),
    ("typiclust", ROUNDS, False),
    ("typiclust", ROUNDS, True),
    ("tcm", ROUNDS, False),
    ("tcm", ROUNDS, True),
)
RARE, ONE_IN = 3, 100  # digits of which there is one for a hundred of each other
HUNTS = (
    ("random", False),
    ("typiclust", False),
    ("typiclust", True),
    ("kcenter", False),
    ("margin", False),
    ("margin", True),
)
MOST = 400  # labels at which the search for rare digits is given up
DEFAULT = SampleSettings().strategy
Result = TypeVar("Result")


def main(cache: Path | None = None) -> None:
    with tempfile.TemporaryDirectory(prefix="gleaner-bench-") as scratch:
        folder = cache or Path(scratch)
        data = embedded(folder)
        print(
            f"MNIST: a pool of {len(data.pool):,} images, a SimCLR encoder pretrained on them without labels; accuracy "
            f"of a logistic probe on the {len(data.test):,} images of the official test set; mean ± standard deviation "
            f"over {len(SEEDS)} seeds, each with a random third of the pool",
            flush=True,
        )
        with ProcessPoolExecutor(2, get_context("spawn")) as processes:
            for table in (strategies, in_rounds, rare_digits):
                table(partial(over, processes, folder))


def over(
    processes: ProcessPoolExecutor, folder: Path, one: Callable[..., Result], cases: Sequence[tuple]
) -> Iterator[list[Result]]:
    """`one(data, seed, *case)` of every seed, case by case."""
    waiting = [[processes.submit(_one, one, folder, seed, case) for seed in SEEDS] for case in cases]
    for futures in waiting:
        yield [future.result() for future in futures]


def _one(one: Callable[..., Result], folder: Path, seed: int, case: tuple) -> Result:
    return one(embedded(folder), seed, *case)


def strategies(run: Callable) -> None:
    """Table 1."""
    print(f"\n  {'chosen labels':13}" + "".join(f"{budget:>22}" for budget in BUDGETS))
    names = (*COLD, *WARM)
    chance: list[float] = []
    whole_sets = {}
    for name, seeds in zip(names, run(curve, [(name,) for name in names]), strict=True):
        values = [[seed[budget][0] for seed in seeds] for budget in BUDGETS]
        chance = chance or [statistics.mean(each) for each in values]  # random is the first
        cells = [
            f"{told(each, 100)} % {statistics.mean(each) / base:>6.2f}x"
            for each, base in zip(values, chance, strict=True)
        ]
        print(f"  {name:13}" + "".join(f"{cell:>22}" for cell in cells), flush=True)
        whole_sets[name] = sum(seed[BUDGETS[0]][1] == 10 for seed in seeds)
    print(f"  seeds, of {len(SEEDS)}, with all ten digits among {BUDGETS[0]} labels:", end=" ")
    print(", ".join(f"{name} {whole_sets[name]}" for name in COLD))
    print(f"  those with a classifier begin with {BUDGETS[0]} picks of {DEFAULT}", flush=True)


def curve(data: Embedded, seed: int, name: str) -> dict[int, tuple[float, int]]:
    """Accuracy and number of different digits at each budget."""
    pool, digits = drawn(data, seed)
    order = choose(name, pool, BUDGETS[-1], digits) if name in GREEDY else None
    result = {}
    for budget in BUDGETS:
        if order is not None:
            picks = order[:budget]
        elif name in COLD:
            picks = choose(name, pool, budget, digits)
        else:
            known = len(pool.labelled)
            pool = buy(pool, choose(name if known else DEFAULT, pool, budget - known, digits))
            picks = pool.labelled
        result[budget] = (measured(data, pool, digits, picks), len(set(digits[picks].tolist())))
    return result


def in_rounds(run: Callable) -> None:
    """Table 2."""
    print(f"\n  {f'{ROUNDS * SIZE} labels':39} {'accuracy':>14}   labels of the rarest digit")
    for (name, rounds, balance), seeds in zip(PLANS, run(rounds_of, PLANS), strict=True):
        how = f"{rounds} rounds of {SIZE}{' with balance' if balance else ''}" if rounds > 1 else "at once"
        rarest = told([count for _, count in seeds], 1)
        print(f"  {name:10} {how:26} {told([value for value, _ in seeds], 100):>14} %   {rarest}", flush=True)


def rounds_of(data: Embedded, seed: int, name: str, rounds: int, balance: bool) -> tuple[float, int]:
    """Accuracy, and labels of the digit with the fewest."""
    pool, digits = drawn(data, seed)
    for _ in range(rounds):
        first = name if name in COLD or len(pool.labelled) else DEFAULT
        pool = buy(pool, choose(first, pool, ROUNDS * SIZE // rounds, digits, balance))
    return measured(data, pool, digits, pool.labelled), int(np.bincount(digits[pool.labelled], minlength=10).min())


def rare_digits(run: Callable) -> None:
    """Table 3."""
    print(f"\n  labels until all of {RARE} digits are found of which there is one for {ONE_IN} of each other, by seed")
    for (name, balance), seeds in zip(HUNTS, run(hunt, HUNTS), strict=True):
        each = ", ".join(f"{count}" if count else f"over {MOST}" for count in seeds)
        middle = statistics.median(count or np.inf for count in seeds)
        told_middle = f"{middle:.0f}" if np.isfinite(middle) else f"over {MOST}"
        print(f"  {name:10} {'with balance' if balance else '':14} median {told_middle:9} ({each})", flush=True)


def hunt(data: Embedded, seed: int, name: str, balance: bool) -> int | None:
    """Labels bought, in rounds, until every rare digit has one; None where MOST do not do; chance is not given up."""
    pool, digits = drawn(data, seed)
    rng = np.random.default_rng(seed)
    rare = rng.choice(10, RARE, replace=False)
    kept = ~np.isin(digits, rare) | (rng.random(len(digits)) < 1 / ONE_IN)
    pool, digits = whole(pool.vectors, pool.rows[kept], seed), digits[kept]
    missing = set(rare.tolist())
    bought = 0
    while missing and (bought < MOST or name == "random"):
        size = len(pool) if name == "random" else SIZE
        picks = choose(name if name in COLD or bought else DEFAULT, pool, size, digits, balance)
        for number, digit in enumerate(digits[picks].tolist(), bought + 1):
            missing.discard(digit)
            if not missing:
                return number
        pool = buy(pool, picks)
        bought += len(picks)
    return None


def drawn(data: Embedded, seed: int) -> tuple[Pool, np.ndarray]:
    """The pool of a seed, and what its images show."""
    order = np.random.default_rng(seed).permutation(len(data.pool))
    rows = np.sort(order[: len(order) // SHARE])
    return whole(data.pool, rows, seed), data.pool_digits[rows]


def measured(data: Embedded, pool: Pool, digits: np.ndarray, picks: np.ndarray) -> float:
    return accuracy(pool.take(picks), digits[picks], data.test, data.test_digits)


def told(values: list[float], scale: float) -> str:
    scaled = [value * scale for value in values]
    return f"{statistics.mean(scaled):.1f} ± {statistics.stdev(scaled):.1f}"


if __name__ == "__main__":
    parser = argparse.ArgumentParser(prog="python -m tests.bench.rounds", description=__doc__)
    parser.add_argument("--cache", type=Path, metavar="FOLDER", help="where embeddings are kept")
    print(f"machine: {machine()}\n", flush=True)
    main(parser.parse_args().cache)
