"""The page's server: files of the page, pictures, and what the page asks, as JSON."""

from collections.abc import Callable
from pathlib import Path
from typing import Annotated, Any, Literal

from fastapi import APIRouter, FastAPI, Request
from fastapi.exceptions import RequestValidationError
from fastapi.responses import FileResponse, JSONResponse, Response
from pydantic import BaseModel, ConfigDict, Field, StringConstraints
from starlette.exceptions import HTTPException

from components.common.errors import BadInputError, FailedError
from components.common.labels.answers import is_text
from components.labelling.desk import MOST, Desk
from components.labelling.leases import Seat
from components.labelling.pictures import SIDES, picture
from components.labelling.refused import RefusedError

PAGE = Path(__file__).with_name("page")
TYPES = {".html": "text/html", ".js": "text/javascript", ".css": "text/css", ".svg": "image/svg+xml"}
FOREVER = "private, max-age=31536000, immutable"  # an id is the digest of the bytes

ImageId = Annotated[str, StringConstraints(pattern="^[0-9a-f]{64}$")]
Name = Annotated[str, StringConstraints(max_length=100)]
Purpose = Literal["", "train", "validation", "calibration", "test", "audit"]


class _Body(BaseModel):
    model_config = ConfigDict(extra="forbid")
    person: Name = ""
    tab: Annotated[str, StringConstraints(pattern="^[0-9a-z]{1,40}$")]
    have: Annotated[list[ImageId], Field(max_length=2000)] = []
    """Images that the page holds, or has shown."""
    count: Annotated[int, Field(ge=1, le=MOST)] = 4
    purpose: Purpose = ""
    mode: Literal["single", "again", "group"] = "single"


class _Answer(_Body):
    images: Annotated[list[ImageId], Field(max_length=MOST)]
    kind: Literal["class", "none", "skip", "aside"]
    label: Name | None = None
    aside: Annotated[list[ImageId], Field(max_length=MOST)] = []


class _NewClass(_Body):
    name: Annotated[str, StringConstraints(max_length=1000)]
    sure: bool = False


class _One(_Body):
    image: ImageId


Seats = Callable[[Request, _Body], Seat]  # who asks


def create(desk: Desk, prefix: str = "/", login: str = "", annotator: str = "", then: str = "") -> FastAPI:
    """The application, all of it under `prefix`.

    login: the header in which a login before this page names the person; annotator: the name of whoever gives none;
    then: the command that goes on once all is labelled.
    """
    app = FastAPI(title="gleaner label", docs_url=None, redoc_url=None, openapi_url=None)
    _tell_errors(app)

    def seat(request: Request, body: _Body) -> Seat:
        name = request.headers.get(login, "") if login else body.person or annotator
        name = " ".join(name.split())
        if not name or len(name) > 100 or not is_text(name) or not name.isprintable():
            raise RefusedError(f"no name in the header {login}" if login else "say who you are first", 401)
        return Seat(name, body.tab)

    about = {"login": bool(login), "annotator": annotator, "then": then}
    below = prefix.rstrip("/")
    app.include_router(_files(desk), prefix=below)
    app.include_router(_questions(desk, seat, about), prefix=f"{below}/api")
    app.include_router(_answers(desk, seat), prefix=f"{below}/api")
    return app


def _files(desk: Desk) -> APIRouter:
    files = APIRouter()
    names = {path.name for path in PAGE.iterdir()}

    @files.get("/alive")
    def alive() -> dict[str, str]:
        return {"status": "ok"}

    @files.get("/")
    def index() -> Response:
        return FileResponse(PAGE / "index.html", media_type="text/html", headers={"cache-control": "no-cache"})

    @files.get("/page/{name}")
    def page_file(name: str) -> Response:
        if name not in names:
            raise RefusedError(f"no file {name[:100]!r}", 404)
        return FileResponse(PAGE / name, media_type=TYPES[Path(name).suffix], headers={"cache-control": "no-cache"})

    @files.get("/image/{image}")
    def image_file(image: str, size: str = "screen") -> Response:
        asked = desk.asked
        pixels = asked.size(image)
        if pixels is None or size not in SIDES:
            raise RefusedError(f"no image {image[:16]!r} of size {size[:16]!r} in dataset {desk.name}", 404)
        found = picture(asked.data(image), *pixels, size)
        return Response(found.data, media_type=found.media_type, headers={"cache-control": FOREVER})

    return files


def _following(desk: Desk, body: _Body, who: Seat) -> dict[str, Any]:
    """What to label next, and how far the round is."""
    if body.mode == "group":
        found: dict[str, Any] = {"group": desk.group(who, body.count)}
        is_empty = found["group"] is None
    else:
        found = {"next": desk.next(who, body.purpose, body.have, body.count, body.mode == "again")}
        is_empty = not found["next"]
    waits = {"waits": desk.waits(who)} if is_empty else {}
    return {**found, **waits, "progress": desk.progress(), "newer": desk.newer and desk.newer.round}


def _questions(desk: Desk, seat: Seats, about: dict[str, Any]) -> APIRouter:
    """What a page asks."""
    api = APIRouter()

    @api.post("/about")
    def tell(request: Request, body: _Body) -> dict[str, Any]:
        """What the page has to know before anybody says who they are."""
        name = seat(request, body).person if about["login"] or about["annotator"] else ""
        told = {"name": desk.name, "person": name, "classes": desk.classes(), "open": desk.is_open, **about}
        return {**told, "progress": desk.progress(), "annotators": desk.annotators}

    @api.post("/next")
    def following(request: Request, body: _Body) -> dict[str, Any]:
        return _following(desk, body, seat(request, body))

    @api.post("/recent")
    def recent(request: Request, body: _Body) -> dict[str, Any]:
        return {"recent": desk.recent(seat(request, body))}

    @api.post("/image")
    def one(request: Request, body: _One) -> dict[str, Any]:
        return {"image": desk.item(body.image, seat(request, body))}

    @api.post("/look")
    def look(request: Request, body: _Body) -> dict[str, Any]:
        desk.look(seat(request, body))
        return {"progress": desk.progress(), "newer": desk.newer and desk.newer.round, "classes": desk.classes()}

    @api.post("/leave")
    def leave(request: Request, body: _Body) -> dict[str, Any]:
        desk.leave(seat(request, body))
        return {}

    return api


def _answers(desk: Desk, seat: Seats) -> APIRouter:
    """What a person says."""
    api = APIRouter()

    @api.post("/answer")
    def answer(request: Request, body: _Answer) -> dict[str, Any]:
        who = seat(request, body)
        if body.kind == "aside":
            desk.set_aside(who, [*body.images, *body.aside])
        else:
            desk.answer(who, body.images, body.kind, body.label, body.aside)
        return _following(desk, body, who)

    @api.post("/undo")
    def undo(request: Request, body: _Body) -> dict[str, Any]:
        return {"undone": desk.undo(seat(request, body)), "progress": desk.progress()}

    @api.post("/classes")
    def new_class(request: Request, body: _NewClass) -> dict[str, Any]:
        seat(request, body)
        return {"name": desk.add_class(body.name, body.sure), "classes": desk.classes()}

    @api.post("/round")
    def newer(request: Request, body: _Body) -> dict[str, Any]:
        who = seat(request, body)
        desk.go_on()
        return {**_following(desk, body, who), "classes": desk.classes(), "open": desk.is_open}

    return api


def _tell_errors(app: FastAPI) -> None:
    """Every refusal is JSON of one line."""

    @app.exception_handler(RefusedError)
    async def refused(request: Request, error: RefusedError) -> Response:
        return JSONResponse({"error": str(error)}, error.status)

    @app.exception_handler(RequestValidationError)
    async def invalid(request: Request, error: RequestValidationError) -> Response:
        first = error.errors()[0]
        where = ".".join(str(part) for part in first["loc"] if part != "body")
        return JSONResponse({"error": f"{where or 'body'}: {first['msg']}"}, 400)

    @app.exception_handler(HTTPException)
    async def http(request: Request, error: HTTPException) -> Response:
        return JSONResponse({"error": str(error.detail)}, error.status_code)

    @app.exception_handler(BadInputError)
    @app.exception_handler(FailedError)
    async def store(request: Request, error: Exception) -> Response:
        return JSONResponse({"error": str(error)}, 503)

    @app.exception_handler(Exception)
    async def failed(request: Request, error: Exception) -> Response:
        return JSONResponse({"error": f"{type(error).__name__}; the server's log says more; try again"}, 500)
