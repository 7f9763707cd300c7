"""`vox data card`: what the recordings of a voice are worth, as a page and on the terminal."""

from __future__ import annotations

import json
import sys
from contextlib import redirect_stdout
from datetime import UTC, datetime
from pathlib import Path

from rich.markdown import Markdown

from flows.console import console, print_line
from flows.paths import CARD_PAGE, DATA_CARDS, recordings_dir
from registry.consent.checks import check_consent
from stages.card.card import card_json
from stages.card.facts.inputs import TableFolders
from stages.card.pages.markdown import card_summary
from stages.data_card import data_card
from stages.execution.outputs import stage_output
from stages.params import load_params


def show_card(voice: str, *, as_json: bool) -> int:
    """Make the card of a voice out of the tables that are there, and print its summary and where the page is.

    DVC makes the same card in a run. This one does not need align to succeed.

    Args:
        voice: The voice.
        as_json: Whether the figures are printed as JSON and nothing else is.

    Raises:
        ValueError: If the voice is not in params.yaml, or ingest has not finished.
        ConsentError: If the speaker's consent is missing, over or revoked.
    """
    params = load_params()
    if voice not in params.voices:
        raise ValueError(f"{voice!r} is not among the voices of params.yaml ({', '.join(params.voices)})")
    check_consent(recordings_dir(voice), datetime.now(UTC).date())
    folders = TableFolders(*(Path("data") / name / voice for name in ("1_manifests", "2_clips", "3_aligned")))
    with (
        redirect_stdout(sys.stderr if as_json else sys.stdout),
        stage_output(DATA_CARDS / voice, "data_card", voice) as out,
    ):
        card = data_card(voice, folders, out, params)
    if as_json:
        print(json.dumps(card_json(card), indent=2, ensure_ascii=False))
    else:
        print_line()
        summary = card_summary(card)
        console.print(Markdown(summary) if console.is_terminal else summary, markup=False, soft_wrap=True)
        print_line(f"card: {(DATA_CARDS / voice / CARD_PAGE).absolute()}")
    return 0
