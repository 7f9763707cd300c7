"""The released version that would speak a campaign, or why it may not."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date
from pathlib import Path

from campaigns.errors import CampaignError
from campaigns.records import CampaignSettings, RejectReason
from gpt_sovits.synthesis.preset import Preset
from gpt_sovits.text.lexicon import Lexicon
from registry.consent.checks import use_reasons
from registry.consent.record import Consent
from registry.storage.store import Store
from serving.releases.pairs import Pair, PairRefusedError, find_pair
from serving.releases.snapshots import VoiceSnapshot, read_snapshot


@dataclass(frozen=True, kw_only=True)
class Speaker:
    """A released version of a voice with one preset.

    Attributes:
        voice: Name of the voice.
        version: Version of its model.
        candidate_id: Hash over everything that it consists of.
        folder: The voice's folder. Its bytes were checked when this was made.
        preset: How it speaks.
        languages: ISO 639 codes in which it was judged with the preset, its own first.
        lexicon: The voice's own words, None where it has none.
        consent: What the speaker allowed.
    """

    voice: str
    version: int
    candidate_id: str
    folder: Path
    preset: Preset
    languages: tuple[str, ...]
    lexicon: Lexicon | None
    consent: Consent


class SpeakerRefusedError(CampaignError, ValueError):
    """The voice may not speak the campaign.

    Attributes:
        reason: The code.
    """

    def __init__(self, reason: RejectReason, message: str) -> None:
        super().__init__(message)
        self.reason = reason


def find_speaker(store: Store, settings: CampaignSettings, today: date) -> Speaker:
    """Return the version that would speak a campaign. This reads every byte of it, so it takes a while.

    Args:
        store: Where journal and files are.
        settings: Of the campaign.
        today: The day on which the consent must be valid.

    Raises:
        SpeakerRefusedError: It may not speak. Its reason says why.
        RegistryAwayError: The registry cannot be read.
    """
    snapshot = read_snapshot(store, settings.voice, today)
    if not (snapshot.past or snapshot.is_revoked or snapshot.fault):
        raise SpeakerRefusedError(
            RejectReason.NOT_RELEASED,
            f"no version of {settings.voice} was released here; run `vox promote`, or correct it",
        )
    _require_consent(snapshot, settings)
    release = snapshot.champion if settings.version is None else snapshot.find(settings.version)
    if release is None:
        known = ", ".join(str(past.version) for past in snapshot.past) or "none"
        wanted = "a champion" if settings.version is None else f"version {settings.version}"
        raise SpeakerRefusedError(
            RejectReason.NOT_RELEASED,
            f"{settings.voice} has not released {wanted}; released versions: {known}; promote one, or name another",
        )
    try:
        return speaker_of(find_pair(store, settings.voice, release, today), snapshot, settings)
    except PairRefusedError as error:
        raise SpeakerRefusedError(RejectReason.NOT_RELEASED, str(error)) from error


def speaker_of(pair: Pair, snapshot: VoiceSnapshot, settings: CampaignSettings) -> Speaker:
    """Return a released version as the one that would speak a campaign.

    Args:
        pair: The released version.
        snapshot: What the registry says about its voice.
        settings: Of the campaign.

    Raises:
        SpeakerRefusedError: The consent does not cover the purpose, or the preset was not judged.
    """
    consent = _require_consent(snapshot, settings)
    if settings.preset not in pair.presets:
        raise SpeakerRefusedError(
            RejectReason.NOT_RELEASED,
            f"version {pair.version} of {pair.voice} has not passed with the preset {settings.preset!r}, only with "
            f"{', '.join(pair.presets)}",
        )
    return Speaker(
        voice=pair.voice,
        version=pair.version,
        candidate_id=pair.candidate_id,
        folder=pair.folder,
        preset=pair.presets[settings.preset],
        languages=pair.languages_of(settings.preset),
        lexicon=pair.lexicon,
        consent=consent,
    )


def _require_consent(snapshot: VoiceSnapshot, settings: CampaignSettings) -> Consent:
    """Return the consent if it is valid and covers the purpose. The message names no path of this machine."""
    consent, voice = snapshot.consent, settings.voice
    if snapshot.fault is not None:
        raise SpeakerRefusedError(
            RejectReason.NOT_RELEASED, f"the journal of {voice} is damaged; see `vox audit {voice}`"
        )
    if snapshot.is_revoked:
        raise SpeakerRefusedError(RejectReason.CONSENT, f"the consent to the voice {voice} was revoked")
    if consent is None or snapshot.reasons:
        raise SpeakerRefusedError(
            RejectReason.CONSENT, f"there is no valid consent to the voice {voice} today; see `vox voice check {voice}`"
        )
    if reasons := use_reasons(consent, settings.purpose, None, None, commercial=False):
        raise SpeakerRefusedError(
            RejectReason.CONSENT, f"the consent to {voice} does not cover the campaign: {'; '.join(reasons)}"
        )
    return consent
