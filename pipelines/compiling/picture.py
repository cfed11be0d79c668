"""The DAG as an SVG: a column per stage, a line per artifact from its writer to its readers."""

from html import escape
from typing import Any, NamedTuple

# pixels: pitch and width of the columns, pitch of the rows, first row, margin
COLUMN, BOX, ROW, TOP, LEFT = 118, 102, 30, 76, 12
STYLE = """
  text { font: 13px system-ui, -apple-system, "Segoe UI", sans-serif; fill: #1f2328 }
  .card { fill: #ffffff; stroke: #d1d9e0 }
  .stage { font-weight: 600; text-anchor: middle }
  .small { font-size: 11.5px; fill: #59636e }
  .label { paint-order: stroke; stroke: #ffffff; stroke-width: 5px }
  .guide { stroke: #d1d9e0; stroke-dasharray: 2 4 }
  .flow { stroke: #818b98; stroke-width: 1.5; fill: none }
  .line { stroke: currentColor; stroke-width: 2.5; stroke-linecap: round }
  .read { fill: currentColor }
  .written { fill: #ffffff; stroke: currentColor; stroke-width: 2 }
  .data { color: #218bff } .train { color: #e16f24 } .report { color: #2da44e }
  .data rect { fill: #ddf4ff; stroke: #54aeff }
  .train rect { fill: #fff1e5; stroke: #fb8f44 }
  .report rect { fill: #dafbe1; stroke: #4ac26b }
  @media (prefers-color-scheme: dark) {
    text { fill: #f0f6fc } .small { fill: #9198a1 } .label { stroke: #0d1117 }
    .card { fill: #0d1117; stroke: #3d444d } .guide { stroke: #3d444d } .written { fill: #0d1117 }
    .data rect { fill: #0c2d6b; stroke: #388bfd }
    .train rect { fill: #5a1e02; stroke: #db6d28 }
    .report rect { fill: #033a16; stroke: #2ea043 }
  }
"""


class Line(NamedTuple):
    """One artifact: who writes it and who reads it, as columns."""

    name: str
    writer: int
    readers: list[int]


def picture(ir: dict[str, Any]) -> str:
    """SVG of a compiled pipeline (the parsed IR)."""
    tasks = _stages(ir)
    stages = _in_order(tasks)
    roles = [_role(ir, stage) for stage in stages]
    lines = _lines(tasks, stages)
    extras = [_unread(ir, stage, lines, column) for column, stage in enumerate(stages)]
    floor = TOP + ROW * len(lines)
    width = LEFT * 2 + COLUMN * len(stages) - (COLUMN - BOX)
    height = floor + 46 + 16 * max(map(len, extras))
    title = ir["pipelineInfo"].get("description") or ir["pipelineInfo"]["name"]
    parts = [
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {width} {height}" width="{width}" '
        f'height="{height}" role="img">',
        f"<title>{escape(title)}</title>",
        f"<style>{STYLE}</style>",
        '<defs><marker id="arrow" viewBox="0 0 8 8" refX="7" refY="4" markerWidth="7" markerHeight="7" orient="auto">'
        '<path d="M0 0 8 4 0 8z" fill="#818b98"/></marker></defs>',
        f'<rect class="card" x=".5" y=".5" width="{width - 1}" height="{height - 1}" rx="8"/>',
    ]
    for column, (stage, role) in enumerate(zip(stages, roles, strict=True)):
        parts += _stage(column, stage, role, floor, last=column == len(stages) - 1)
    for row, line in enumerate(lines):
        parts += _line(line, roles[line.writer], TOP + ROW * row + ROW // 2)
    parts.append(f'<text class="small" x="{LEFT + 4}" y="{floor + 22}">also written:</text>')
    for column, names in enumerate(extras):
        parts += [
            f'<text class="small" x="{_middle(column)}" y="{floor + 40 + 16 * at}" '
            f'text-anchor="middle">{escape(_words(name))}</text>'
            for at, name in enumerate(names)
        ]
    parts.append(f'<text class="small" x="{LEFT + 4}" y="{height - 13}">○ writes an artifact   ● reads it</text>')
    return "\n".join([*parts, "</svg>", ""])


def _stages(ir: dict[str, Any]) -> dict[str, Any]:
    """The tasks that write artifacts; others prepare one of them."""
    tasks = ir["root"]["dag"]["tasks"]
    writers = {
        name
        for name, task in tasks.items()
        if ir["components"][task["componentRef"]["name"]].get("outputDefinitions", {}).get("artifacts")
    }
    return {
        name: {**task, "dependentTasks": sorted(writers.intersection(task.get("dependentTasks", [])))}
        for name, task in tasks.items()
        if name in writers
    }


def _in_order(tasks: dict[str, Any]) -> list[str]:
    """Stages so that each stands after those it waits for."""
    order: list[str] = []
    while len(order) < len(tasks):
        order.append(
            min(
                name
                for name, task in tasks.items()
                if name not in order and set(task.get("dependentTasks", [])) <= set(order)
            )
        )
    return order


def _role(ir: dict[str, Any], stage: str) -> str:
    """data, train or report: the end of the image's name."""
    label = ir["components"][ir["root"]["dag"]["tasks"][stage]["componentRef"]["name"]]["executorLabel"]
    image = ir["deploymentSpec"]["executors"][label]["container"]["image"]
    return image.rpartition("/")[2].partition("@")[0].partition(":")[0].rpartition("-")[2]


def _lines(tasks: dict[str, Any], stages: list[str]) -> list[Line]:
    readers: dict[tuple[int, str], list[int]] = {}
    for stage, task in tasks.items():
        for source in task["inputs"].get("artifacts", {}).values():
            output = source["taskOutputArtifact"]
            readers.setdefault((stages.index(output["producerTask"]), output["outputArtifactKey"]), []).append(
                stages.index(stage)
            )
    return [Line(name, writer, sorted(columns)) for (writer, name), columns in sorted(readers.items())]


def _unread(ir: dict[str, Any], stage: str, lines: list[Line], column: int) -> list[str]:
    """Outputs that no later stage reads: what people look at."""
    component = ir["root"]["dag"]["tasks"][stage]["componentRef"]["name"]
    outputs = ir["components"][component].get("outputDefinitions", {}).get("artifacts", {})
    return [name for name in sorted(outputs) if not any(line.name == name and line.writer == column for line in lines)]


def _stage(column: int, stage: str, role: str, floor: int, last: bool) -> list[str]:
    left = LEFT + COLUMN * column
    middle = _middle(column)
    arrow = [] if last else [f'<path class="flow" d="M{left + BOX} 34H{left + COLUMN - 1}" marker-end="url(#arrow)"/>']
    return [
        f'<path class="guide" d="M{middle} 58V{floor + 4}"/>',
        f'<g class="{role}"><rect x="{left}" y="14" width="{BOX}" height="40" rx="6"/></g>',
        f'<text class="stage" x="{middle}" y="32">{escape(stage)}</text>',
        f'<text class="small" x="{middle}" y="47" text-anchor="middle">{escape(role)} image</text>',
        *arrow,
    ]


def _line(line: Line, role: str, y: int) -> list[str]:
    start = _middle(line.writer)
    end = _middle(line.readers[-1])
    dots = [f'<circle class="read" cx="{_middle(reader)}" cy="{y}" r="4.5"/>' for reader in line.readers]
    return [
        f'<g class="{role}"><path class="line" d="M{start} {y}H{end}"/>',
        *dots,
        f'<circle class="written" cx="{start}" cy="{y}" r="4.5"/>',
        f'<text class="label" x="{start + 10}" y="{y - 7}">{escape(_words(line.name))}</text></g>',
    ]


def _middle(column: int) -> int:
    return LEFT + COLUMN * column + BOX // 2


def _words(name: str) -> str:
    return name.replace("_", " ")
