"""What people have said so far: the label store, followed as answers come from here and from elsewhere."""

import threading
from collections.abc import Iterable, Sequence
from datetime import UTC, datetime, timedelta
from typing import NamedTuple

from components.labels.rules import called_now, renamed, resolve, standing
from components.labels.store import CLASS, SKIP, Answer, LabelStore, Renaming, State

TASK = "page"  # of the answers that are given here
INSTANT = timedelta(microseconds=1)


class Standing(NamedTuple):
    """Where an image stands."""

    answers: dict[str, Answer]  # by person, the one that counts, skips too
    voters: int  # people who said something else than skip
    undecided: bool  # as many say one thing as another
    label: str | None  # the class that holds


NOTHING = Standing({}, 0, False, None)


class Said:
    """All answers by image. Many threads may ask and add."""

    def __init__(self, labels: LabelStore) -> None:
        self.labels = labels
        self._known: set[str] = set()
        self._history: dict[str, list[Answer]] = {}
        self._renamings: list[Renaming] = []
        self._standing: dict[str, Standing] = {}
        self._last = datetime.min.replace(tzinfo=UTC)
        self._guard = threading.RLock()
        self._refreshing = threading.Lock()
        self.refresh()

    def refresh(self) -> set[str]:
        """Read what was added elsewhere; returns the images that it is about."""
        with self._refreshing:
            with self._guard:
                known = set(self._known)
            more = self.labels.read_more(known)
            with self._guard:
                # what was added here meanwhile is known twice: by the batch, and by the answers themselves
                fresh = [answer for answer in more.answers if answer not in self._history.get(answer.id, ())]
                changed = {answer.id for answer in fresh}
                if more.renamings != self._renamings:
                    self._renamings = more.renamings
                    changed |= self._history.keys()
                self._known |= known
                self._note(fresh)
                for image in changed:
                    self._standing.pop(image, None)
                return changed

    def add(self, images: Sequence[str], kind: str, label: str | None, person: str, number: int) -> datetime:
        """Append one answer about each image, as one batch of round `number`; it is on disk when this returns."""
        with self._guard:
            before = [self._history[image][-1].time for image in images if image in self._history]
            time = max([datetime.now(UTC), self._last + INSTANT, *(each + INSTANT for each in before)])
            self._last = time
        answers = [Answer(image, kind, label, person, time, TASK, number) for image in images]
        key = self.labels.append(answers)
        with self._guard:
            if key not in self._known:
                self._known.add(key)
                self._note(answers)
        return time

    def of(self, image: str) -> Standing:
        with self._guard:
            if image not in self._history:
                return NOTHING
            if image not in self._standing:
                self._standing[image] = self._resolved(image)
            return self._standing[image]

    def images(self) -> list[str]:
        """All that somebody ever answered."""
        with self._guard:
            return list(self._history)

    def has_history(self, image: str) -> bool:
        """Whether anybody ever answered, even if that was taken back."""
        return image in self._history

    def last_stroke(self, person: str, number: int) -> list[Answer]:
        """The answers of a person on this page in round `number` that were given together last and still stand."""
        mine = self.mine(person, number)
        return [answer for answer in mine if answer.time == mine[-1].time]

    def mine(self, person: str, number: int) -> list[Answer]:
        """What a person said on this page in round `number` and still stands, by time."""
        with self._guard:
            found = [self.of(image).answers.get(person) for image in self._history]
        here = [answer for answer in found if answer and answer.task == TASK and answer.round == number]
        return sorted(here, key=lambda answer: answer.time)

    def classes(self, others: Iterable[str]) -> list[str]:
        """Classes that answers name, and these others, as they are called now."""
        with self._guard:
            called = called_now(self._renamings)
            named = {answer.label for answers in self._history.values() for answer in answers if answer.kind == CLASS}
        return sorted({called.get(name, name) for name in {*named, *others} if name})

    def _note(self, answers: Iterable[Answer]) -> None:
        for answer in answers:
            history = self._history.setdefault(answer.id, [])
            history.append(answer)
            history.sort(key=lambda each: each.time)
            self._standing.pop(answer.id, None)

    def _resolved(self, image: str) -> Standing:
        state = State(self._history[image], self._renamings)
        found = resolve(state)
        stands = standing(renamed(state.answers, state.renamings)).get(image, [])
        people = {answer.annotator: answer for answer in stands}
        voters = sum(answer.kind != SKIP for answer in people.values())
        held = found.held.get(image)
        return Standing(people, voters, image in found.open, held.label if held else None)
