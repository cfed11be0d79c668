"""Share out the parts of a plan to workers: ranges `key/first:last`, which travel as parameters of their tasks."""

from itertools import pairwise

from components.common.errors import BadInputError


def cut(key: str, parts: int, workers: int) -> list[str]:
    """At most `workers` ranges `key/first:last` of part numbers, of nearly equal length, that cover all of them."""
    workers = min(workers, parts)
    ends = [round(parts * number / workers) for number in range(workers + 1)]
    return [f"{key}/{first}:{last - 1}" for first, last in pairwise(ends)]


def split_range(text: str) -> tuple[str, str]:
    """The key that was handed on, and the numbers of parts."""
    key, _, numbers = text.rpartition("/")
    return key, numbers


def in_range(text: str, parts: int) -> range:
    first, _, last = text.partition(":")
    if not (first.isdigit() and last.isdigit() and int(first) <= int(last) < parts):
        raise BadInputError(f"--parts {text!r}: expected first:last with numbers from 0 to {parts - 1}")
    return range(int(first), int(last) + 1)
