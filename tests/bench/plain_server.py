"""What one would write in an afternoon, to compare with: FastAPI, torch, an image at a time in its pool of threads, as
TorchServe's handlers do with a batch size of 1. `python -m tests.bench.plain_server ARCHITECTURE PORT`.
"""

import sys

import torch
import uvicorn
from fastapi import FastAPI, UploadFile

from components.common.data.images import square_pixels
from components.common.learning.models import normalise
from tests.bench.serving_models import MODELS, classifier


def main(architecture: str, port: int) -> None:
    spec = MODELS[architecture]
    model = classifier(architecture)
    app = FastAPI()

    @app.post("/predict")
    def predict(image: UploadFile) -> dict[str, object]:
        pixels = square_pixels(image.file.read(), spec.mode, spec.image_size, 100_000_000)
        with torch.inference_mode():
            shares = model(normalise(torch.tensor(pixels[None]), spec)).softmax(1)[0]
        best = int(shares.argmax())
        return {"class": str(best), "confidence": float(shares[best])}

    uvicorn.run(app, port=port, log_level="warning", access_log=False)


if __name__ == "__main__":
    main(sys.argv[1], int(sys.argv[2]))
