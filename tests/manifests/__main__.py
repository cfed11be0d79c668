"""`python -m tests.manifests DIR`: every overlay, and what none of them has on, built as a file each, for checkov."""

import sys
import tempfile
from pathlib import Path

from tests.manifests.kubectl import OVERLAYS, ROOT, build_text, combined

folder = Path(sys.argv[1])
folder.mkdir(parents=True, exist_ok=True)
for name in OVERLAYS:
    (folder / f"{name}.yaml").write_text(build_text(ROOT / "manifests" / "overlays" / name), encoding="utf-8")
for name in ("labelling", "monitoring", "serving"):
    with tempfile.TemporaryDirectory() as scratch:
        off = combined(Path(scratch), "seaweedfs", name)
        (folder / f"{name}.yaml").write_text(build_text(off), encoding="utf-8")
