"""Embed a dataset, pick the images to label, and collect the labels."""

from pathlib import Path

import numpy as np

from components.common.artifacts import (
    Dataset,
    Waiting,
    load_dataset,
    load_labels,
    save_embeddings,
    save_labels,
    save_waiting,
)
from components.common.cli import Metadata
from components.common.data.splits import unlabelled_pool
from components.common.files import new_folder, sha256_tree, write_json, write_text
from components.common.learning.footprint import check_inference
from components.common.learning.inference import BATCH, embed
from components.common.learning.loading import Images
from components.common.learning.models import load_encoder
from components.common.learning.training import set_threads
from components.common.storage import Store, announce, open_store
from components.common.waiting import sentence
from components.sample.answers import Answers, file_answers, labels_table, purposes_of, source_answers
from components.sample.picks import Pick, held_out_picks, nearest_labelled, training_picks, with_conflicts
from components.sample.publish import candidates_csv, label_studio_json, sheet, summary
from components.sample.rounds import Round, guide, lacking, round_of, waiting_for
from components.sample.settings import SampleSettings


def run(
    dataset: Path,
    encoder: Path,
    name: str,
    store: str,
    seed: int,
    threads: int,
    settings: SampleSettings,
    embeddings: Path,
    candidates: Path,
    labels: Path,
    contact_sheet: Path,
) -> Metadata:
    """Embed every image and pick the few whose labels teach most."""
    set_threads(threads)
    data = load_dataset(dataset)
    place = open_store(store)
    network, spec, _ = load_encoder(encoder)
    check_inference("sample", spec, min(BATCH, data.index.num_rows))
    images = Images(data, place, spec.mode, spec.image_size, threads, keep=False)
    vectors = embed(network, spec, images, np.arange(data.index.num_rows)).astype(np.float16)
    with new_folder(embeddings) as folder:
        save_embeddings(folder, vectors, data)

    known, conflicts = known_answers(data, settings)
    pool = unlabelled_pool(data)
    answered = np.intersect1d(pool, np.array(sorted(known), np.int64))
    asked = np.intersect1d(pool, np.array(sorted(known.keys() | conflicts.keys()), np.int64))
    picks = training_picks(data, vectors, asked, settings, seed) + held_out_picks(data, settings, seed)
    picks = with_conflicts(picks, conflicts, pool)
    answers = known | (source_answers(data, [pick.row for pick in picks]) if settings.label_access == "oracle" else {})
    table = labels_table(data, answers, purposes_of(picks, answered), settings.label_access)
    now = round_of(data, to_label(picks, settings), answers, table, settings)
    why = lacking(now)
    near = nearest_labelled(vectors, now.picks, answered)
    filled = answers if settings.label_access == "file" else {}  # what an oracle knows is not handed to people
    with new_folder(candidates) as folder:
        write_text(folder / "candidates.csv", candidates_csv(data, now.picks, near, filled))
        told = guide(now, why, "the candidates.csv beside this page")
        write_text(folder / "contact_sheet.html", sheet(data, images.reader, now.picks, answers, len(known), told))
        write_text(folder / "labelstudio.json", label_studio_json(data, images.reader, now.picks))
        write_json(folder / "summary.json", summary(data, now))
    published = publish(place, candidates, f"candidates/{name}", unnamed=True)
    told = guide(now, why, f"{store.rstrip('/')}/{published}/candidates.csv")
    write_text(contact_sheet, sheet(data, images.reader, now.picks, answers, len(known), told))
    waiting = waiting_for(now, why, published) if why else None
    with new_folder(labels) as folder:
        save_labels(folder, table, now.classes.names, published)
        if waiting:
            save_waiting(folder, waiting)
    publish(place, labels, f"labels/{name}")
    left_open = {"conflicts": len(conflicts)} if conflicts else {}
    return {
        "labels": {
            **load_labels(labels)[1]["counts"],
            "source": settings.label_access,
            **left_open,
            **state(now, waiting, store),
        },
        "candidates": {"picks": len(now.picks), "unanswered": len(now.unanswered), "published": published},
        "embeddings": {"images": len(vectors), "features": vectors.shape[1]},
    }


def state(now: Round, waiting: Waiting | None, store: str) -> dict[str, str]:
    """What the labels lack, for the log and Kubeflow's UI."""
    told = {}
    if now.to_look_for:
        told["unlabelled_classes"] = now.to_look_for
        print(f"classes without a training label: {now.to_look_for}", flush=True)
    if waiting:
        told["waiting"] = sentence(waiting, store)
        print(told["waiting"], flush=True)
    return told


def known_answers(dataset: Dataset, settings: SampleSettings) -> Answers:
    """Labels that exist before anything is bought, by row."""
    if settings.label_access == "source":
        return Answers(source_answers(dataset, range(dataset.index.num_rows)), {})
    if settings.label_access == "file" and settings.labels_file:
        return file_answers(dataset, settings.labels_file)
    return Answers({}, {})


def to_label(picks: list[Pick], settings: SampleSettings) -> list[Pick]:
    """The picks that people are asked about: all, but for a test split that is taken whole because its labels cost
    nothing.
    """
    free = settings.test_budget is None and settings.label_access in ("oracle", "source")
    return [pick for pick in picks if not (free and pick.purpose == "test")]


def publish(store: Store, folder: Path, prefix: str, unnamed: bool = False) -> str:
    """Copy an artifact to the store under the digest of its bytes, and return where; what is there already stays.

    unnamed: nothing names it yet, so what a killed run left of it is announced to be in use.
    """
    key = f"{prefix}/{sha256_tree(folder)[:12]}"
    files = sorted(folder.iterdir())
    if unnamed:
        announce(store, f"{key}/{files[0].name}", files[0].read_bytes())
    for path in files:
        store.write_if_absent(f"{key}/{path.name}", path.read_bytes())
    return key
