"""onnxruntime, which runs ONNX files; told first to report nothing to its makers, as it does unless it is asked not to
(since 1.29: processes, models, errors, under an identifier that it leaves in the home folder).
"""

import os
from types import ModuleType


def onnxruntime() -> ModuleType:
    """The module, loaded when it is first asked for."""
    os.environ.setdefault("ORT_DISABLE_TELEMETRY", "1")  # read once, when the library is loaded
    import onnxruntime

    return onnxruntime
