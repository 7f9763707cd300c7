"""`vox review`: a page on this machine where a person hears the clips of a voice and corrects them."""

from __future__ import annotations

from contextlib import suppress
from datetime import UTC, datetime

from flows.console import print_line
from flows.paths import recordings_dir
from flows.review_page.server import ReviewServer
from flows.review_page.session import Session
from registry.actor import current_actor
from registry.consent.checks import check_consent
from stages.corrections.file import CORRECTIONS_FILE
from stages.params import load_params


def review_voice(voice: str, *, port: int, reviewer: str | None) -> int:
    """Serve the page until it is interrupted, then say what was decided.

    Args:
        voice: The voice.
        port: The port on this machine, 0 for a free one.
        reviewer: Who decides, None for the user of this machine.
    """
    name = " ".join((reviewer or current_actor()).split())
    if not (name.isprintable() and 0 < len(name) <= 64):
        raise ValueError(f"{name[:70]!r} cannot be a reviewer's name: it takes up to 64 characters, such as anna")
    check_consent(recordings_dir(voice), datetime.now(UTC).date())
    session = Session(voice=voice, reviewer=name, limits=load_params().segment)
    before = session.state()
    items = [item for recording in before.tables.recordings for item in before.items(recording)]
    n_rejected = sum(not item.kept for item in items)
    server = ReviewServer(session, port=port)
    print_line(f"{len(items)} clips of {voice}, {n_rejected} of them rejected; you decide as {name}")
    for note in before.notes:
        print_line(f"changes nothing: {note}")
    print_line(f"review at {server.address}   (Ctrl-C ends it)")
    with suppress(KeyboardInterrupt):
        server.serve()
    n_new = len(session.state().rows) - len(before.rows)
    rows = "row" if n_new == 1 else "rows"
    print_line()
    print_line(f"{n_new} new {rows} in {recordings_dir(voice) / CORRECTIONS_FILE}")
    if n_new:
        print_line(f"they count in: vox run {voice}")
    return 0
