"""Two promoters who race for the champion, again and again: the tests and the bench count winners."""

import threading
from concurrent.futures import ThreadPoolExecutor

from components.common.storage import Store, open_store
from components.releases.champion import MovedError, promote


def races(place: str, number: int) -> list[str]:
    """Let two release at once, each compared with the champion of then, so many times; returns the winners in turn.

    AssertionError where a race has no winner, or two.
    """
    stores = [open_store(place) for _ in range(2)]
    ready = threading.Barrier(2)
    winners: list[str] = []
    with ThreadPoolExecutor(2) as pool:
        for race in range(number):
            before = winners[-1] if winners else None
            names = [f"{race:015d}{side}" for side in "ab"]
            won = [*pool.map(lambda store, name, before=before: _wins(store, name, before, ready), stores, names)]
            assert sorted(won) == [False, True], f"race {race}: {won}"
            winners.append(names[won.index(True)])
    return winners


def _wins(store: Store, version: str, before: str | None, ready: threading.Barrier) -> bool:
    ready.wait()
    try:
        release = {"model": "m", "version": version}
        return promote(store, release, expected=before, who="pipeline", why="every gate passed", source="a race")
    except MovedError:
        return False
