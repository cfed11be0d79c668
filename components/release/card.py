"""README.md of a release, its model card (after Mitchell et al. 2019): what it is, how good, how far to trust it."""

import re
from collections.abc import Iterable, Iterator
from math import ceil, floor
from typing import Any

PURPOSES = ("train", "validation", "calibration", "test")
FEW = 20  # test images of a class below which its figures say little, where evaluate does not say


def card(
    release: dict[str, Any],
    metrics: dict[str, Any],
    fitted: dict[str, Any],
    gate: dict[str, Any],
    files: Iterable[str],
) -> str:
    """The card in Markdown. release: release.json as far as it is known; fitted: calibration.json; files: names of the
    release's files.
    """
    sections = (
        _head(release, metrics, gate),
        _figures(metrics),
        _classes(metrics),
        _confidence(metrics),
        _gates(gate),
        _data(release, metrics),
        _limits(release, metrics),
        _use(release, files),
    )
    return "\n".join(text + "\n" for lines in sections if (text := "\n".join(lines)))


def percent(share: float | None) -> str:
    return "not measured" if share is None else f"{100 * share:.2f} %"


def _head(release: dict[str, Any], metrics: dict[str, Any], gate: dict[str, Any]) -> Iterator[str]:
    model, classes = metrics["provenance"]["classifier"]["model"], release["classes"]
    yield f"# {release['model']}"
    yield ""
    yield (
        f"Tells which of {len(classes)} classes an image is of: {_names(classes)}. A {model['architecture']} that "
        f"reads {model['image_size']} x {model['image_size']} pixels, "
        f"{'grey' if model['mode'] == 'L' else 'colour'}, taught by Gleaner with a few labels and many images without "
        "one."
    )
    yield ""
    decision = gate.get("decision")
    if decision:
        yield f"**{_plain(decision['title'])}** {_plain(decision['why'])}"
    else:
        yield f"**{'Every gate passed.' if gate['passed'] else 'Not every gate passed: see below.'}**"


def _figures(metrics: dict[str, Any]) -> Iterator[str]:
    yield "## How good it is"
    yield ""
    if metrics.get("accuracy") is None:
        yield "Not measured: there were no test labels."
        return
    yield f"On {metrics['images']} test images, which it never learned from:"
    yield ""
    yield "| figure | value | 95 % interval |"
    yield "|---|---|---|"
    rows = [("accuracy", "accuracy"), ("accuracy of the warm-up model", "warmup_accuracy")]
    for label, key in rows:
        if metrics.get(key) is not None:
            yield f"| {label} | {percent(metrics[key])} | {_interval(metrics, f'{key}_low', f'{key}_high')} |"
    yield f"| macro F1 | {percent(metrics.get('macro_f1'))} | |"
    yield f"| calibration error, after the temperature | {percent(metrics.get('ece_after'))} | |"
    champion = (metrics.get("against") or {}).get("champion")
    if champion:
        yield ""
        yield _against(champion, metrics.get("forgotten"))


def _against(champion: dict[str, Any], forgotten: dict[str, Any] | None) -> str:
    if champion["difference"] is None:
        return f"Against the champion {champion['version']}: {_plain(champion['why'])}."
    text = (
        f"Against the champion {champion['version']} on {champion['images']} of these images: "
        f"{percent(champion['accuracy_here'])} here, {percent(champion['accuracy_there'])} there, a difference of "
        f"{_points(champion['difference'])} points ({_percents(champion['level'])} interval {_points(champion['low'])} "
        f"to {_points(champion['high'])})."
    )
    if forgotten:
        text += (
            f" Of {forgotten['of']} that the champion had right, {forgotten['images']} are wrong now "
            f"({percent(forgotten['share'])})."
        )
    return text


def _classes(metrics: dict[str, Any]) -> Iterator[str]:
    yield "## By class"
    yield ""
    yield "| class | recall | precision | F1 | test images |"
    yield "|---|---|---|---|---|"
    for row in metrics["per_class"]:
        figures = " | ".join("–" if row[key] is None else percent(row[key]) for key in ("recall", "precision", "f1"))
        yield f"| {_plain(row['class'])} | {figures} | {row['support']:g} |"


def _confidence(metrics: dict[str, Any]) -> Iterator[str]:
    """How far to trust a confidence: the thresholds that calibrate fitted, and what they gave on the test split."""
    yield "## How far to trust it"
    yield ""
    yield (
        f"Confidences are probabilities after a temperature of {metrics['temperature']:.4g}, fitted on "
        f"{metrics['provenance']['calibration']['images']} calibration images."
    )
    thresholds = metrics.get("thresholds") or {}
    precision, conformal = thresholds.get("precision"), thresholds.get("conformal")
    if precision:
        yield ""
        yield _precision(precision)
    if conformal:
        yield ""
        yield _conformal(conformal)


def _precision(said: dict[str, Any]) -> str:
    wanted = f"{_times(said['wanted'])}"
    if said.get("threshold") is None:
        return f"There is no threshold above which it is right {wanted}: {said['why']}."
    sure = f" (with a certainty of {_percents(said['level'])})" if said.get("level") else ""
    text = (
        f"A confidence of {_up(said['threshold'])} or above is right {wanted} or more{sure}; "
        f"{percent(said['abstained'])} of the {said['images']} calibration images lie below it and would go to a "
        "person."
    )
    if said.get("precision_test") is not None:
        text += (
            f" On the test images it was right in {percent(said['precision_test'])} "
            f"(95 % interval {_interval(said, 'low', 'high')}), and {percent(said['abstained_test'])} went to a person."
        )
    return text


def _conformal(said: dict[str, Any]) -> str:
    if said.get("quantile") is None:
        return f"There is no set of classes that holds the true one {_times(said['coverage'])}: {said['why']}."
    text = (
        f"The set of all classes of probability {_down(1 - said['quantile'])} or above holds the true one "
        f"{_times(said['coverage'])}."
    )
    if said.get("coverage_test") is not None:
        text += (
            f" On the test images it did in {percent(said['coverage_test'])} (95 % interval "
            f"{_interval(said, 'low', 'high')}), with {said['mean_size']:.2f} classes on average."
        )
    return text


def _gates(gate: dict[str, Any]) -> Iterator[str]:
    if not gate["gates"]:
        return
    yield "## What was demanded"
    yield ""
    yield "| gate | | why |"
    yield "|---|---|---|"
    for row in gate["gates"]:
        named = _plain(row.get("rule") or row["name"])
        yield f"| {named} | {'passed' if row['passed'] else '**failed**'} | {_plain(row['why'])} |"


def _data(release: dict[str, Any], metrics: dict[str, Any]) -> Iterator[str]:
    said, digests = metrics["provenance"], release["digests"]
    yield "## What it learned from"
    yield ""
    yield f"Dataset {release['dataset_name']}, version `{digests['dataset']}`; labels of sha256 `{digests['labels']}`."
    yield ""
    yield "| | images | labels |"
    yield "|---|---|---|"
    images, labels = said["dataset"]["counts"], said["labels"]["counts"]
    for split in PURPOSES:
        yield f"| {split} | {images.get(split, 0)} | {labels.get(split, 0)} |"
    if said["labels"].get("propagated"):
        yield ""
        yield f"Near neighbours gave {said['labels']['propagated']} training images their label."


def _limits(release: dict[str, Any], metrics: dict[str, Any]) -> Iterator[str]:
    """What the figures do not say."""
    yield "## Limits"
    yield ""
    yield (
        "- It gives one of its classes to every image, also to one of something else; the figures hold for images like "
        "those of the test split alone."
    )
    if release["unlabelled_classes"]:
        yield f"- It never answers {_names(release['unlabelled_classes'])}: no image of them was labelled for training."
    fewest = metrics["provenance"]["evaluate"]["settings"].get("small_slice", FEW)
    small = [row["class"] for row in metrics["per_class"] if row["support"] < fewest]
    if small:
        yield f"- Fewer than {fewest} test images, so that their figures say little: {_names(small)}."
    suspects = metrics.get("suspects")
    if suspects:
        yield f"- {len(suspects)} labels look wrong; the report lists them."
    champion = (metrics.get("against") or {}).get("champion")
    if champion and (champion["only_here"] or champion["only_there"]):
        yield (
            "- Compared with the champion on the classes that both know; "
            f"new: {_names(champion['only_here']) or 'none'}, gone: {_names(champion['only_there']) or 'none'}."
        )
    onnx = metrics["onnx"]
    yield (
        f"- `model.onnx` differs from the network that was trained by at most {onnx['max_difference']:.2g} in a "
        f"logit, on {onnx['images']} test images."
    )
    int8 = onnx.get("int8")
    if int8 and int8["released"]:
        yield (
            f"- `model.int8.onnx` has an accuracy of {percent(int8['accuracy'])}, a loss of "
            f"{_points(int8['drop'])} points."
        )


def _use(release: dict[str, Any], files: Iterable[str]) -> Iterator[str]:
    yield "## How to use it"
    yield ""
    yield "```sh"
    yield f"gleaner predict …/releases/{release['model']} image.jpg        # the champion; a version by its folder"
    yield f"gleaner serve …/releases/{release['model']}                    # KServe's protocol v2, and a page at /"
    yield f"gleaner release verify …/releases/{release['model']}           # every byte, and where it came from"
    yield f"gleaner release reproduce …/releases/{release['model']}        # runs again, and compares"
    yield "sha256sum -c SHA256SUMS                                    # without Gleaner, in the folder"
    yield "```"
    yield ""
    yield (
        "`model.onnx` takes `pixels`, uint8 (batch, channels, height, width), as `preprocessing.json` says, and gives "
        "`logits` and `embedding`; probabilities are softmax(logits / temperature). The report is `report.html`, its "
        "figures `metrics.json`; what it was made from is in `provenance.json`."
    )
    yield ""
    yield f"Files: {', '.join(f'`{name}`' for name in files)}."


def _interval(said: dict[str, Any], low: str, high: str) -> str:
    if said.get(low) is None or said.get(high) is None:
        return "–"
    return f"{percent(said[low])} to {percent(said[high])}"


def _points(difference: float) -> str:
    """A difference of shares in points, with its sign; never minus nothing."""
    return f"{round(100 * difference, 2) + 0.0:+.2f}"


def _up(threshold: float) -> str:
    """Rounded to the side on which the promise holds."""
    return f"{ceil(round(threshold * 1e4, 6)) / 1e4:.4f}"


def _down(threshold: float) -> str:
    return f"{floor(round(threshold * 1e4, 6)) / 1e4:.4f}"


def _percents(share: float) -> str:
    return f"{100 * share:g} %"


def _times(share: float) -> str:
    """0.99 as "99 times in 100"."""
    digits = 2 if round(100 * share, 6).is_integer() else 3
    return f"{share * 10**digits:g} times in {10**digits:,}"


def _plain(text: str) -> str:
    """Names and sentences as they are, whatever signs of Markdown or HTML they hold, in a table too."""
    return re.sub(r"([\\`*<|\[\]])", r"\\\1", " ".join(text.split()))


def _names(names: Iterable[str]) -> str:
    return ", ".join(map(_plain, names))
