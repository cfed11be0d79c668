"""The application: endpoints, the page and its files, and JSON for everything that is refused."""

from collections.abc import Callable
from pathlib import Path

from fastapi import APIRouter, FastAPI, Request
from fastapi.responses import FileResponse, JSONResponse, Response
from starlette.exceptions import HTTPException
from starlette.requests import ClientDisconnect

from components.serve.engine.answering import Answering
from components.serve.engine.current import floor
from components.serve.engine.errors import RefusedError
from components.serve.http import v2
from components.serve.http.door import told
from components.serve.http.uploads import uploads
from components.serve.metrics import CONTENT_TYPE_LATEST

PAGE = Path(__file__).parents[1] / "page"
TYPES = {".js": "text/javascript", ".css": "text/css", ".svg": "image/svg+xml"}
FRESH = {"cache-control": "no-cache"}


def create(answering: Answering, is_ready: Callable[[], bool], most_bytes: int, most_images: int) -> FastAPI:
    """is_ready: whether requests are to be sent here; most_bytes: of a body; most_images: of a request."""
    app = FastAPI(
        title="Gleaner",
        summary="Answers with a release: class, calibrated confidence, and whether a person should look.",
        docs_url=None,  # FastAPI's own page fetches its scripts from elsewhere; ours is at /docs
        redoc_url=None,
        redirect_slashes=False,
    )
    _tell_errors(app)
    app.include_router(uploads(answering, most_bytes, most_images))
    app.include_router(v2.server(is_ready))
    app.include_router(v2.models(answering, is_ready, most_bytes, most_images))
    app.include_router(_pages(answering))
    return app


def _pages(answering: Answering) -> APIRouter:
    router = APIRouter(include_in_schema=False)
    files = {path.name for path in PAGE.iterdir() if path.suffix in TYPES}

    @router.get("/")
    async def index() -> Response:
        return FileResponse(PAGE / "index.html", media_type="text/html", headers=FRESH)

    @router.get("/docs")
    async def docs() -> Response:
        return FileResponse(PAGE / "docs.html", media_type="text/html", headers=FRESH)

    @router.get("/page/{name}")
    async def page_file(name: str) -> Response:
        if name not in files:
            raise RefusedError(f"no file {name[:100]!r}", 404)
        return FileResponse(PAGE / name, media_type=TYPES[Path(name).suffix], headers=FRESH)

    @router.get("/about")
    async def about() -> Response:
        """What the page shows before it has an answer."""
        current = answering.current
        facts = {"model": current.name, "version": current.release.version, "classes": len(current.release.classes)}
        coverage = ((current.release.thresholds or {}).get("conformal") or {}).get("coverage")
        facts |= {"threshold": floor(current.release), "coverage": coverage}
        return JSONResponse(facts, headers={"cache-control": "no-store"})

    @router.get("/metrics")
    async def metrics() -> Response:
        return Response(answering.metrics.text(), media_type=CONTENT_TYPE_LATEST)

    return router


def _tell_errors(app: FastAPI) -> None:
    """Every refusal is JSON of one line, and says so in the request's line of the log."""

    def answer(request: Request, text: str, status: int, headers: dict[str, str] | None = None) -> Response:
        told(request.scope)["error"] = text
        return JSONResponse({"error": text}, status, headers)

    @app.exception_handler(RefusedError)
    async def refused(request: Request, error: RefusedError) -> Response:
        return answer(request, str(error), error.status, error.headers)

    @app.exception_handler(HTTPException)
    async def http(request: Request, error: HTTPException) -> Response:
        text = f"nothing at {request.url.path[:100]!r}; /docs lists what there is" if error.status_code == 404 else ""
        return answer(request, text or str(error.detail), error.status_code, dict(error.headers or {}))

    @app.exception_handler(ClientDisconnect)
    async def left(request: Request, error: ClientDisconnect) -> Response:
        return answer(request, "the client left", 400)

    @app.exception_handler(Exception)
    async def failed(request: Request, error: Exception) -> Response:
        return answer(request, f"{type(error).__name__}; the server's log says more", 500)
