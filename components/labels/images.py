"""Know the images of a dataset by what files of answers call them: an id, or a path in the source."""

import re
from collections.abc import Collection, Iterable, Sequence

import pyarrow as pa
import pyarrow.compute as pc

from components.common.artifacts import Dataset
from components.common.audits import drawn
from components.common.errors import BadInputError
from components.common.labels.answers import Line
from components.common.lineage import newest_dataset
from components.common.storage import Store
from components.labels.nearest import near_image

ID = re.compile(r"[0-9a-f]{64}")
PROPOSED = 50  # images for which near names are looked for


class Images:
    """The images of the newest version of a dataset, and those whose answers were drawn for an audit, which it need not
    hold: of these the id alone is known.
    """

    def __init__(self, dataset: Dataset, audited: Collection[str] = ()) -> None:
        self._audited = frozenset(audited)
        self.name = dataset.name
        self.classes = dataset.classes
        self.ids = dataset.index.column("id").combine_chunks()
        self.sources = dataset.index.column("source").combine_chunks()
        self.splits = dataset.index.column("split").combine_chunks()
        self._proposed = 0

    def find(self, lines: Sequence[Line]) -> list[str]:
        """The id of each line's image; empty where it is not known."""
        called = [_names(line) for line in lines]
        flat = pa.array([name for names in called for name in names], pa.string())
        by_id = pc.index_in(flat, self.ids).to_pylist()
        by_source = pc.index_in(flat, self.sources).to_pylist()
        rows = [a if a is not None else b for a, b in zip(by_id, by_source, strict=True)]
        found = []
        at = 0
        for names in called:
            row = next((row for row in rows[at : at + len(names)] if row is not None), None)
            audited = next((name for name in names if name in self._audited), "")
            found.append(audited if row is None else self.ids[row].as_py())
            at += len(names)
        return found

    def proposal(self, name: str) -> str:
        """What an unknown name may mean; for the first few, since it takes a look at all images."""
        self._proposed += 1
        if self._proposed > PROPOSED:
            return ""
        if self._proposed == 1:
            self._ids, self._sources = self.ids.to_pylist(), self.sources.to_pylist()
        return near_image(name, self._ids, self._sources)

    def about(self, ids: Iterable[str]) -> dict[str, tuple[str, str]]:
        """Split and source of those ids that the dataset has."""
        wanted = list(ids)
        rows = pc.index_in(pa.array(wanted, pa.string()), self.ids).to_pylist()
        return {
            image: (self.splits[row].as_py(), self.sources[row].as_py())
            for image, row in zip(wanted, rows, strict=True)
            if row is not None
        }


def images_of(store: Store, name: str) -> Images:
    """Raises BadInputError where nothing was ingested under that name."""
    dataset = newest_dataset(name, store)
    if dataset is None:
        raise BadInputError(
            f"{store.uri}/datasets/{name}/latest.json: does not exist, so no image is known; expected a run of "
            "`ingest` before its images are labelled: gleaner run CONFIG"
        )
    return Images(dataset, {image for look in drawn(store, name) for image in look.answers.column("id").to_pylist()})


def _names(line: Line) -> list[str]:
    """What the image of a line may be called, the surest first: contents, an id in its name, a path in the source."""
    path = line.image.replace("\\", "/").removeprefix("./")
    stem = _stem(path)
    names = [line.digest, stem if ID.fullmatch(stem) else "", line.image, path]
    if line.digest:  # of a file below a folder that is its class
        names.append(path.partition("/")[2])
    return [*dict.fromkeys(filter(None, names))]


def misnamed(line: Line, image: str) -> str:
    """Why a file is refused whose contents and name are two images; empty where they are not."""
    stem = _stem(line.image)
    if line.digest and line.digest == image and ID.fullmatch(stem) and stem != image:
        return f"its contents are image {image[:12]}, its name is of {stem[:12]}"
    return ""


def _stem(path: str) -> str:
    """The name of a file without folders and extensions, in small letters, as ids are."""
    return path.rpartition("/")[2].partition(".")[0].lower()
