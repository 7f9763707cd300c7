"""`vox voice check`: whether the speaker's consent covers a use today."""

from __future__ import annotations

from datetime import UTC, datetime

from flows.console import print_line
from flows.paths import recordings_dir
from flows.statements import check_statement
from gpt_sovits.text.languages import language_code
from registry.consent.checks import check_consent
from registry.consent.record import consent_sha256, require_voice_name
from stages.params import load_params
from stages.recordings.inventory import take_inventory


def check_voice(
    name: str, *, purpose: str | None, language: str | None, territory: str | None, commercial: bool
) -> int:
    """Say what the consent of a voice allows, and hear its spoken statement again.

    Args:
        name: The voice's name.
        purpose: What the voice is to be used for, of PURPOSES, None for any.
        language: Code or alias of what it is to speak, None for any.
        territory: ISO 3166-1 code of where it is to be heard, None for any.
        commercial: Whether the use is for money.

    Raises:
        ConsentError: The use is not allowed.
    """
    folder = recordings_dir(require_voice_name(name))
    voice = check_consent(
        folder,
        datetime.now(UTC).date(),
        purpose=purpose,
        language=None if language is None else language_code(language),
        territory=territory,
        commercial=commercial,
    )
    consent, scope = voice.consent, voice.consent.scope
    limits = [
        f"purposes {', '.join(consent.purposes)}",
        f"languages {', '.join(scope.languages or ['any'])}",
        f"territories {', '.join(scope.territories or ['any'])}",
        "commercial use too" if scope.commercial else "no commercial use",
        f"until {consent.valid_until or 'revoked'}",
    ]
    print_line(f"{name}: {consent.speaker} allowed: {'; '.join(limits)}. Its hash is {consent_sha256(voice)[:16]}...")
    if consent.statement is not None:
        params = load_params()
        inventory = take_inventory(folder, voice, params.ingest.max_lost_transcripts_share)
        recordings = [folder / path for path in inventory.audio]
        print_line(check_statement(folder / consent.statement.audio, voice, recordings=recordings, params=params))
    return 0
