"""POST /predict: image files as a form or as the body, answers in words."""

import json
from typing import Any

from fastapi import APIRouter, Request
from fastapi.responses import Response

from components.serve.engine.answering import Answering, Reply
from components.serve.engine.errors import RefusedError
from components.serve.http import described
from components.serve.http.bodies import announced, body_of
from components.serve.http.door import told
from components.serve.http.multipart import Image, images_of

TOP = 5  # classes of an answer, unless `?top=` says otherwise


def uploads(answering: Answering, most_bytes: int, most_images: int) -> APIRouter:
    """most_bytes: of a body; most_images: of a request."""
    router = APIRouter(tags=["uploads"])

    @router.post("/predict", openapi_extra=described.PREDICT, responses=described.PREDICTED)
    async def predict(request: Request) -> Response:
        """Class, calibrated confidence, likeliest classes, whether a person should look (`abstain`) and the conformal
        set of each image. An image of several that cannot be read has an `error` instead.
        """
        top = _top(request.query_params.get("top", str(TOP)))
        with answering.admission.place(announced(request, most_bytes)) as place:
            body = await body_of(request, place, most_bytes)
            images = images_of(body, request.headers.get("content-type", ""), most_images)
            place.holds(len(images))
            reply = await answering.images([image.data for image in images])
        facts = told(request.scope)
        facts.update(images=len(images), bytes=len(body), version=reply.release.version)
        predictions = _predictions(images, reply, top)
        if reply.answers is None:
            first = next(error for error in reply.errors if error)
            why = str(first) if len(images) == 1 else f"none of {len(images)} images can be read; the first: {first}"
            facts["error"] = why
            return _json({"error": why, "predictions": predictions}, first.status)
        return _json(
            {"model": answering.current.name, "version": reply.release.version, "predictions": predictions}, 200
        )

    return router


def _predictions(images: list[Image], reply: Reply, top: int) -> list[dict[str, Any]]:
    answers = iter(reply.release.told(reply.answers, top) if reply.answers else ())
    return [
        {"name": image.name, **({"error": str(error)} if error else next(answers))}
        for image, error in zip(images, reply.errors, strict=True)
    ]


def _top(text: str) -> int:
    if not text.isdecimal() or not 0 < int(text[:9]) <= 1000:
        raise RefusedError(f"top={text[:20]!r}: expected a number of classes from 1 to 1000", 400)
    return int(text)


def _json(value: dict[str, Any], status: int) -> Response:
    return Response(json.dumps(value, ensure_ascii=False).encode(), status, media_type="application/json")
