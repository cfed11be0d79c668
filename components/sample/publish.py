"""Write the candidates for people: a table, a contact sheet, and an import file for Label Studio."""

import base64
import csv
import io
import json
import re
from collections.abc import Sequence
from pathlib import Path
from typing import Any, NamedTuple

import pyarrow as pa
import pyarrow.compute as pc

from components.common.artifacts import CANDIDATES, CLUSTERS, SPLITS, TRAIN, Dataset
from components.common.data.reader import ShardReader
from components.common.files import write_json, write_text
from components.common.html import escape, note, page, table, thumbnails
from components.common.labels.studio import IMAGE_ID
from components.common.parquet import save_table
from components.sample.answers import Answer
from components.sample.cluster_page import clusters_page
from components.sample.clusters import Clusters, clusters_table
from components.sample.picks import Pick, drawn_for
from components.sample.rounds import Round
from components.sample.shape import Neighbours
from components.sample.strategies.pool import Pool

SHOWN = 200  # pictures per purpose on the contact sheet
BESIDE = "the candidates.csv beside this page"
CLUSTERS_PAGE = "clusters.html"  # beside the contact sheet in the store
FIGURES = re.compile(r" \([^)]*\)")  # of a reason: too long for a caption
PEOPLE = ("file", "store")  # who is shown what is known already; what an oracle knows is not handed to people


class Shape(NamedTuple):
    """How the training pool lies."""

    pool: Pool
    clusters: Clusters
    neighbours: Neighbours


class Asked(NamedTuple):
    """What a round asks, with all that is needed to write it down."""

    dataset: Dataset
    reader: ShardReader
    now: Round
    nearest: list[int | None]  # for each pick, the row of the nearest labelled image
    answered: int  # images that had a label before
    shape: Shape

    @property
    def filled(self) -> dict[int, Answer]:
        return self.now.answers if self.now.settings.label_access in PEOPLE else {}

    def page(self, guide: Sequence[str], beside: str = "") -> str:
        """The contact sheet. beside: the page of clusters, where it lies beside this one."""
        return sheet(self.dataset, self.reader, self.now.picks, self.now.answers, self.answered, guide, beside)


def write_candidates(folder: Path, asked: Asked, guide: Sequence[str]) -> None:
    """Write what people and their tools read. guide: sentences for them."""
    data, picks, shape = asked.dataset, asked.now.picks, asked.shape
    clusters = clusters_table(data, shape.pool, shape.clusters)
    write_text(folder / "candidates.csv", candidates_csv(data, picks, asked.nearest, asked.filled))
    table = candidates_table(data, picks, asked.nearest, asked.filled, clusters)
    save_table(folder / "candidates.parquet", table, CANDIDATES)
    save_table(folder / "clusters.parquet", clusters, CLUSTERS)
    write_text(folder / "contact_sheet.html", asked.page(guide, CLUSTERS_PAGE))
    page = clusters_page(data, asked.reader, shape.pool, shape.clusters, shape.neighbours)
    write_text(folder / CLUSTERS_PAGE, page)
    write_text(folder / "labelstudio.json", label_studio_json(data, asked.reader, picks))
    write_json(folder / "summary.json", summary(data, asked.now))


def candidates_csv(dataset: Dataset, picks: list[Pick], nearest: list[int | None], labels: dict[int, Answer]) -> str:
    """One line per pick, to be filled in: id, rank within its purpose, purpose, reason, nearest labelled image, path in
    the source, label.

    Labels that are known stand there already; those of images that are not picked come last. So one file, filled in
    from round to round, holds every answer.
    """
    ids = dataset.column("id")
    sources = dataset.column("source")
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(["id", "rank", "purpose", "reason", "nearest_labelled", "source", "label"])
    for (rank, pick), near in zip(ranked(picks), nearest, strict=True):
        label = labels[pick.row].label if pick.row in labels else ""
        writer.writerow(
            [
                ids[pick.row],
                rank,
                pick.purpose,
                pick.reason,
                "" if near is None else ids[near],
                sources[pick.row],
                label,
            ]
        )
    splits = dataset.column("split")
    picked = {pick.row for pick in picks}
    for row in sorted(labels.keys() - picked):
        writer.writerow([ids[row], "", splits[row], "labelled before", "", sources[row], labels[row].label])
    return text.getvalue()


def ranked(picks: list[Pick]) -> list[tuple[int, Pick]]:
    counts = dict.fromkeys(SPLITS, 0)
    result = []
    for pick in picks:
        counts[pick.purpose] += 1
        result.append((counts[pick.purpose], pick))
    return result


def label_studio_json(dataset: Dataset, reader: ShardReader, picks: list[Pick]) -> str:
    """Tasks for Label Studio's import; the pictures travel inside, so that no server has to serve them."""
    ids = dataset.column("id")
    tasks = []
    for rank, pick in ranked(picks):
        data = reader.image_bytes(pick.row)
        kind = "jpeg" if data[:2] == b"\xff\xd8" else "png"
        picture = f"data:image/{kind};base64,{base64.b64encode(data).decode()}"
        tasks.append(
            {
                "data": {
                    "image": picture,
                    "id": ids[pick.row],
                    IMAGE_ID: ids[pick.row],  # in the short exports, `id` is the number of the task
                    "rank": rank,
                    "purpose": pick.purpose,
                    "reason": pick.reason,
                }
            }
        )
    return json.dumps(tasks, indent=1) + "\n"


def candidates_table(
    dataset: Dataset, picks: list[Pick], nearest: list[int | None], labels: dict[int, Answer], clusters: pa.Table
) -> pa.Table:
    """What is asked, as CANDIDATES says. clusters: those of the training pool (CLUSTERS)."""
    ids = dataset.column("id")
    asked = clusters.filter(pc.is_in(clusters.column("id"), pa.array([ids[pick.row] for pick in picks], pa.string())))
    cluster = dict(zip(asked.column("id").to_pylist(), asked.column("cluster").to_pylist(), strict=True))
    rows = [
        {
            "id": ids[pick.row],
            "rank": rank,
            "purpose": pick.purpose,
            "reason": pick.reason,
            "nearest": None if near is None else ids[near],
            "cluster": cluster.get(ids[pick.row], -1),
            "label": labels[pick.row].label if pick.row in labels else None,
        }
        for (rank, pick), near in zip(ranked(picks), nearest, strict=True)
    ]
    rows.sort(key=lambda row: SPLITS.index(row["purpose"]))
    return pa.Table.from_pylist(rows, schema=CANDIDATES)


def summary(dataset: Dataset, now: Round) -> dict[str, Any]:
    """summary.json: what is asked in this round, and which classes still lack a training label."""
    counts = tally(now.picks, now.answers)
    asked = {split: {"images": images, "labelled": labelled} for split, (images, labelled) in counts.items()}
    return {
        "format": 1,
        "round": now.number,
        "dataset": {"name": dataset.name, "id": dataset.id},
        "labels_version": now.settings.labels_version if now.settings.label_access == "store" else "",
        "budget": {
            "train": now.settings.train_budget,
            "spent": now.training_labels,
            "round": sum(pick.purpose == TRAIN for pick in now.unanswered),
        },
        "picks": asked,
        "classes": now.classes.names,
        "unlabelled_classes": now.classes.missing,
    }


def tally(picks: list[Pick], labels: dict[int, Answer]) -> dict[str, tuple[int, int]]:
    """Picks of each purpose, and how many of them have a label."""
    return {
        split: (
            sum(pick.purpose == split for pick in picks),
            sum(pick.purpose == split and pick.row in labels for pick in picks),
        )
        for split in SPLITS
    }


def sheet(
    dataset: Dataset,
    reader: ShardReader,
    picks: list[Pick],
    labels: dict[int, Answer],
    answered: int,
    guide: Sequence[str] = (),
    clusters: str = "",
) -> str:
    """A page with every pick's picture, in the order of picking; the label is shown where it is known. guide: sentences
    at its top; clusters: a link to the page of clusters.
    """
    counts = tally(picks, labels)
    rows = [[split, str(images), str(labelled)] for split, (images, labelled) in counts.items() if images]
    sections = [("", "".join(map(note, guide)))] if guide else []
    link = f'<p><a href="{escape(clusters)}">The shape of the data: all images by cluster</a></p>' if clusters else ""
    sections.append(("Picks", table(["purpose", "images", "labelled"], rows) + link))
    for split in SPLITS:
        shown = [(rank, pick) for rank, pick in ranked(picks) if pick.purpose == split][:SHOWN]
        if shown:
            pictures = [(reader.image_bytes(pick.row), caption(rank, pick, labels)) for rank, pick in shown]
            images = counts[split][0]
            told = f"<p>{escape(meaning(split))}</p>" + (
                f"<p>The first {SHOWN} of {images}.</p>" if images > SHOWN else ""
            )
            sections.append((f"{split.capitalize()}: {images} images", told + thumbnails(pictures)))
    lead = f"Which {len(picks)} of the {dataset.index.num_rows:,} images of {dataset.name} to label"
    return page("Label candidates", sections, lead + (f"; {answered} were labelled before." if answered else "."))


def caption(rank: int, pick: Pick, labels: dict[int, Answer]) -> str:
    label = f" · {labels[pick.row].label}" if pick.row in labels else ""
    reason = "" if pick.reason == drawn_for(pick.purpose) else f" · {FIGURES.sub('', pick.reason)}"
    return f"{rank}{label}{reason}"


def meaning(split: str) -> str:
    if split == "train":
        return "Chosen by the sampler: their labels teach most."
    return "Drawn at random: labels that measure must not be chosen by a model."
