"""`python -m tests.manifests DIR`: every overlay, built, as a file each, for checkov."""

import sys
from pathlib import Path

from tests.manifests.kubectl import OVERLAYS, ROOT, build_text

folder = Path(sys.argv[1])
folder.mkdir(parents=True, exist_ok=True)
for name in OVERLAYS:
    (folder / f"{name}.yaml").write_text(build_text(ROOT / "manifests" / "overlays" / name), encoding="utf-8")
