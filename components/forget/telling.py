"""What `gleaner forget` says: the images, who learned from them, what goes, what stays."""

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence

from components.forget.asked import Known, Left
from components.forget.bundles import told_how
from components.forget.hand import ANEW, REMOVED, Change
from components.forget.journal import Task
from components.lineage.trace import LEARNED, MEANS

SHOWN = 8  # lines of a kind


def tell(tasks: Sequence[Task], known: Known, ids: Sequence[str]) -> None:
    """The images, what is like them, and the releases that have to do with them."""
    begun = [image for task in tasks for image in task.ids if image not in ids]
    if begun:
        print(f"goes on with {_images(len(begun))} that {'was' if len(begun) == 1 else 'were'} asked for before")
    for image in ids:
        rows = [one for one in known.held if one.id == image]
        if not rows:
            print(f"image {image[:12]}: in no dataset of this store; it will never be taken in")
            continue
        last, versions = rows[-1], len({one.version for one in rows})
        print(
            f"image {image[:12]}: {last.source} of {last.dataset}, {last.split}, in {versions:,} "
            f"version{'s' * (versions != 1)}"
        )
    _some([f"like it, and stays: {one.id[:12]} ({one.source}); name it to forget it too" for one in known.near])
    learned: dict[tuple[str, str], list[str]] = {}
    for model, version, how in sorted({one for task in tasks for one in task.learned}):
        learned.setdefault((model, version), []).append(how)
    for (model, version), every in learned.items():
        print(f"release {version} of {model}: {', '.join(MEANS[how] for how in every)}")
    _some(known.unknown)
    if not learned and not known.unknown:
        print("no release has to do with it")


def tell_changes(changes: Sequence[Change], done: bool) -> None:
    """Every object that goes or is written anew, the first ones by name."""
    if not changes:
        print("nothing of it is left" if done else "nothing of it is in the store or on this machine")
    for what in (REMOVED, ANEW):
        places = [change.place for change in changes if change.what == what]
        if places:
            print(f"{'' if done else 'to be '}{what}: {len(places):,} objects")
        _some(f"  {place}" for place in ([] if done else places))


def tell_source(left: Sequence[Left], why: str, removed: bool, done: bool) -> None:
    """What of the images the source still has."""
    if why:
        print(f"the source may still have it: {why}")
    gone = "was removed from the source" if done else "to be removed from the source"
    for file in left:
        print(f"{file.place}: {gone if removed else 'still there, and left out from now on; --source removes it'}")


def tell_end(tasks: Sequence[Task], learned: Mapping[tuple[str, str, str], int]) -> None:
    """That it is done, and what it could not undo."""
    count = sum(len(task.ids) for task in tasks)
    print(f"forgotten: {_images(count)}; tombstones keep {'it' if count == 1 else 'them'} out")
    taught: dict[tuple[str, str], Counter[str]] = {}
    for (model, version, how), number in learned.items():
        if how in LEARNED:
            taught.setdefault((model, version), Counter())[how] += number
    for (model, version), hows in taught.items():
        print(
            f"release {version} of {model} learned from what is gone ({told_how(hows)}): its weights stay what they "
            "are until another release takes its place; --train makes one"
        )


def _images(count: int) -> str:
    return f"{count:,} image{'s' * (count != 1)}"


def _some(lines: Iterable[str]) -> None:
    every = list(lines)
    for line in every[:SHOWN]:
        print(line)
    if len(every) > SHOWN:
        print(f"  and {len(every) - SHOWN:,} more")
