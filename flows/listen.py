"""`vox listen`: a page on this machine that plays champion and candidate blind and keeps the votes.

The page learns nothing that tells the sides apart: sounds have random names, one format, loudness and length, and what
it shows of the test before the end has no direction. It answers on 127.0.0.1 alone, and only to who knows the token
in its address, so no other page can read or vote. Nothing is logged: a listener's name is in the votes alone.
"""

from __future__ import annotations

import json
import secrets
from collections.abc import Callable
from contextlib import suppress
from dataclasses import asdict, dataclass, field
from datetime import UTC, datetime
from functools import lru_cache
from hmac import compare_digest
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import jinja2
from pydantic import ValidationError
from rich.console import Console
from sqlalchemy.exc import SQLAlchemyError

from flows.release import recordings_dir
from registry.consent import check_consent
from registry.gate.preference import LEVEL, preference_test
from registry.listening.blind_audio import blind_pair
from registry.listening.trials import Listening, Trial, draw_trial, open_listening
from registry.listening.votes import (
    DEFECTS,
    Ballot,
    Votes,
    cast_vote,
    check_listener_name,
    finish_voting,
    read_votes,
)
from registry.storage.store import Store, open_store

TEMPLATE = Path(__file__).with_name("listen.html")
HOSTS = ("127.0.0.1", "localhost")
MAX_BODY_BYTES = 10_000
console = Console(highlight=False)
blind_pair_once = lru_cache(maxsize=16)(blind_pair)  # the page asks for both sounds of a trial one after the other


class RefusedError(Exception):
    """A request that cannot be answered: an HTTP status and a sentence for the page."""

    def __init__(self, status: int, message: str) -> None:
        super().__init__(message)
        self.status = status


@dataclass(frozen=True)
class Session:
    """One start of `vox listen`."""

    store: Store
    listening: Listening
    listener: str | None  # the only one who may vote; None: the page asks for a name
    token: str = field(default_factory=lambda: secrets.token_urlsafe(24))
    salt: str = field(default_factory=lambda: secrets.token_hex(16))
    trials: dict[str, Trial] = field(default_factory=dict)  # those drawn so far, by their ids

    def votes(self) -> Votes:
        return read_votes(self.store, self.listening.candidate.candidate_id, self.listening.champion.candidate_id)


def listen(voice: str, candidate: int | None, port: int, listener: str | None) -> int:
    """`vox listen`."""
    name = check_listener_name(listener) if listener is not None else None
    check_consent(recordings_dir(voice), datetime.now(UTC).date())
    store = open_store()
    listening = open_listening(store, voice, candidate)
    session = Session(store, listening, name)
    session.votes()  # a broken journal is found before anybody listens
    with make_server(session, port) as server:
        left_out = f" ({listening.n_left_out} more lack the sound of one side)" if listening.n_left_out else ""
        console.print(
            f"{len(listening.utterances)} utterances{left_out}: {voice} version {listening.candidate.version} "
            f"against the champion, version {listening.champion.version}"
        )
        console.print(f"listen at {address(session, server)}   (Ctrl-C ends it)", markup=False, soft_wrap=True)
        with suppress(KeyboardInterrupt):
            server.serve_forever()
    counts = session.votes().counts()
    console.print(f"\n{counts.n_votes} votes of {counts.n_listeners} listeners are in the registry")
    console.print(f"they count in: vox gate {voice} --candidate {listening.candidate.version}")
    return 0


def make_server(session: Session, port: int = 0) -> ThreadingHTTPServer:
    """The server, bound to 127.0.0.1 and not yet serving. port: 0 for any free one. Raises OSError, a sentence."""

    class Handler(ListenHandler):
        pass

    Handler.session = session
    try:
        return ThreadingHTTPServer(("127.0.0.1", port), Handler)
    except OSError as error:
        raise OSError(f"port {port} cannot be used ({error.strerror}); name another with --port, or none") from error


def address(session: Session, server: ThreadingHTTPServer) -> str:
    return f"http://127.0.0.1:{server.server_address[1]}/{session.token}/"


class ListenHandler(BaseHTTPRequestHandler):
    """Routes below /TOKEN/: the page; sound/TRIAL/a and /b; trial, vote and finish, which take and give JSON."""

    session: Session
    server_version, sys_version = "vox", ""
    timeout = 30  # seconds: a connection that says nothing does not keep its thread

    def do_GET(self) -> None:
        self._answer({"": self._page, "sound": self._sound})

    def do_POST(self) -> None:
        self._answer({"trial": self._trial, "vote": self._vote, "finish": self._finish})

    def log_message(self, *arguments: object) -> None:
        """Nothing: an address holds the token."""

    def _answer(self, routes: dict[str, Callable[[list[str]], None]]) -> None:
        try:
            token, route, *rest = self._path_parts()
            if not compare_digest(token.encode(), self.session.token.encode()) or route not in routes:
                raise RefusedError(404, "there is nothing here")
            routes[route](rest)
        except RefusedError as refused:
            self._send_json({"error": str(refused)}, refused.status)
        except SQLAlchemyError as error:  # its text holds the row, and with it the listener's name
            self._send_json({"error": f"the database failed ({type(error).__name__}); nothing was counted"}, 500)
        except (ValueError, RuntimeError, OSError) as error:
            self._send_json({"error": " ".join(str(error).split())}, 409)

    def _path_parts(self) -> list[str]:
        """Token, route, rest. The Host is checked: a foreign name that leads to this machine is a foreign page."""
        if self.headers.get("Host", "").rpartition(":")[0] not in HOSTS:
            raise RefusedError(404, "there is nothing here")
        parts = self.path.split("/")[1:]  # ids and names are looked up, never joined to a path, so none is decoded
        return parts if len(parts) >= 2 else [*parts, "?"]

    def _page(self, rest: list[str]) -> None:
        nonce = secrets.token_urlsafe(16)
        listening = self.session.listening
        environment = jinja2.Environment(autoescape=True, undefined=jinja2.StrictUndefined)
        page = environment.from_string(TEMPLATE.read_text(encoding="utf-8")).render(
            nonce=nonce,
            voice=listening.candidate.voice,
            candidate=listening.candidate.version,
            champion=listening.champion.version,
            listener=self.session.listener,
            defects=DEFECTS,
        )
        policy = (
            f"default-src 'none'; script-src 'nonce-{nonce}'; style-src 'nonce-{nonce}'; connect-src 'self'; "
            "media-src blob:; img-src data:; base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
        )
        self._send(page.encode(), "text/html; charset=utf-8", {"Content-Security-Policy": policy})

    def _sound(self, rest: list[str]) -> None:
        trial = self._open_trial(rest[0] if len(rest) == 2 else "")
        if rest[1] not in ("a", "b"):
            raise RefusedError(404, "there is nothing here")
        utterance = self.session.listening.utterances[trial.key]
        candidate, champion = blind_pair_once(utterance.candidate, utterance.champion)
        self._send(candidate if rest[1] == trial.candidate_side else champion, "audio/wav")

    def _trial(self, rest: list[str]) -> None:
        self._send_next(self._listener(self._body()))

    def _vote(self, rest: list[str]) -> None:
        body = self._body()
        listener, id_ = self._listener(body), str(body.pop("trial", ""))
        trial = self._open_trial(id_)
        if trial.listener != listener:
            raise RefusedError(409, "this question was put to another listener; load the page again")
        try:
            ballot = Ballot.model_validate({name: value for name, value in body.items() if name != "listener"})
        except ValidationError as error:
            faults = "; ".join(f"{'.'.join(map(str, fault['loc']))}: {fault['msg']}" for fault in error.errors())
            raise RefusedError(400, f"not a vote: {faults[:500]}") from error
        cast_vote(self.session.store, self.session.listening, trial, ballot)
        self._send_next(listener)

    def _finish(self, rest: list[str]) -> None:
        listener = self._listener(self._body())
        finish_voting(self.session.store, self.session.listening, listener)
        self._send_next(listener)

    def _send_next(self, listener: str) -> None:
        """The listener's next question; all said, that there is none; the result for whoever asked for it."""
        session = self.session
        votes = session.votes()
        if listener in votes.finished_listeners:
            self._send_json({"state": "finished", "result": result_of(votes)})
            return
        counts = votes.counts()
        shown = {
            "done": len(votes.keys_of(listener)),
            "total": len(session.listening.utterances),
            "n_votes": counts.n_votes,
            "n_listeners": counts.n_listeners,
            "n_ties": counts.n_ties,
            "decided": preference_test(counts).preferred is not None,  # for whom would tell who is who
        }
        # drawn again after a page was loaded again or a disk failed, it is the same trial with the same sides
        trial = draw_trial(session.listening, listener, voted=votes.keys_of(listener), salt=session.salt)
        if trial is None:
            self._send_json({"state": "no_more", **shown})
            return
        session.trials[trial.id] = trial
        text = session.listening.utterances[trial.key].text
        self._send_json({"state": "trial", "trial": trial.id, "text": text, **shown})

    def _open_trial(self, id_: str) -> Trial:
        if (trial := self.session.trials.get(id_)) is None:
            raise RefusedError(409, "this question is of an earlier start of `vox listen`; load the page again")
        return trial

    def _listener(self, body: dict) -> str:
        listener = check_listener_name(str(body.get("listener", "")))
        if self.session.listener not in (None, listener):
            raise RefusedError(409, "this listening was opened for another listener; start `vox listen` with the name")
        return listener

    def _body(self) -> dict:
        length = self.headers.get("Content-Length", "")
        if self.headers.get_content_type() != "application/json" or not length.isascii() or not length.isdigit():
            raise RefusedError(400, "a request must be JSON with its Content-Length")
        if int(length) > MAX_BODY_BYTES:
            raise RefusedError(413, f"a request has at most {MAX_BODY_BYTES} bytes")
        try:
            body = json.loads(self.rfile.read(int(length)))
        except (ValueError, RecursionError) as error:
            raise RefusedError(400, "a request must be JSON") from error
        if not isinstance(body, dict):
            raise RefusedError(400, "a request must be a JSON object")
        return body

    def _send_json(self, data: dict, status: int = 200) -> None:
        text = json.dumps(data, ensure_ascii=False, allow_nan=False)
        self._send(text.encode(errors="replace"), "application/json", status=status)

    def _send(self, content: bytes, kind: str, headers: dict[str, str] | None = None, status: int = 200) -> None:
        always = {
            "Content-Type": kind,
            "Content-Length": str(len(content)),
            "Cache-Control": "no-store",
            "Referrer-Policy": "no-referrer",  # the address holds the token
            "X-Content-Type-Options": "nosniff",
            "Cross-Origin-Resource-Policy": "same-origin",
        }
        with suppress(ConnectionError):  # the page was closed meanwhile
            self.send_response(status)
            for name, value in {**always, **(headers or {})}.items():
                self.send_header(name, value)
            self.end_headers()
            self.wfile.write(content)


def result_of(votes: Votes) -> dict:
    """What the page shows at the end: counts, the test, defects by name as (candidate, champion)."""
    counts = votes.counts()
    return {**asdict(counts), **asdict(preference_test(counts)), "level": LEVEL, "defects": votes.defects()}
