"""The map of the embeddings: like images lie together; it shows a picture under the pointer, and fetches nothing."""

import base64
import json
from html import escape
from pathlib import Path

import numpy as np
from IPython.display import HTML

from components.common.html import TINY, note
from components.evaluate.pages.facts import Evaluation
from components.evaluate.pages.pictures import Atlas, atlas

SIDE, EDGE = 1000, 25  # of the drawing
LEAST = 10  # images
COLOURS = 10  # of classes, in report.css
NAMED = 30  # classes whose names stand on the map
SCRIPT = Path(__file__).with_name("map.js")
VIEWS = (("class", "By class"), ("error", "By error"), ("label", "Labelled"))
LEGENDS = (
    ("class", "Coloured by the class of the label; pale: no label bought. Rings: labelled for training."),
    ("error", "Red: wrong on the test split. Blue: right. Pale: not in the test split, or without a label."),
    ("labelled", "Rings: labelled for training; they should reach every group of points."),
)


def embedding_map(facts: Evaluation, points: int, seed: int) -> HTML:
    """The encoder's embeddings of `points` images in two dimensions, by t-SNE."""
    tested = np.isin(facts.dataset.column("id"), facts.predictions["id"])
    rows = chosen(facts.label, facts.picked, tested, points, seed)
    if len(rows) < LEAST:
        return HTML(note(f"No map: it needs ten images, and evaluate.map_points asks for {points}."))
    places = layout(facts.embeddings[rows], seed, facts.threads)
    known = int(np.sum(facts.label[rows] >= 0))
    said = f"{len(rows):,} of {len(facts.label):,} images, {known:,} with a label. Point at one, or tap it, to see it."
    return HTML(note(said) + drawn(facts, rows, places, atlas(facts, rows.tolist())))


def chosen(label: np.ndarray, picked: np.ndarray, tested: np.ndarray, points: int, seed: int) -> np.ndarray:
    """Rows that the map shows, ascending: training picks for up to half of the points, then images of the test split,
    the other picks, the other labelled images, and the rest.

    label (n,) is -1 where there is none; picked, tested (n,) boolean.
    """
    order = np.random.default_rng(seed).permutation(len(label))
    turn = np.full(len(order), 4)
    turn[label[order] >= 0] = 3
    turn[picked[order]] = 2
    turn[tested[order]] = 1
    turn[np.flatnonzero(picked[order])[: points // 2]] = 0
    return np.sort(order[np.argsort(turn, kind="stable")][:points])


def layout(embeddings: np.ndarray, seed: int, threads: int) -> np.ndarray:
    """Places (n, 2) in whole numbers of the drawing, by t-SNE with the cosine as distance."""
    from openTSNE import TSNE

    perplexity = min(30, (len(embeddings) - 1) / 3)
    tsne = TSNE(perplexity=perplexity, neighbors="exact", metric="cosine", random_state=seed, n_jobs=threads)
    found = np.asarray(tsne.fit(embeddings.astype(np.float64)))
    low, high = found.min(axis=0), found.max(axis=0)
    spread = float((high - low).max()) or 1.0
    centred = (found - (low + high) / 2) / spread  # one scale for both directions
    return np.rint(SIDE / 2 + centred * (SIDE - 2 * EDGE)).astype(int)


def drawn(facts: Evaluation, rows: np.ndarray, places: np.ndarray, pictures: Atlas) -> str:
    """The map as HTML: an SVG that radio buttons recolour, and a script that shows what lies under the pointer."""
    label, picked = facts.label[rows], facts.picked[rows]
    said, sure = _answers(facts, rows)
    kinds = ["p" if p else "k" if c >= 0 else "" for p, c in zip(picked, label, strict=True)]
    marks = ["" if s < 0 else "r" if s == c else "w" for s, c in zip(said, label, strict=True)]
    order = np.lexsort((np.array([m == "w" for m in marks]), picked, label >= 0))  # what matters is drawn last
    circles = "".join(
        f'<circle data-k="{k}"{_class(kinds[k], marks[k], int(label[k]))} cx="{places[k, 0]}" cy="{places[k, 1]}"/>'
        for k in order
    )
    about = {
        "columns": pictures.columns,
        "rows": pictures.rows,
        "tiny": max(facts.dataset.column("width").max(), facts.dataset.column("height").max()) <= TINY,
        "names": facts.names,
        "points": [[int(label[k]), int(said[k]), round(100 * float(sure[k])), int(picked[k])] for k in order],
    }
    data = json.dumps(about, separators=(",", ":"), default=bool).replace("<", "\\u003c")
    image = base64.b64encode(pictures.data).decode()
    legends = "".join(f'<p class="legend {kind}">{escape(text)}</p>' for kind, text in LEGENDS)
    return (
        f'<div class="map">{_switch()}'
        f'<div class="plane"><svg viewBox="0 0 {SIDE} {SIDE}" role="img" aria-label="Map of the embeddings">{circles}'
        f'<circle class="here" style="display:none"/>{_titles(facts, label, places)}</svg>'
        f'<div class="tip" hidden><i></i><span></span></div></div>'
        f"{legends}"
        f'<img alt="" hidden src="data:image/webp;base64,{image}">'
        f'<script type="application/json">{data}</script><script>{SCRIPT.read_text(encoding="utf-8")}</script></div>'
    )


def _answers(facts: Evaluation, rows: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """What the model said of each of these rows, -1 outside the test split, and how sure it was."""
    said, sure = np.full(len(facts.label), -1), np.zeros(len(facts.label))
    class_of = {name: number for number, name in enumerate(facts.names)}
    columns = facts.predictions
    at = [facts.row_of[image] for image in columns["id"]]
    said[at] = [class_of[name] for name in columns["predicted"]]
    sure[at] = columns["confidence"]
    return said[rows], sure[rows]


def _class(kind: str, mark: str, label: int) -> str:
    names = " ".join(filter(None, (kind, mark)))
    colour = f' style="--c:var(--c{label % COLOURS})"' if label >= 0 else ""
    return (f' class="{names}"' if names else "") + colour


def _switch() -> str:
    """Radio buttons, each with its label right behind it; the style of the page does the rest."""
    return "".join(
        f'<input type="radio" name="map-view" id="map-{key}" class="by-{key}"{" checked" * (place == 0)}>'
        f'<label for="map-{key}">{text}</label>'
        for place, (key, text) in enumerate(VIEWS)
    )


def _titles(facts: Evaluation, label: np.ndarray, places: np.ndarray) -> str:
    """The name of each class where most of its images lie."""
    if len(facts.names) > NAMED:
        return ""
    middles = {int(c): np.median(places[label == c], axis=0) for c in np.unique(label[label >= 0])}
    return "".join(f'<text x="{x:.0f}" y="{y:.0f}">{escape(facts.names[c])}</text>' for c, (x, y) in middles.items())
