"""Files that stand beside an image under its name: a text, and in an archive the class."""

import json
from collections.abc import Container

from components.common.data.images import ImageError
from components.ingest.source.locations import Location, read

LABELS = (".cls", ".json")  # of members of an archive (WebDataset), the first before the second
LABEL_BYTES = 1 << 20


def beside(key: str, extension: str, keys: Container[str], in_archive: bool) -> str | None:
    """The file of the same name but for its extension; WebDataset's name ends at the first dot, so that `1.seg.png` is
    of `1.cls`.
    """
    folder, slash, name = key.rpartition("/")
    candidates = [name.rpartition(".")[0], *([name.partition(".")[0]] if in_archive else [])]
    return next((found for stem in candidates if (found := f"{folder}{slash}{stem}{extension}") in keys), None)


def read_label(key: str, location: Location) -> tuple[str | None, str]:
    """The class that a `.cls` (the text itself) or `.json` (its `label`, `class` or `cls`) says, and why it is not
    taken.
    """
    size = max(location.size, location.unpacked)
    if size > LABEL_BYTES:
        return None, f"larger than a label may be: {size} bytes"
    try:
        text = read(location).decode("utf-8-sig").strip()
        if not key.lower().endswith(".json"):
            return (
                (text or None, "")
                if len(text.splitlines()) < 2
                else (None, "more than one line where a class was expected")
            )
        about = json.loads(text)
        value = (
            next((about[name] for name in ("label", "class", "cls") if name in about), None)
            if isinstance(about, dict)
            else None
        )
    except ImageError as error:
        return None, str(error)
    except UnicodeDecodeError:
        return None, "not UTF-8"
    except (ValueError, RecursionError):
        return None, "not JSON"
    if isinstance(value, bool) or not isinstance(value, str | int | None):
        return None, "a label that is neither text nor a whole number"
    return (str(value).strip() or None, "") if value is not None else (None, "")
