"""The page of `vox listen`, on this machine: it plays champion and candidate blind and keeps the votes.

The page learns nothing that tells the sides apart. Sounds have random names, one format, loudness and length, and what
it shows of the test before the end has no direction. It answers on 127.0.0.1 only, and only requests that hold the
token of its address, so that no other page can read or vote. Nothing is logged: a listener's name is kept with the
votes and nowhere else.
"""

from __future__ import annotations

import json
import secrets
from collections.abc import Callable
from contextlib import suppress
from dataclasses import asdict, dataclass, field
from functools import lru_cache
from hmac import compare_digest
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import jinja2
from pydantic import ValidationError
from sqlalchemy.exc import SQLAlchemyError

from flows.errors import FlowError, named_errors
from registry.gate.preference import LEVEL, preference_test
from registry.listening.blind_audio import blind_pair
from registry.listening.trials import Listening, Trial, draw_trial
from registry.listening.votes import (
    DEFECTS,
    Ballot,
    Votes,
    cast_vote,
    check_listener_name,
    finish_voting,
    read_votes,
)
from registry.storage.store import Store
from serving.api.browser_safety import HEADERS, HOSTS, page_policy

TEMPLATE = Path(__file__).with_name("listening_page.html")
MAX_BODY_BYTES = 10_000
MAX_REASON_CHARS = 500  # of what is wrong with a vote
cached_blind_pair = lru_cache(maxsize=16)(blind_pair)  # the page fetches both sounds of a trial one after the other


class RequestRefused(FlowError):  # noqa: N818  (an answer, not a fault)
    """A request that cannot be answered: an HTTP status and a sentence for the page."""

    def __init__(self, status: int, message: str) -> None:
        super().__init__(message)
        self.status = status


@dataclass(frozen=True, kw_only=True)
class Session:
    """One start of `vox listen`.

    Attributes:
        store: Where the votes go.
        listening: The two versions and the utterances that both have spoken.
        listener: The only one who may vote, None where the page asks for a name.
        token: A secret part of the page's address.
        salt: Makes the order of sides of this session its own.
        trials: The trials drawn so far, by their ids.
        sent: The sounds that the page was given, as trial id and side. A vote needs both sounds of its trial.
        listeners: The only ones who may vote, empty for everybody.
    """

    store: Store
    listening: Listening
    listener: str | None = None
    token: str = field(default_factory=lambda: secrets.token_urlsafe(24))
    salt: str = field(default_factory=lambda: secrets.token_hex(16))
    trials: dict[str, Trial] = field(default_factory=dict)
    sent: set[tuple[str, str]] = field(default_factory=set)
    listeners: tuple[str, ...] = ()

    def votes(self) -> Votes:
        """Return all votes on the two versions."""
        return read_votes(self.store, self.listening.candidate.candidate_id, self.listening.champion.candidate_id)


def make_server(session: Session, port: int = 0) -> ThreadingHTTPServer:
    """Return a server bound to 127.0.0.1 that does not serve yet.

    Args:
        session: What it serves.
        port: The port, 0 for any free one.

    Raises:
        OSError: If the port cannot be used, in a sentence.
    """

    class Handler(ListenHandler):
        pass

    Handler.session = session
    try:
        return ThreadingHTTPServer(("127.0.0.1", port), Handler)
    except OSError as error:
        raise OSError(
            f"port {port} cannot be used ({error.strerror}); name another with --port, or leave the option out"
        ) from error


def page_address(session: Session, server: ThreadingHTTPServer) -> str:
    """Return the address of the page."""
    return f"http://127.0.0.1:{server.server_address[1]}/{session.token}/"


class ListenHandler(BaseHTTPRequestHandler):
    """The routes below /TOKEN/.

    The address itself is the page. sound/TRIAL/a and sound/TRIAL/b are WAV files. trial, vote and finish take and give
    JSON.
    """

    session: Session
    server_version, sys_version = "vox", ""
    timeout = 30  # seconds: a silent connection does not keep its thread

    def do_GET(self) -> None:
        """Answer with the page or a sound."""
        self._answer({"": self._page, "sound": self._sound})

    def do_POST(self) -> None:
        """Answer a request for a trial, a vote or the result."""
        self._answer({"trial": self._trial, "vote": self._vote, "finish": self._finish})

    def log_message(self, *arguments: object) -> None:
        """Log nothing, because an address holds the token."""

    def _answer(self, routes: dict[str, Callable[[list[str]], None]]) -> None:
        try:
            token, route, *rest = self._path_parts()
            if not compare_digest(token.encode(), self.session.token.encode()) or route not in routes:
                raise RequestRefused(404, "there is nothing here")
            routes[route](rest)
        except RequestRefused as refused:
            self._send_json({"error": str(refused)}, status=refused.status)
        except SQLAlchemyError as error:  # its text holds the row, and with it the listener's name
            message = f"the database failed ({type(error).__name__}); nothing was counted"
            self._send_json({"error": message}, status=500)
        except (RuntimeError, *named_errors()) as error:
            self._send_json({"error": " ".join(str(error).split())}, status=409)

    def _path_parts(self) -> list[str]:
        """Return token, route and rest of the path.

        The Host is checked first: a foreign name that leads to this machine belongs to a foreign page.
        """
        if self.headers.get("Host", "").rpartition(":")[0] not in HOSTS:
            raise RequestRefused(404, "there is nothing here")
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
        policy = page_policy(nonce, media="blob:")
        self._send(page.encode(), "text/html; charset=utf-8", headers={"Content-Security-Policy": policy})

    def _sound(self, rest: list[str]) -> None:
        trial = self._drawn_trial(rest[0] if len(rest) == 2 else "")
        if rest[1] not in ("a", "b"):
            raise RequestRefused(404, "there is nothing here")
        utterance = self.session.listening.utterances[trial.key]
        candidate, champion = cached_blind_pair(utterance.candidate, utterance.champion)
        self.session.sent.add((trial.id, rest[1]))  # before the sending: whoever has the sound may vote at once
        self._send(candidate if rest[1] == trial.candidate_side else champion, "audio/wav")

    def _trial(self, rest: list[str]) -> None:
        self._send_next(self._listener(self._body()))

    def _vote(self, rest: list[str]) -> None:
        body = self._body()
        listener, trial_id = self._listener(body), str(body.pop("trial", ""))
        trial = self._drawn_trial(trial_id)
        if trial.listener != listener:
            raise RequestRefused(409, "this question was put to another listener; load the page again")
        try:
            ballot = Ballot.model_validate({name: value for name, value in body.items() if name != "listener"})
        except ValidationError as error:
            faults = "; ".join(f"{'.'.join(map(str, fault['loc']))}: {fault['msg']}" for fault in error.errors())
            raise RequestRefused(400, f"not a vote: {faults[:MAX_REASON_CHARS]}") from error
        if not {(trial.id, side) for side in "ab"} <= self.session.sent:
            raise RequestRefused(409, "a vote counts after both sounds were played; play them and vote again")
        cast_vote(self.session.store, self.session.listening, trial, ballot)
        self._send_next(listener)

    def _finish(self, rest: list[str]) -> None:
        listener = self._listener(self._body())
        finish_voting(self.session.store, self.session.listening, listener)
        self._send_next(listener)

    def _send_next(self, listener: str) -> None:
        """Send the listener's next question, or that there is none, or the result to a listener who has finished."""
        session = self.session
        votes = session.votes()
        if listener in votes.finished_listeners:
            self._send_json({"state": "finished", "result": result_of(votes)})
            return
        counts = votes.counts()
        progress = {
            "done": len(votes.keys_of(listener)),
            "total": len(session.listening.utterances),
            "n_votes": counts.n_votes,
            "n_listeners": counts.n_listeners,
            "n_ties": counts.n_ties,
            "decided": preference_test(counts).preferred is not None,  # which side leads would tell the sides apart
        }
        # after the page was loaded again or a disk failed, this draws the same trial with the same sides
        trial = draw_trial(session.listening, listener, voted=votes.keys_of(listener), salt=session.salt)
        if trial is None:
            self._send_json({"state": "no_more", **progress})
            return
        session.trials[trial.id] = trial
        text = session.listening.utterances[trial.key].text
        self._send_json({"state": "trial", "trial": trial.id, "text": text, **progress})

    def _drawn_trial(self, trial_id: str) -> Trial:
        if (trial := self.session.trials.get(trial_id)) is None:
            raise RequestRefused(409, "this question is from an earlier start of `vox listen`; load the page again")
        return trial

    def _listener(self, body: dict) -> str:
        listener = check_listener_name(str(body.get("listener", "")))
        if self.session.listener not in (None, listener):
            raise RequestRefused(
                409, "this page was opened for another listener; start `vox listen` with your own --listener NAME"
            )
        if self.session.listeners and listener not in self.session.listeners:
            raise RequestRefused(
                409, f"{listener} is not among the listeners whose votes count (gate.preference.listeners)"
            )
        return listener

    def _body(self) -> dict:
        length = self.headers.get("Content-Length", "")
        if self.headers.get_content_type() != "application/json" or not length.isascii() or not length.isdigit():
            raise RequestRefused(400, "a request must be JSON with its Content-Length")
        if int(length) > MAX_BODY_BYTES:
            raise RequestRefused(413, f"a request has at most {MAX_BODY_BYTES} bytes")
        try:
            body = json.loads(self.rfile.read(int(length)))
        except (ValueError, RecursionError) as error:
            raise RequestRefused(400, "a request must be JSON") from error
        if not isinstance(body, dict):
            raise RequestRefused(400, "a request must be a JSON object")
        return body

    def _send_json(self, data: dict, *, status: int = 200) -> None:
        text = json.dumps(data, ensure_ascii=False, allow_nan=False)
        self._send(text.encode(errors="replace"), "application/json", status=status)

    def _send(self, content: bytes, kind: str, *, headers: dict[str, str] | None = None, status: int = 200) -> None:
        always = {
            "Content-Type": kind,
            "Content-Length": str(len(content)),
            **HEADERS,
        }
        with suppress(ConnectionError):  # the page was closed meanwhile
            self.send_response(status)
            for name, value in {**always, **(headers or {})}.items():
                self.send_header(name, value)
            self.end_headers()
            self.wfile.write(content)


def result_of(votes: Votes) -> dict:
    """Return what the page shows at the end: counts, the test, and each defect's count as (candidate, champion)."""
    counts = votes.counts()
    return {**asdict(counts), **asdict(preference_test(counts)), "level": LEVEL, "defects": votes.defects()}
