"""The commands `vox voice ...`: parse, call, print."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import click

from flows.project_group import ProjectGroup
from registry.consent.words import DELETIONS, PURPOSES, Deletion

PRESENT_FILE = click.Path(path_type=Path, exists=True, dir_okay=False, resolve_path=True)
PRESENT_FOLDER = click.Path(path_type=Path, exists=True, file_okay=False, resolve_path=True)


TERMS = (
    click.option(
        "--consent", "evidence", type=PRESENT_FILE, required=True, help="The proof of the speaker's consent, any file."
    ),
    click.option("--speaker", help="Who speaks.  [default: NAME]"),
    click.option(
        "--purpose",
        "purposes",
        multiple=True,
        required=True,
        type=click.Choice(list(PURPOSES)),
        help="What the speaker allowed. Give it once for each purpose.",
    ),
    click.option("--commercial", is_flag=True, help="The speaker allowed uses for money."),
    click.option(
        "--may-speak",
        "languages",
        multiple=True,
        metavar="CODE",
        help="A language that the voice may speak.  [default: any]",
    ),
    click.option(
        "--territory",
        "territories",
        multiple=True,
        metavar="XX",
        help="A country where it may be heard.  [default: any]",
    ),
    click.option("--valid-until", metavar="YYYY-MM-DD", help="Last day of the consent.  [default: no end]"),
    click.option("--statement", type=PRESENT_FILE, help="The speaker saying the agreement, an audio file."),
)


purpose_option = click.option(
    "--purpose", type=click.Choice(list(PURPOSES)), help="What it is for. The speaker must have allowed it."
)


def terms_options(command: Callable[..., int]) -> Callable[..., int]:
    """Add the options that say what the speaker allowed."""
    for option in reversed(TERMS):
        command = option(command)
    return command


@click.group(cls=ProjectGroup)
def voice() -> None:
    """Add a voice with its consent, or take one out of service."""


@voice.command("add")
@click.argument("name")
@click.argument("path", type=PRESENT_FOLDER)
@click.option("--language", required=True, help="What is spoken: en, zh, yue, ja or ko.")
@terms_options
def voice_add(name: str, path: Path, *, language: str, speaker: str | None, **terms: Any) -> int:
    """Add a voice from the recordings in PATH.

    They are copied to data/1_recordings/NAME with a consent record, and params.yaml lists NAME. The same command
    finishes what was interrupted.
    """
    from flows.commands.voices import add_voice
    from flows.consent_terms import ConsentTerms

    return add_voice(name, path, language=language, terms=ConsentTerms(speaker=speaker or name, **terms))


@voice.command("renew")
@click.argument("name")
@terms_options
def voice_renew(name: str, *, speaker: str | None, **terms: Any) -> int:
    """Replace the consent for NAME by another one of the same speaker.

    After a revocation this is the way back, with a proof of its own. The old proofs are kept, hidden beside the
    recordings.
    """
    from flows.commands.renewal import renew_consent
    from flows.consent_terms import ConsentTerms

    return renew_consent(name, ConsentTerms(speaker=speaker or name, **terms))


@voice.command("check")
@click.argument("name")
@purpose_option
@click.option("--language", metavar="CODE", help="A language that it is to speak.")
@click.option("--territory", metavar="XX", help="A country where it is to be heard.")
@click.option("--commercial", is_flag=True, help="The use is for money.")
def voice_check(
    name: str, *, purpose: str | None, language: str | None, territory: str | None, commercial: bool
) -> int:
    """Check that the speaker of NAME allows a use today.

    Days, proofs and revocations are always checked, and a spoken statement is heard again.

    Exit code: 0 allowed, 2 not, with every reason.
    """
    from flows.commands.voice_check import check_voice

    return check_voice(name, purpose=purpose, language=language, territory=territory, commercial=commercial)


@voice.command("revoke")
@click.argument("name")
@click.option(
    "--delete",
    type=click.Choice(DELETIONS),
    help="What is deleted.  [default: consent.delete_on_revocation of params.yaml]",
)
def voice_revoke(name: str, *, delete: Deletion | None) -> int:
    """Record that the consent for NAME was withdrawn.

    Its champion goes out of service at once and can never come back without a new consent. With --delete derived,
    everything made of the recordings is deleted, with --delete all the recordings and the speech of jobs and campaigns
    too. The same command finishes what was interrupted.
    """
    from flows.commands.revocation import revoke_voice

    return revoke_voice(name, delete=delete)
