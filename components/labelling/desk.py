"""The desk that people label at: hands out images, takes answers, and knows how far the round is."""

import re
import threading
import time
from collections.abc import Collection, Iterator, Sequence
from dataclasses import replace
from typing import Any

from components.common.artifacts import TRAIN
from components.common.storage import Store
from components.labelling.asked import Pick, newest_asked, read_asked
from components.labelling.audited import read_audited
from components.labelling.leases import Leases, Seat
from components.labelling.names import check_class, check_new
from components.labelling.progress import Progress
from components.labelling.refused import RefusedError
from components.labelling.said import Said
from components.labels.candidates import Candidates, newest_candidates
from components.labels.store import CLASS, NONE, SKIP, WITHDRAWN, Answer, LabelStore

STALE = 10.0  # seconds after which the store is asked again for what others have written
MOST = 200  # images of one stroke
FIGURES = re.compile(r" \([^)]*\)")  # of a reason: more than whoever labels needs to know
DISAGREE = "annotators disagree"  # how a reason begins; what they said is told to nobody who has not answered


class Desk:
    """One for all people. The methods are quick, but for those that go to the store; many threads may call them."""

    def __init__(self, store: Store, name: str, annotators: int = 1) -> None:
        self.store, self.name, self.annotators = store, name, annotators
        self.asked = newest_asked(store, name)
        self.said = Said(LabelStore(store, name))
        self.newer: Candidates | None = None
        self._leases = Leases()
        self._aside: dict[str, set[str]] = {}  # by person: what they took out of a group, or passed over with it
        self._added: list[str] = []  # classes that were named here, and that no answer has used yet
        self._guard = threading.RLock()
        self._looked = time.monotonic()
        self._looking = threading.Lock()
        self._progress = Progress(self.asked, self.said, annotators)
        self._see_audit()

    def next(
        self, seat: Seat, purpose: str = "", have: Collection[str] = (), count: int = 4, again: bool = False
    ) -> list[dict[str, Any]]:
        """The next images for somebody, theirs from now on.

        purpose: only of this one. have: those that the page holds already, or has shown. again: what the person passed
        over, and what people disagree about, instead of what is new.
        """
        with self._guard:
            of_group = self._leases.of(seat) - self.asked.all_picks.keys()
            self._leases.give_back(seat, of_group)  # it was left
            self._leases.renew(seat)
            found = []
            for pick in self._again(seat, purpose) if again else self._open(seat, purpose):
                if pick.id not in have:
                    found.append(pick)
                if len(found) == count:
                    break
            self._leases.take(seat, [pick.id for pick in found])
            return [self.item(pick.id, seat) for pick in found]

    def group(self, seat: Seat, count: int) -> dict[str, Any] | None:
        """Like images of the training pool, to be labelled at a stroke; None where there are no more."""
        with self._guard:
            self._leases.give_back(seat)
            shared: list[int] = []
            for cluster in self.asked.cluster_order:
                members = self.asked.members(cluster)
                if any(self._leases.others(seat, image) for image in members):
                    shared.append(cluster)  # somebody is at it: only when nothing else is left
                elif images := self._free(seat, members, count):
                    return self._group(seat, cluster, images)
            for cluster in shared:
                if images := self._free(seat, self.asked.members(cluster), count):
                    return self._group(seat, cluster, images)
            return None

    def item(self, image: str, seat: Seat) -> dict[str, Any]:
        """What the page shows of an image. Of held-out images nothing that could sway: no reason, no neighbour."""
        pick = self.asked.all_picks.get(image)
        pixels = self.asked.size(image)
        if pixels is None or (pick is None and not self.asked.is_training(image)):
            raise RefusedError(
                f"image {image[:16]!r} is not asked for in round {self.asked.round}; reload the page", 404
            )
        stands = self.said.of(image)
        mine = stands.answers.get(seat.person)
        shown = {
            "id": image,
            "purpose": pick.purpose if pick else TRAIN,
            "width": pixels[0],
            "height": pixels[1],
            "said": _told(mine) if mine else None,
            "disagree": sorted({_word(answer) for answer in stands.answers.values() if answer.kind != SKIP})
            if stands.undecided and mine
            else [],
        }
        if pick and pick.purpose == TRAIN:
            why = FIGURES.sub("", pick.reason)
            shown["reason"] = DISAGREE if why.startswith(DISAGREE) else why
            shown["nearest"] = self._nearest(pick)
        return shown

    def answer(
        self, seat: Seat, images: Sequence[str], kind: str, label: str | None, aside: Sequence[str] = ()
    ) -> None:
        """Write one answer about each image; it is in the store when this returns. aside: images of the same group that
        were taken out of it.
        """
        self._check(images, kind)
        for image in aside:
            if not self.asked.is_training(image):
                raise RefusedError(f"image {image[:16]!r} is in no group", 404)
        if kind == CLASS:
            label = check_class(label or "", self.classes())
        self.said.add(
            list(dict.fromkeys(images)), kind, label if kind == CLASS else None, seat.person, self.asked.round
        )
        with self._guard:
            self._leases.give_back(seat, [*images, *aside])
            self._aside.setdefault(seat.person, set()).update(aside)
            self._progress.recount(images)

    def set_aside(self, seat: Seat, images: Sequence[str]) -> None:
        """Pass over a group, or what is left of it, without an answer; it is not shown to this person again."""
        with self._guard:
            self._leases.give_back(seat, images)
            self._aside.setdefault(seat.person, set()).update(images)

    def undo(self, seat: Seat) -> list[dict[str, Any]]:
        """Take back what the person said last, one answer or a whole stroke; its images are theirs again."""
        last = self.said.last_stroke(seat.person, self.asked.round)
        images = [answer.id for answer in last]
        if images:
            self.said.add(images, WITHDRAWN, None, seat.person, self.asked.round)
        with self._guard:
            self._leases.take(seat, images)
            self._progress.recount(images)
            return [self.item(image, seat) for image in images]

    def recent(self, seat: Seat, count: int = 24) -> list[dict[str, Any]]:
        """What a person said last, the newest first."""
        said = self.said.mine(seat.person, self.asked.round)
        return [{"id": answer.id, **_told(answer)} for answer in reversed(said[-count:])]

    def leave(self, seat: Seat) -> None:
        with self._guard:
            self._leases.give_back(seat)

    def classes(self) -> list[str]:
        return self.said.classes([*self.asked.dataset.classes, *self.asked.candidates.about["classes"], *self._added])

    @property
    def is_open(self) -> bool:
        """Whether people may name classes: where the source names none."""
        return not self.asked.dataset.classes

    def add_class(self, name: str, sure: bool) -> str:
        if not self.is_open:
            raise RefusedError(f"dataset {self.name} has its own classes: {', '.join(self.classes()[:10])}", 400)
        name = check_new(name, self.classes(), sure)
        self._added.append(name)
        return name

    def progress(self) -> dict[str, Any]:
        """How far the round is, by purpose."""
        with self._guard:
            return self._progress.told()

    def waits(self, seat: Seat) -> dict[str, int]:
        """Why nothing is left for a person, when nothing is: what others are at, and what could be looked at again."""
        with self._guard:
            undone = [pick for pick in self.asked.all_picks.values() if pick.id not in self._progress.done]
            return {
                "others": sum(bool(self._leases.others(seat, pick.id)) for pick in undone),
                "more_people": sum(seat.person in self.said.of(pick.id).answers for pick in undone),
                "again": sum(1 for _ in self._again(seat, "")),
            }

    def look(self, seat: Seat) -> None:
        """Keep what a page has, and, from time to time, see what was written elsewhere: answers, newer candidates."""
        with self._guard:
            self._leases.renew(seat)
        if time.monotonic() - self._looked < STALE or not self._looking.acquire(blocking=False):
            return
        try:
            self._looked = time.monotonic()
            changed = self.said.refresh()
            newest = newest_candidates(self.store, self.name)
            with self._guard:
                self._progress.recount(changed)
                self.newer = newest if newest and newest.key != self.asked.candidates.key else None
            self._see_audit()
        finally:
            self._looking.release()

    def go_on(self) -> None:
        """To the newer candidates, for everybody."""
        newer = self.newer
        if newer is None:
            return
        asked = read_asked(self.store, newer)
        with self._guard:
            self.asked, self.newer = asked, None
            self._leases = Leases()
            self._aside.clear()
            self._progress = Progress(asked, self.said, self.annotators)
        self._see_audit()

    def _see_audit(self) -> None:
        """Ask about the answers of the model in production that were drawn since this was done last."""
        asked, progress = self.asked, self._progress
        audited = read_audited(self.store, self.name, asked.row, progress.is_done, asked.audited)
        with self._guard:
            if self.asked is asked and audited is not asked.audited:
                self.asked = replace(asked, audited=audited)
                self._progress = Progress(self.asked, self.said, self.annotators)

    def _open(self, seat: Seat, purpose: str) -> Iterator[Pick]:
        """Picks for somebody: what is theirs already, then what people disagree about; last what others passed over."""
        first = self._leases.of(seat) | self._progress.undecided
        passed_over = []
        for now in (True, False):
            for pick in self.asked.all_picks.values():
                if (pick.id in first) != now or pick.id in self._progress.done or purpose not in ("", pick.purpose):
                    continue
                if not self._is_free(seat, pick.id):
                    continue
                if any(answer.kind == SKIP for answer in self.said.of(pick.id).answers.values()):
                    passed_over.append(pick)
                else:
                    yield pick
        yield from passed_over

    def _again(self, seat: Seat, purpose: str) -> Iterator[Pick]:
        for pick in self.asked.all_picks.values():
            stands = self.said.of(pick.id)
            mine = stands.answers.get(seat.person)
            if mine and purpose in ("", pick.purpose) and (mine.kind == SKIP or stands.undecided):
                yield pick

    def _is_free(self, seat: Seat, image: str) -> bool:
        """Whether somebody may be asked about an image that is not done."""
        stands = self.said.of(image)
        if seat.person in stands.answers:
            return False
        others = self._leases.others(seat, image)
        needed = max(self.annotators, stands.voters + 1)
        return all(other.person != seat.person for other in others) and stands.voters + len(others) < needed

    def _free(self, seat: Seat, members: Sequence[str], count: int) -> list[str]:
        aside = self._aside.get(seat.person, ())
        found = []
        for image in members:
            if image not in self._progress.done and image not in aside and self._is_free(seat, image):
                found.append(image)
            if len(found) == count:
                break
        return found

    def _group(self, seat: Seat, cluster: int, images: list[str]) -> dict[str, Any]:
        self._leases.take(seat, images)
        left = sum(image not in self._progress.done for image in self.asked.members(cluster))
        shown = [self.item(image, seat) for image in images]
        return {"cluster": cluster, "size": int(self.asked.sizes[cluster]), "left": left, "images": shown}

    def _nearest(self, pick: Pick) -> dict[str, str | None] | None:
        """The nearest of the images that have a label or come before this one, and its label once it has one."""
        if pick.nearest is None or not self.asked.is_training(pick.nearest):
            return None
        near = self.asked.picks.get(pick.nearest)
        label = self.said.of(pick.nearest).label or (near.label if near else None)
        return {"id": pick.nearest, "label": label}

    def _check(self, images: Sequence[str], kind: str) -> None:
        if kind not in (CLASS, NONE, SKIP):
            raise RefusedError(f"answer {kind!r} is not one of class, none, skip", 400)
        if not 1 <= len(images) <= MOST:
            raise RefusedError(f"an answer is about 1 to {MOST} images, not {len(images)}", 400)
        for image in images:
            if self.asked.size(image) is None:
                raise RefusedError(f"no image {image[:16]!r} in dataset {self.name}; reload the page", 404)
            if image not in self.asked.all_picks and not self.asked.is_training(image):
                raise RefusedError(f"image {image[:16]!r} is held out and was not drawn; it stays without a label", 400)
            if len(images) > 1 and not self.asked.is_training(image):
                raise RefusedError(f"image {image[:16]!r} is held out; it is labelled one by one", 400)


def _told(answer: Answer) -> dict[str, Any]:
    return {"kind": answer.kind, "label": answer.label}


def _word(answer: Answer) -> str:
    return answer.label or "none of these"
