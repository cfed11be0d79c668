"""The form of a compiled pipeline as an SVG: its fields as Kubeflow's UI lays them out, sorted, each with its type."""

import json
from html import escape
from typing import Any

# pixels: width of a field, its height, pitch of the rows, first row, margin
FIELD, HEIGHT, ROW, TOP, LEFT = 640, 36, 62, 96, 20
LONGEST = 76  # characters of a value that fit
STYLE = """
  text { font: 14px system-ui, -apple-system, "Segoe UI", sans-serif; fill: #1f2328 }
  .card { fill: #ffffff; stroke: #d1d9e0 } .field { fill: none; stroke: #818b98 }
  .head { font-size: 17px; font-weight: 600 } .small { font-size: 12px; fill: #59636e }
  .mono { font: 13px ui-monospace, Menlo, Consolas, monospace }
  @media (prefers-color-scheme: dark) {
    text { fill: #f0f6fc } .small { fill: #9198a1 }
    .card { fill: #0d1117; stroke: #3d444d }
  }
"""


def form_picture(ir: dict[str, Any]) -> str:
    """SVG of the form that a compiled pipeline (the parsed IR) is started with."""
    info = ir["pipelineInfo"]
    fields = sorted(ir["root"]["inputDefinitions"]["parameters"].items())
    width = FIELD + 2 * LEFT
    height = TOP + ROW * len(fields) + 6
    parts = [
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {width} {height}" width="{width}" '
        f'height="{height}" role="img">',
        f"<title>The form of {escape(info['name'])}</title>",
        f"<style>{STYLE}</style>",
        f'<rect class="card" x=".5" y=".5" width="{width - 1}" height="{height - 1}" rx="8"/>',
        f'<text class="head" x="{LEFT}" y="34">{escape(info["name"])}</text>',
        f'<text class="small" x="{LEFT}" y="56">version {escape(info["displayName"])} (…)</text>',
    ]
    for row, (name, about) in enumerate(fields):
        parts += _field(name, about, TOP + ROW * row)
    return "\n".join([*parts, "</svg>", ""])


def _field(name: str, about: dict[str, Any], y: int) -> list[str]:
    value = about["defaultValue"]
    is_json = about["parameterType"] == "STRUCT"
    text = json.dumps(_whole(value), sort_keys=True) if is_json else str(_whole(value))
    shown = text if len(text) <= LONGEST else f"{text[: LONGEST - 1]}…"
    right = "▾" if "literals" in about else ""
    others = " or ".join(word for word in about.get("literals", []) if word != value)
    return [
        f'<rect class="field" x="{LEFT}" y="{y}" width="{FIELD}" height="{HEIGHT}" rx="4"/>',
        f'<text class="small" x="{LEFT + 2}" y="{y - 7}">{escape(name)} - {about["parameterType"]}</text>',
        f'<text class="{"mono" if is_json else ""}" x="{LEFT + 12}" y="{y + 23}">{escape(shown)}</text>',
        f'<text class="small" x="{LEFT + FIELD - 28}" y="{y + 23}" text-anchor="end">{escape(others)}</text>',
        f'<text x="{LEFT + FIELD - 12}" y="{y + 23}" text-anchor="end">{right}</text>',
    ]


def _whole(value: Any) -> Any:
    """The same with whole numbers as people write them; protobuf has only others."""
    if isinstance(value, dict):
        return {key: _whole(inner) for key, inner in value.items()}
    return int(value) if isinstance(value, float) and value.is_integer() else value
