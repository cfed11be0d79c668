"""Batches and places: who goes together, and what is told when all places are taken."""

import asyncio
import threading
from collections.abc import Awaitable, Callable

import numpy as np
import pytest

from components.releases.model import Answers, ReleasedModel
from components.serve.engine.admission import FEWEST, LONGEST, Admission
from components.serve.engine.batching import Batcher
from components.serve.engine.errors import RefusedError


class Held:
    """A release that waits until it may answer, and notes its batches; its answer for an image is its first pixel."""

    def __init__(self) -> None:
        self.may = threading.Event()
        self.begun = threading.Event()
        self.batches: list[int] = []
        self.breaks = False

    def run(self, pixels: np.ndarray) -> Answers:
        self.begun.set()
        self.may.wait(10)
        self.batches.append(len(pixels))
        if self.breaks:
            raise RuntimeError("out of order")
        first = pixels.reshape(len(pixels), -1)[:, :1].astype(np.float32)
        return Answers(first, first.astype(np.float64), first)


def tensor(*values: int) -> np.ndarray:
    return np.array(values, np.uint8).reshape(-1, 1, 1, 1)


def asked(most: int, ask: Callable[[Batcher], Awaitable[None]], wait: float = 0) -> list[int]:
    """What `ask` does with a batcher; returns the batches that were counted."""
    ran: list[int] = []
    with Batcher(most, wait, ran.append) as batcher:
        asyncio.run(ask(batcher))  # type: ignore[arg-type]
    return ran


def test_what_arrives_during_a_run_goes_together_and_each_gets_its_own() -> None:
    release = Held()

    async def ask(batcher: Batcher) -> None:
        first = asyncio.create_task(batcher.answer(release, tensor(1)))  # type: ignore[arg-type]
        await asyncio.to_thread(release.begun.wait)
        others = [
            asyncio.create_task(batcher.answer(release, tensor(*each)))  # type: ignore[arg-type]
            for each in ([2], [3, 4], [5])
        ]
        await asyncio.sleep(0.05)
        release.may.set()
        found = [(await each).logits.ravel().tolist() for each in (first, *others)]
        assert found == [[1], [2], [3, 4], [5]]

    assert asked(8, ask) == [1, 4]


def test_a_batch_is_never_larger_than_it_may_be() -> None:
    release = Held()
    release.may.set()

    async def ask(batcher: Batcher) -> None:
        tasks = [batcher.answer(release, tensor(n, n + 1, n + 2)) for n in range(20)]  # type: ignore[arg-type]
        found = await asyncio.gather(*tasks, batcher.answer(release, tensor(*range(11))))  # type: ignore[arg-type]
        assert [each.logits.ravel().tolist() for each in found] == [
            *([n, n + 1, n + 2] for n in range(20)),
            [*range(11)],
        ]

    ran = asked(4, ask)
    assert max(ran) <= 4
    assert sum(ran) == 71


def test_a_wait_fills_a_batch_and_ends_when_it_is_full() -> None:
    release = Held()
    release.may.set()

    async def ask(batcher: Batcher) -> None:
        async def later(number: int) -> None:
            await asyncio.sleep(0.02 * number)
            await batcher.answer(release, tensor(number))  # type: ignore[arg-type]

        await asyncio.wait_for(asyncio.gather(*(later(n) for n in range(4))), 9)

    assert asked(4, ask, wait=10) == [4]


def test_two_releases_never_share_a_batch() -> None:
    old, new = Held(), Held()
    new.may.set()

    async def ask(batcher: Batcher) -> None:
        tasks = [asyncio.create_task(batcher.answer(old, tensor(1)))]  # type: ignore[arg-type]
        await asyncio.to_thread(old.begun.wait)
        tasks += [
            asyncio.create_task(batcher.answer(each, tensor(n)))  # type: ignore[arg-type]
            for n, each in enumerate([old, new, new, old, new])
        ]
        await asyncio.sleep(0.05)
        old.may.set()
        await asyncio.gather(*tasks)

    asked(8, ask)
    assert (old.batches, new.batches) == ([1, 1, 1], [2, 1])


def test_a_run_that_fails_is_told_to_who_asked_and_the_next_is_answered() -> None:
    release = Held()
    release.may.set()

    async def ask(batcher: Batcher) -> None:
        release.breaks = True
        with pytest.raises(RuntimeError, match="out of order"):
            await batcher.answer(release, tensor(1))  # type: ignore[arg-type]
        release.breaks = False
        assert (await batcher.answer(release, tensor(7))).logits.ravel().tolist() == [7]  # type: ignore[arg-type]

    asked(4, ask)


def test_a_batch_answers_as_one_image_at_a_time(released: ReleasedModel, pictures: list[bytes]) -> None:
    pixels = np.stack([released.preprocessing.pixels(each) for each in pictures[:40]])

    async def ask(batcher: Batcher) -> None:
        found = await asyncio.gather(*(batcher.answer(released, each[None]) for each in pixels))
        together = np.concatenate([each.probabilities for each in found])
        assert np.abs(together - released.run(pixels).probabilities).max() < 1e-6

    asked(16, ask)


def test_places_are_bounded_and_given_back() -> None:
    admission = Admission(3, 100, 9)
    with admission.place(60) as first:
        with pytest.raises(RefusedError, match="try again") as refused, admission.place(60):
            pass
        assert refused.value.status == 429
        assert (admission.images, admission.bytes) == (1, 60)
        first.holds(3)
        assert admission.is_full
        with pytest.raises(RefusedError), admission.place(1):
            pass
    assert (admission.images, admission.bytes) == (0, 0)
    with admission.place(10) as place:
        with pytest.raises(RefusedError):
            place.holds(4)
        with pytest.raises(RefusedError):
            place.take(0, 91)
    assert (admission.images, admission.bytes) == (0, 0)


@pytest.mark.parametrize(("pace", "expected"), [(0.0, "1"), (0.1, "5"), (0.11, "6"), (100.0, str(LONGEST))])
def test_who_is_sent_away_is_told_when_those_before_are_done(pace: float, expected: str) -> None:
    admission = Admission(50, 100, 9)
    with admission.place(0) as place:
        place.holds(50)
        admission.pace = pace
        assert admission.busy().headers == {"retry-after": expected}


def test_who_would_wait_too_long_is_sent_away_though_there_are_places() -> None:
    admission = Admission(100, 100, 2)
    with admission.place(0) as place:
        place.holds(FEWEST - 1)
        admission.pace = 1.0
        assert not admission.is_full, "a few may always come"
        place.holds(20)
        assert admission.is_full
        admission.pace = 0.1
        assert not admission.is_full
        place.holds(21)
        with pytest.raises(RefusedError, match="try again in 3 s"), admission.place(0):
            pass
    with admission.place(0) as place:
        place.holds(40)  # a request of many is no reason to refuse it


def test_idle_time_says_nothing_of_the_pace(monkeypatch: pytest.MonkeyPatch) -> None:
    now = [100.0]
    monkeypatch.setattr("components.serve.engine.admission.time.monotonic", lambda: now[0])
    admission = Admission(50, 100, 2)
    for _ in range(20):
        with admission.place(0) as place:
            place.holds(10)
            for _ in range(10):
                now[0] += 0.01
                admission.done(1)
        now[0] += 60
    assert 0.005 < admission.pace < 0.011
