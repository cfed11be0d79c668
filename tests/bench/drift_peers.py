"""The same two samples asked of alibi-detect, where it imports, and of the tests of the watch."""

import time
import warnings
from collections.abc import Callable, Mapping
from importlib.util import find_spec
from typing import Any

import numpy as np

from components.monitor.statistics.ks import ks
from components.monitor.statistics.mmd import mmd
from tests.bench.drift_looks import Seen

IMAGES = 500  # of each sample: at 2,000 their permutations take minutes
PERMUTATIONS = 100  # alibi-detect's default
LEVEL = 0.05  # of one test: of PERMUTATIONS, no p is below 0.01
REPEATS = 10

Stream = Callable[[int, int], Seen]
Test = Callable[[np.ndarray, np.ndarray, int], bool]


def beside(clean: Stream, streams: Mapping[str, Stream]) -> None:
    """clean, streams: so many images by a seed."""
    tests = {"MMD of the watch": ours_mmd, "KS of the watch, Bonferroni": ours_ks, **peers()}
    took: dict[str, float] = dict.fromkeys(tests, 0.0)
    print(f"a test's power at a level of {LEVEL}, {IMAGES} images in each sample, n={REPEATS}:")
    for name, stream in streams.items():
        found: dict[str, list[bool]] = {test: [] for test in tests}
        for seed in range(REPEATS):
            x, y = clean(IMAGES, seed + 2000).embeddings, stream(IMAGES, seed).embeddings
            for test, run in tests.items():
                began = time.perf_counter()
                found[test].append(run(x, y, seed))
                took[test] += time.perf_counter() - began
        print(f"  {name:18} " + ", ".join(f"{test} {np.mean(each):.0%}" for test, each in found.items()), flush=True)
    calls = REPEATS * len(streams)
    print(
        "  seconds a test: " + ", ".join(f"{test} {seconds / calls:.3f}" for test, seconds in took.items()), flush=True
    )


def ours_mmd(x: np.ndarray, y: np.ndarray, seed: int) -> bool:
    return mmd(x, y, LEVEL, seed).p <= LEVEL


def ours_ks(x: np.ndarray, y: np.ndarray, seed: int) -> bool:
    return bool(ks(x, y)[1].min() <= LEVEL / x.shape[1])


def peers() -> dict[str, Test]:
    if find_spec("alibi_detect") is None:
        print("alibi-detect is not installed beside this project: not compared")
        return {}
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        from alibi_detect.cd import KSDrift, MMDDrift

    def asked(detector: Any, y: np.ndarray) -> bool:
        return bool(detector.predict(y)["data"]["is_drift"])

    return {
        f"alibi-detect's MMD, {PERMUTATIONS} permutations": lambda x, y, seed: asked(
            MMDDrift(x, backend="pytorch", p_val=LEVEL, n_permutations=PERMUTATIONS, device="cpu"), y
        ),
        "alibi-detect's KS, Bonferroni": lambda x, y, seed: asked(KSDrift(x, p_val=LEVEL), y),
    }
