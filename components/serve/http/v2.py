"""The endpoints of the open inference protocol (KServe's v2)."""

from collections.abc import Callable
from importlib.metadata import PackageNotFoundError, version
from typing import Any

from fastapi import APIRouter, Request
from fastapi.responses import JSONResponse, Response

from components.releases.model import ReleasedModel
from components.serve.engine.answering import Answering
from components.serve.engine.errors import RefusedError
from components.serve.http import described
from components.serve.http.bodies import announced, body_of
from components.serve.http.door import told
from components.serve.http.protocol import JSON_LENGTH, answer_of, metadata_of, question_of


def server(is_ready: Callable[[], bool]) -> APIRouter:
    """What is asked of the server. It is ready while it can answer and is not about to stop."""
    router = APIRouter(prefix="/v2", tags=["server"])

    @router.get("", responses=described.SERVER)
    @router.get("/", include_in_schema=False)
    async def metadata() -> Response:
        """Name and version of the server."""
        told = {"name": "gleaner", "version": _version(), "extensions": ["binary_tensor_data"]}
        return JSONResponse(told)

    @router.get("/health/live", responses=described.LIVE)
    async def live() -> Response:
        """Whether the server runs."""
        return JSONResponse({"live": True})

    @router.get("/health/ready", responses=described.READY)
    async def ready() -> Response:
        """Whether the server takes requests."""
        now = is_ready()
        return JSONResponse({"ready": now}, 200 if now else 503)

    return router


def models(answering: Answering, is_ready: Callable[[], bool], most_bytes: int, most_images: int) -> APIRouter:
    """What is asked of the model. most_bytes: of a body; most_images: of a request."""
    router = APIRouter(prefix="/v2/models/{name}", tags=["model"])

    @router.get("", responses=described.MODEL)
    @router.get("/versions/{version}", responses=described.MODEL)
    async def metadata(request: Request) -> Response:
        """What the model reads and answers; `parameters.classes` has the order of its classes."""
        return JSONResponse(metadata_of(answering.current.name, _release(answering, request)))

    @router.get("/ready", responses=described.MODEL_READY)
    @router.get("/versions/{version}/ready", responses=described.MODEL_READY)
    async def ready(request: Request) -> Response:
        """Whether the model takes requests."""
        _release(answering, request)
        now = is_ready()
        return JSONResponse({"name": answering.current.name, "ready": now}, 200 if now else 503)

    @router.post("/infer", openapi_extra=described.INFER, responses=described.INFERRED)
    @router.post("/versions/{version}/infer", openapi_extra=described.INFER, responses=described.INFERRED)
    async def infer(request: Request) -> Response:
        """Answers for tensors: `pixels`, or `image` with whole files."""
        release = _release(answering, request)
        with answering.admission.place(announced(request, most_bytes)) as place:
            body = await body_of(request, place, most_bytes)
            asked = question_of(body, request.headers.get(JSON_LENGTH), release, most_images)
            count = len(asked.images) if asked.pixels is None else len(asked.pixels)
            told(request.scope).update(images=count, bytes=len(body), version=release.version)
            place.holds(count)
            if asked.pixels is not None:
                answers = await answering.pixels(release, asked.pixels)
            else:
                reply = await answering.images(asked.images)
                wrong = next(((n, error) for n, error in enumerate(reply.errors) if error), None)
                if wrong:
                    raise RefusedError(f"image {wrong[0]}: {wrong[1]}", wrong[1].status)
                assert reply.answers is not None
                release, answers = reply.release, reply.answers
        content, headers = answer_of(asked, answering.current.name, release, answers)
        return Response(content, headers=headers)

    return router


def _release(answering: Answering, request: Request) -> ReleasedModel:
    """The release that the path names; RefusedError (404) where it is another."""
    release, path = answering.current.release, request.path_params
    if path["name"] not in (answering.current.name, release.name):
        raise RefusedError(f"no model {path['name'][:100]!r}; this server has {answering.current.name!r}", 404)
    if path.get("version", release.version) != release.version:
        raise RefusedError(f"no version {path['version'][:100]!r}; {release.version!r} answers", 404)
    return release


def _version() -> Any:
    try:
        return version("gleaner")
    except PackageNotFoundError:  # run from a folder of its sources
        return "unknown"
