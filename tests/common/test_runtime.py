"""onnxruntime reports nothing and leaves nothing behind, in a process that no test runner or CI is seen from."""

import os
import subprocess
import sys
from pathlib import Path

from tests.releases.made import publish_release

ROOT = Path(__file__).parents[2]


def test_a_released_model_runs_without_telemetry(tiny_world, tmp_path):
    place = publish_release(tiny_world, str(tmp_path / "store"))
    code = (
        "import sys, numpy as np\n"
        "from components.releases.model import load_release\n"
        f"load_release({place!r}, 1).run(np.zeros((1, 1, 8, 8), np.uint8))\n"
        "from components.common.learning.int8 import quantized\n"
        f"quantized(open({place + '/model.onnx'!r}, 'rb').read(), np.zeros((2, 1, 8, 8), np.uint8))\n"
    )
    home = tmp_path / "home"
    home.mkdir()
    plain = {"PATH": os.environ["PATH"], "PYTHONPATH": str(ROOT), "HOME": str(home), "TMPDIR": str(tmp_path)}
    done = subprocess.run([sys.executable, "-c", code], cwd=ROOT, env=plain, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    assert [path for path in home.rglob("*") if "onnxruntime" in path.name or "Microsoft" in path.name] == []
