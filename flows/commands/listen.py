"""`vox listen`: a page on this machine where people compare a candidate with the champion, blind."""

from __future__ import annotations

from contextlib import suppress
from datetime import UTC, datetime

from flows.console import print_line
from flows.listening_server import Session, make_server, page_address
from flows.paths import recordings_dir
from registry.consent.checks import check_consent
from registry.gate.policy import parse_policy
from registry.listening.trials import open_listening
from registry.listening.votes import check_listener_name
from registry.storage.store import open_store
from stages.params import load_params


def serve_page(voice: str, version: int | None, *, port: int, listener: str | None) -> int:
    """Serve the page until it is interrupted, then print how many votes there are.

    Args:
        voice: The voice.
        version: The candidate's version, None for the newest.
        port: The port on this machine, 0 for a free one.
        listener: The only one who may vote, None where the page asks for a name.
    """
    name = check_listener_name(listener) if listener is not None else None
    check_consent(recordings_dir(voice), datetime.now(UTC).date())
    store = open_store()
    listening = open_listening(store, voice, version)
    rule = parse_policy(load_params().gate).preference
    listeners = rule.listeners if rule is not None else ()
    session = Session(store=store, listening=listening, listener=name, listeners=listeners)
    session.votes()  # finds a broken journal before anybody listens
    candidate, champion = listening.candidate.version, listening.champion.version
    with make_server(session, port) as server:
        left_out = f" ({listening.n_left_out} more lack the sound of one side)" if listening.n_left_out else ""
        print_line(
            f"{len(listening.utterances)} utterances{left_out}: {voice} version {candidate} "
            f"against the champion, version {champion}"
        )
        print_line(f"listen at {page_address(session, server)}   (Ctrl-C ends it)")
        with suppress(KeyboardInterrupt):
            server.serve_forever()
    counts = session.votes().counts()
    print_line()
    print_line(f"{counts.n_votes} votes of {counts.n_listeners} listeners are in the registry")
    print_line(f"they count in: vox gate {voice} --candidate {candidate}")
    return 0
