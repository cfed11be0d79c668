"""An ONNX file whose convolutions compute in 8 bits."""

import tempfile
from collections.abc import Iterator
from pathlib import Path

import numpy as np

from components.common.runtime import onnxruntime

OPERATORS = ["Conv", "Relu", "Add", "MaxPool"]  # of the encoder; normalisation and head stay in float32
BATCH = 25  # images per run


def quantized(model: bytes, pixels: np.ndarray) -> bytes:
    """Static quantization by onnxruntime: weights int8 for each channel, activations uint8 in the range that they take
    on `pixels`, uint8 (images, channels, s, s).

    Equal inputs give equal bytes.
    """
    onnxruntime()
    from onnxruntime.quantization import CalibrationDataReader, QuantFormat, QuantType, quantize_static
    from onnxruntime.quantization.shape_inference import quant_pre_process

    class Batches(CalibrationDataReader):
        def __init__(self) -> None:
            self.left: Iterator[np.ndarray] = iter(np.array_split(pixels, max(1, len(pixels) // BATCH)))

        def get_next(self) -> dict[str, np.ndarray] | None:
            batch = next(self.left, None)
            return None if batch is None else {"pixels": batch}

    with tempfile.TemporaryDirectory(prefix="gleaner-int8-") as folder:
        given, prepared, made = (Path(folder) / f"{name}.onnx" for name in ("given", "prepared", "int8"))
        given.write_bytes(model)  # as a file: some versions of onnxruntime lose the weights of one in memory
        quant_pre_process(str(given), str(prepared), skip_symbolic_shape=True)
        quantize_static(
            str(prepared),
            str(made),
            Batches(),
            quant_format=QuantFormat.QDQ,
            op_types_to_quantize=OPERATORS,
            per_channel=True,
            activation_type=QuantType.QUInt8,
            weight_type=QuantType.QInt8,
        )
        return made.read_bytes()
