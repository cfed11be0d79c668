"""Where the CPU seconds of ingest go, by phase: the stage's command in a process of its own, with a clock around the
functions that each phase consists of.
"""

import json
import os
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from components.common.cli import main as run_stage
from components.ingest import merge, stage
from components.ingest.plan import work
from components.ingest.version.inventory import Inventory
from tests.processes import children

START, REST = "start and imports", "index, report, publishing"
DECODING, PACKING = "decoding (other processes)", "packing"
PHASES: dict[str, tuple[tuple[Any, str], ...]] = {
    START: (),
    "listing": ((work, "make_plan"),),
    DECODING: (),
    PACKING: ((stage, "pack"),),
    "joining files and thumbnails": ((Inventory, "add_part"), (Inventory, "join"), (Inventory, "add_thumbnails")),
    "near-duplicates": ((merge, "find_pairs"), (merge, "form_groups")),
    REST: (),
}
TICKS = os.sysconf("SC_CLK_TCK")


def main() -> None:
    """Run the stage with the flags given, then print a line of JSON: CPU seconds by phase."""
    spent = dict.fromkeys(PHASES, 0.0)
    spent[START] = time.process_time()
    for phase, functions in PHASES.items():
        for owner, name in functions:
            setattr(owner, name, _timed(getattr(owner, name), phase, spent))
    run_stage(stage.run, sys.argv[1:])
    spent[DECODING] = sum(_with_ended_children(process) for process in children(os.getpid()))
    spent[REST] = time.process_time() - sum(spent[phase] for phase in PHASES if phase != DECODING)
    print(json.dumps(spent), flush=True)


def _timed(function: Callable[..., Any], phase: str, spent: dict[str, float]) -> Callable[..., Any]:
    def timed(*values: Any, **named: Any) -> Any:
        start = time.process_time()
        try:
            return function(*values, **named)
        finally:
            spent[phase] += time.process_time() - start

    return timed


def _with_ended_children(process: int) -> float:
    """CPU seconds of a process and of its children that have ended: the server that forks decoders, and these."""
    fields = Path(f"/proc/{process}/stat").read_text().rpartition(")")[2].split()
    return sum(map(int, fields[11:15])) / TICKS
