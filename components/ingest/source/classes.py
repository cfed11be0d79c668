"""Class names of a source: normalised, and warned about where they look alike."""

import unicodedata
from collections.abc import Iterable, Mapping

from components.common.names import class_name


class ClassNames:
    """Class names in the one form that all stages compare, and how the source wrote them."""

    def __init__(self) -> None:
        self.names: dict[str, str] = {}

    def __call__(self, written: str) -> str | None:
        name = self.names.get(written)
        if name is None:
            name = self.names[written] = class_name(written)
        return name or None

    def warnings(self) -> list[str]:
        """One line for each class that the source writes in several ways, as people cannot see them apart."""
        forms: dict[str, list[str]] = {}
        for written, name in sorted(self.names.items()):
            forms.setdefault(name, []).append(written)
        return [
            f"class {name!r} is written in {len(each)} ways, {' and '.join(map(ascii, each))}, and taken as one: "
            "Unicode form and white space around a name do not count"
            for name, each in forms.items()
            if len(each) > 1
        ]


def empty_classes(folders: Iterable[str], splits: Mapping[str, str]) -> tuple[str, ...]:
    """The classes whose folders hold no file: the top ones, or those in a folder that is a split."""
    found = set()
    for folder in folders:
        top, _, below = folder.partition("/")
        name = (below if top in splits else "") if splits else ("" if below else top)
        found.add(class_name(name))
    return tuple(sorted(found - {""}))


def look_alikes(counts: Mapping[str, int]) -> tuple[str, ...]:
    """One line for each set of classes that differ in nothing but capitals or spaces; they are not merged.

    counts: images by class.
    """
    alike: dict[str, list[str]] = {}
    for name in sorted(counts):
        alike.setdefault(_bare(name).casefold(), []).append(name)
    return tuple(_alike(group, counts) for group in alike.values() if len(group) > 1)


def _alike(group: list[str], counts: Mapping[str, int]) -> str:
    shown = [f"{name!r} ({counts[name]:,})" for name in group]
    capitals = len({_bare(name) for name in group}) > 1
    spaces = len({name.casefold() for name in group}) > 1
    what = " or ".join([*(["capitals"] if capitals else []), *(["spaces"] if spaces else [])])
    return (
        f"labels {', '.join(shown[:-1])} and {shown[-1]} differ in {what} only and stay {len(group)} classes; rename "
        "them if one is meant"
    )


def _bare(name: str) -> str:
    """Without spaces of any kind, those that have no width included."""
    return "".join(sign for sign in name if not sign.isspace() and unicodedata.category(sign) != "Cf")
