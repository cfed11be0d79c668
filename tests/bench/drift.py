"""What the watch sees and what it makes of nothing: false alarms over years of looks, power against changes of real
digits, errors of estimates without labels, time and memory of a large look. See `drifted` for the images.

alibi-detect is asked beside it where it imports. Its 0.13 wants an older NumPy and Pillow than this project, so it
can not be an extra; `pip install --no-deps` of it and of what it imports is enough.
"""

import multiprocessing
from collections.abc import Callable
from concurrent.futures import ProcessPoolExecutor
from functools import partial

import numpy as np
from threadpoolctl import threadpool_limits

from components.common.cores import cores
from components.common.metrics import confusion_matrix
from components.monitor.signals import predictions
from components.monitor.statistics import expected
from components.monitor.statistics.shares import estimate_shares
from tests.bench.drift_looks import FEATURES, LARGE, LEVEL, REFERENCE, Seen, large, look
from tests.bench.drift_peers import beside
from tests.bench.drifted import digits
from tests.bench.machine import spread

YEARS, LOOKS = 500, 52
SIZES = (500, 2000)  # images of a look
REPEATS = 10
SWOLLEN = 8  # the digit whose share grows

Stream = Callable[[int, int], Seen]  # of so many images, by a seed
Found = tuple[str, float, float, bool]  # name of a test, p, level, whether it is an alarm

pool: Seen  # the clean images, in each process of the crew


def main() -> None:
    expected.DRAWS = 1  # of its estimates the values are told, not the intervals
    clean, changed = digits()
    with ProcessPoolExecutor(cores(), multiprocessing.get_context("spawn"), alone, (clean,)) as crew:
        false_alarms(list(crew.map(year, range(YEARS), chunksize=5)))
        streams: dict[str, Stream] = {
            "nothing": partial(drawn, clean),
            **{name: partial(drawn, images) for name, images in changed.items()},
            **{f"a class +{points} points": partial(swollen, clean, points) for points in (5, 10)},
        }
        for name, stream in streams.items():
            power(name, stream, clean, crew)
    shares_error(clean)
    beside(partial(drawn, clean), streams)
    with ProcessPoolExecutor(1, multiprocessing.get_context("spawn")) as crew:
        seconds, peak = crew.submit(large).result()
    print(
        f"a look at {LARGE:,} embeddings of {FEATURES} numbers, all drifted, reference of {REFERENCE:,}: {seconds:.1f} "
        f"s, {peak / 2**20:,.0f} MiB at most, the embeddings' {LARGE * FEATURES * 2 / 2**20:,.0f} MiB among them",
        flush=True,
    )


def alone(clean: Seen) -> None:
    """Begin a process of the crew: one thread, and without the intervals, which no alarm depends on."""
    global pool
    pool = clean
    threadpool_limits(1)
    predictions.DRAWS = expected.DRAWS = 1


def year(seed: int) -> list[list[Found]]:
    """All tests of 52 looks without drift: reference (300 images) and looks (100 each) are draws with replacement from
    the clean images, so from one distribution.
    """
    reference = drawn(pool, 300, seed)
    looks = [look(reference, drawn(pool, 100, 1000 * (seed + 1) + week), seed) for week in range(LOOKS)]
    return [[(each.name, each.p, each.level, each.alarm) for each in found] for found in looks]


def false_alarms(years: list[list[list[Found]]]) -> None:
    tests = [[each for found in looks for each in found] for looks in years]
    significant = np.mean([any(p <= level for _, p, level, _ in one) for one in tests])
    alarms = np.mean([any(alarm for *_, alarm in one) for one in tests])
    asked = LOOKS * LEVEL
    print(
        f"no drift, {len(years)} years of {LOOKS} looks: a significant test in {significant:.1%} of the years, an "
        f"alarm in {alarms:.1%} (asked: {asked:.1%} at most, ± {np.sqrt(asked * (1 - asked) / len(years)):.1%})"
    )
    for name in sorted({name for name, *_ in tests[0]}):
        p = np.array([p for one in tests for called, p, *_ in one if called == name])
        shares = ", ".join(f"{(p <= level).mean():.5f} at {level}" for level in (0.001, 0.01, 0.05))
        print(f"  {name:14} share of {len(p):,} looks with a p that small: {shares}", flush=True)


def power(name: str, stream: Stream, clean: Seen, crew: ProcessPoolExecutor) -> None:
    for size in SIZES:
        references = [drawn(clean, REFERENCE, seed + 100) for seed in range(REPEATS)]
        streams = [stream(size, seed) for seed in range(REPEATS)]
        looks = list(crew.map(look, references, streams))
        alarms = np.mean([any(each.alarm for each in found) for found in looks])
        by_test = {each.name: 0.0 for each in looks[0]}
        for each in (each for found in looks for each in found):
            by_test[each.name] += each.alarm / REPEATS
        shown = ", ".join(f"{test} {share:.0%}" for test, share in by_test.items() if share) or "none"
        atc, doc = np.mean([accuracy_error(*pair, 0) for pair in zip(references, streams, strict=True)], axis=0)
        print(
            f"{name:18} {size:5,} images: alarm {alarms:4.0%} (n={REPEATS}; {shown}); expected accuracy is off by "
            f"{100 * atc:.1f} (ATC), {100 * doc:.1f} points (DoC)",
            flush=True,
        )


def drawn(images: Seen, size: int, seed: int) -> Seen:
    return images.rows(np.random.default_rng([seed, size]).integers(0, len(images.labels), size))


def swollen(images: Seen, points: int, size: int, seed: int) -> Seen:
    """With so many points more of one digit."""
    share = np.mean(images.labels == SWOLLEN)
    grown = share + points / 100
    weights = np.where(images.labels == SWOLLEN, grown / share, (1 - grown) / (1 - share))
    rows = np.random.default_rng([seed, size, points]).choice(len(weights), size, p=weights / weights.sum())
    return images.rows(rows)


def accuracy_error(reference: Seen, stream: Seen, seed: int) -> list[float]:
    """How far ATC and DoC are from the true accuracy of the images."""
    held = reference.confidence, reference.predicted == reference.labels
    true = float(np.mean(stream.predicted == stream.labels))
    ways = (expected.atc, expected.doc)
    return [abs(way(*held, stream.confidence, 0.95, seed).value - true) for way in ways]


def shares_error(clean: Seen) -> None:
    """Estimated and predicted shares against the true ones of the images."""
    for points in (5, 10):
        grown = np.mean(clean.labels == SWOLLEN) + points / 100
        for size in SIZES:
            errors, plain, inside = [], [], []
            for seed in range(10 * REPEATS):
                reference, stream = drawn(clean, REFERENCE, seed + 1000), swollen(clean, points, size, seed)
                confusion = confusion_matrix(reference.labels, reference.predicted, 10)
                true, predicted = (np.bincount(each, minlength=10) for each in (stream.labels, stream.predicted))
                found = estimate_shares(confusion, predicted, 0.95, 500, seed)
                errors.append(abs(found.shares[SWOLLEN] - true[SWOLLEN] / size))
                plain.append(abs(predicted[SWOLLEN] - true[SWOLLEN]) / size)
                inside.append(found.low[SWOLLEN] <= grown <= found.high[SWOLLEN])
            print(
                f"a class +{points} points, {size:5,} images: its estimated share is off by {spread(errors, 100, 2)} "
                f"points, its predicted share by {spread(plain, 100, 2)}; the interval of 95 % holds the true one in "
                f"{np.mean(inside):.0%}",
                flush=True,
            )
