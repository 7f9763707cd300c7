"""The server of `vox review`: the routes of its page, on this machine only.

Nothing is logged, because the address holds the token. Names and keys that a request gives are looked up in the tables
of the voice, never joined to a path.
"""

from __future__ import annotations

import secrets
import socket
from collections.abc import Callable
from pathlib import Path
from typing import Annotated, Any, Literal

import jinja2
import uvicorn
from fastapi import FastAPI, Query, Request
from fastapi.exceptions import RequestValidationError
from fastapi.responses import HTMLResponse, JSONResponse, Response
from pydantic import BaseModel, ConfigDict, Field
from starlette.exceptions import HTTPException

from flows.errors import named_errors
from flows.review_page.clip_items import ClipItem
from flows.review_page.guard import App, guarded
from flows.review_page.session import ClipChangedError, Session, State
from flows.review_page.sounds import clip_sound
from serving.api.browser_safety import page_policy
from stages.corrections.rows import MAX_TEXT_CHARS

FOLDER = Path(__file__).parent
Key = Annotated[str, Query(max_length=200)]


class DecisionRequest(BaseModel):
    """What the page sends for a decision."""

    model_config = ConfigDict(extra="forbid", allow_inf_nan=False, str_max_length=MAX_TEXT_CHARS)

    key: str = Field(description="the clip")
    revision: str = Field(description="what the page knew of it")
    action: Literal["text", "drop", "restore", "split", "merge"] = Field(description="what is decided")
    text: str | None = Field(default=None, description="for text: what is said")
    at: float | None = Field(default=None, description="for split: where, in seconds within the clip")


class UndoRequest(BaseModel):
    """What the page sends to take the last decision back."""

    model_config = ConfigDict(extra="forbid")


def make_app(session: Session, token: str) -> App:
    """Return the application behind its guard. Every route lies below /TOKEN/."""
    app = FastAPI(openapi_url=None, docs_url=None, redoc_url=None)
    _answer_errors(app)

    @app.get("/")
    def page() -> Response:
        return _page(session)

    @app.get("/clips")
    def clips(known: str = "") -> Response:
        state = session.state()
        if state.version == known:
            return JSONResponse({"version": known})
        items = [item for name in state.tables.recordings for item in state.items(name)]
        return JSONResponse({"version": state.version, "notes": state.notes, "clips": _summaries(items)})

    @app.get("/clip")
    def clip(key: Key) -> Response:
        return JSONResponse(session.state().item(key).details())

    @app.get("/sound")
    def sound(key: Key) -> Response:
        item = session.state().item(key)
        return Response(clip_sound(item.sound), media_type="audio/wav")

    @app.post("/decide")
    def decide(body: DecisionRequest) -> Response:
        state = session.decide(body.key, body.revision, action=body.action, text=body.text, at=body.at)
        return JSONResponse(_changed(state, state.rows[-1].recording_sha256))

    @app.post("/undo")
    def undo(body: UndoRequest) -> Response:
        state, rows = session.undo()
        changed = _changed(state, rows[0].recording_sha256)
        return JSONResponse({**changed, "undone": rows[0].where(), "start": rows[0].start})

    return guarded(app, token)


class ReviewServer:
    """A server on 127.0.0.1 that does not serve before `serve` is called.

    Attributes:
        address: The address of the page.
    """

    def __init__(self, session: Session, *, port: int = 0) -> None:
        """Bind the port.

        Raises:
            OSError: The port cannot be used, in a sentence.
        """
        token = secrets.token_urlsafe(24)
        self._socket = socket.socket(proto=socket.IPPROTO_TCP)  # or answers wait up to 40 ms for an acknowledgement
        self._socket.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            self._socket.bind(("127.0.0.1", port))
            self._socket.listen()  # who opens the address before `serve` waits, and is not refused
        except OSError as error:
            self._socket.close()
            raise OSError(
                f"port {port} cannot be used ({error.strerror}); name another with --port, or leave the option out"
            ) from error
        self.address = f"http://127.0.0.1:{self._socket.getsockname()[1]}/{token}/"
        config = uvicorn.Config(
            make_app(session, token),
            log_config=None,
            access_log=False,
            server_header=False,
            date_header=False,
            lifespan="off",
            ws="none",
            timeout_graceful_shutdown=1,
        )
        self._server = uvicorn.Server(config)

    def serve(self) -> None:
        """Serve until `stop` is called or the process is interrupted."""
        self._server.run(sockets=[self._socket])

    def stop(self) -> None:
        """End `serve` from another thread."""
        self._server.should_exit = True


def _page(session: Session) -> Response:
    nonce = secrets.token_urlsafe(16)
    environment = jinja2.Environment(
        autoescape=True, undefined=jinja2.StrictUndefined, loader=jinja2.FileSystemLoader(FOLDER)
    )
    page = environment.get_template("page.html").render(
        nonce=nonce, voice=session.voice, reviewer=session.reviewer, shortest=session.limits.min_clip_seconds
    )
    return HTMLResponse(page, headers={"Content-Security-Policy": page_policy(nonce)})


def _summaries(items: list[ClipItem]) -> list[dict[str, Any]]:
    return [item.summary() for item in items]


def _changed(state: State, sha256: str) -> dict[str, Any]:
    """Return the clips of the one recording that a decision changed."""
    name = next(name for name, one in state.tables.recordings.items() if one.sha256 == sha256)
    return {
        "version": state.version,
        "notes": state.notes,
        "recording": name,
        "clips": _summaries(state.items(name)),
    }


def _answer_errors(app: FastAPI) -> None:
    """Make every error a sentence in JSON."""

    def answer(status: int) -> Callable[[Request, Exception], Response]:
        return lambda request, error: JSONResponse({"error": " ".join(str(error).split())}, status_code=status)

    for kind in named_errors():
        app.add_exception_handler(kind, answer(409))
    app.add_exception_handler(ClipChangedError, answer(410))

    @app.exception_handler(HTTPException)
    def not_answered(request: Request, error: HTTPException) -> Response:
        if error.status_code == 400:
            return JSONResponse({"error": "a request must be JSON"}, status_code=400)
        return JSONResponse({"error": "there is nothing here"}, status_code=404)

    @app.exception_handler(RequestValidationError)
    def not_valid(request: Request, error: RequestValidationError) -> Response:
        faults = "; ".join(f"{'.'.join(map(str, one['loc'][1:]))}: {one['msg']}" for one in error.errors())
        return JSONResponse({"error": f"not a request of this page: {faults[:500]}"}, status_code=400)
