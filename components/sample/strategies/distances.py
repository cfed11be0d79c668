"""Distances between embeddings, block by block on several threads, to the same bits on any number of them."""

from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from typing import Protocol, TypeVar

import numpy as np
from threadpoolctl import threadpool_limits

Item = TypeVar("Item")
Result = TypeVar("Result")

NIL = 1e-12  # a squared distance below is that of equal vectors, but for the rounding of float32 embeddings


class Map(Protocol):
    def __call__(self, work: Callable[[Item], Result], items: Iterable[Item], /) -> Iterator[Result]: ...


@contextmanager
def workers(threads: int) -> Iterator[Map]:
    """A `map` over threads that gives results in order. Each product of matrices runs on one thread meanwhile: the
    order of sums, and so the last bits, must not depend on how many there are.
    """
    with threadpool_limits(1), ThreadPoolExecutor(threads) as executor:
        yield executor.map


def spans(length: int, size: int) -> list[slice]:
    """The blocks of `size` that make up 0 to length."""
    return [slice(start, min(start + size, length)) for start in range(0, length, size)]


def squares(x: np.ndarray) -> np.ndarray:
    """Squared length of each row: (n, features) to (n,)."""
    return np.einsum("ij,ij->i", x, x)


def squared(x: np.ndarray, y: np.ndarray, xx: np.ndarray | None = None, yy: np.ndarray | None = None) -> np.ndarray:
    """Squared Euclidean distances between rows, float64: (n, features) and (m, features) to (n, m). xx, yy: the squares
    of their lengths, where they are known.

    Exact where the embeddings are float16 of unit length, since each product is a multiple of 2^-48 and no sum passes
    4: equal vectors tie exactly, whichever kernel multiplies them.
    """
    result = x @ y.T
    result *= -2
    result += (squares(x) if xx is None else xx)[:, None]
    result += squares(y) if yy is None else yy
    result[result < NIL] = 0
    return result
