"""What is served now: which pair of each voice is live, and whether a request may be spoken and delivered.

Two parts are replaced whole and never changed: the snapshots, when the registry says something else, and the live pair
of a voice, when the workers have loaded another one. So whoever reads sees one state of both.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from datetime import UTC, date, datetime
from types import MappingProxyType

from gpt_sovits.preset_names import DEFAULT_PRESET
from gpt_sovits.synthesis.words import can_time_words
from gpt_sovits.text.languages import language_code
from registry.consent.checks import use_reasons
from registry.consent.record import ConsentError as ConsentRecordError
from serving.errors import (
    ConsentError,
    LaneNotServedError,
    LanguageNotServedError,
    NotReadyError,
    PresetNotServedError,
    RevokedError,
    UnknownVersionError,
    UnknownVoiceError,
    VoiceDamagedError,
    WordTimesNotServedError,
)
from serving.messages import ServedVoice, SpeechRequest
from serving.releases.pairs import Pair, has_judged_lane, lanes_of
from serving.releases.snapshots import Snapshots, VoiceSnapshot


class NotInServiceError(UnknownVoiceError):
    """The voice is known, and its last version was taken out of service. A client gets it as an unknown voice."""


def utc_today() -> date:
    """Return the day on which consents are checked."""
    return datetime.now(UTC).date()


@dataclass(frozen=True, kw_only=True)
class LivePair:
    """A pair that the workers have loaded.

    Attributes:
        pair: The released version.
        sample_rate: Samples per second of its speech.
    """

    pair: Pair
    sample_rate: int


@dataclass(frozen=True, kw_only=True)
class Admission:
    """A request that may be spoken, with everything that decides what it will sound like.

    Attributes:
        request: The request.
        live: The pair that speaks it to the end.
        language: ISO 639 code of the text.
        snapshot: What the registry said at the admission.
        day: On which it was admitted.
    """

    request: SpeechRequest
    live: LivePair
    language: str
    snapshot: VoiceSnapshot
    day: date

    @property
    def is_lane_judged(self) -> bool:
        """Return whether the verdict holds for the lane. Where it does not, `serve.allow_unjudged_lane` is set."""
        request = self.request
        return request.lane != "realtime" or has_judged_lane(self.live.pair, request.preset, self.language)


class ReleaseTable:
    """What is served now.

    Invariant: a pair is live only if the journal released it since the last revocation, its bytes were checked, and the
    workers have loaded it. Every admission is decided on the newest snapshot.
    """

    def __init__(self, *, allow_unjudged_lane: bool, today: Callable[[], date] = utc_today) -> None:
        """Begin with nothing served.

        Args:
            allow_unjudged_lane: Offer real time also where the verdict did not judge it.
            today: Returns the day on which consents must be valid.
        """
        self.allow_unjudged_lane, self.today = allow_unjudged_lane, today
        self.snapshots: Snapshots = MappingProxyType({})
        self.champions: MappingProxyType[str, LivePair] = MappingProxyType({})
        self.loaded: MappingProxyType[str, LivePair] = MappingProxyType({})  # by candidate id

    def set_snapshots(self, snapshots: Snapshots) -> None:
        """Replace what the registry says. Where the champion is loaded already, it is live at once.

        A fault that may pass takes no champion away: the next one would have to be loaded before the voice spoke again.
        """
        champions = {}
        # The journal gives a candidate a new number where it was registered again and then released again
        loaded = {key: _numbered(live, snapshots.get(live.pair.voice)) for key, live in self.loaded.items()}
        self.loaded = MappingProxyType(loaded)
        for voice, snapshot in snapshots.items():
            release, before = snapshot.champion, self.champions.get(voice)
            before = loaded.get(before.pair.candidate_id, before) if before is not None else None
            if release is not None and release.candidate_id in self.loaded:
                champions[voice] = self.loaded[release.candidate_id]
            elif release is not None and before is not None and snapshot.includes(before.pair.candidate_id):
                champions[voice] = before  # until the workers have loaded the new one
            elif before is not None and snapshot.fault is not None and not snapshot.is_lasting:
                champions[voice] = before  # nothing new is admitted meanwhile
        self.snapshots, self.champions = MappingProxyType(dict(snapshots)), MappingProxyType(champions)

    def add_loaded(self, live: LivePair) -> None:
        """Take a pair into service that every worker has loaded."""
        self.loaded = MappingProxyType({**self.loaded, live.pair.candidate_id: live})
        self.set_snapshots(self.snapshots)

    def drop_loaded(self, candidate_id: str) -> None:
        """Take a pair out of service that the workers are about to unload."""
        self.loaded = MappingProxyType({key: live for key, live in self.loaded.items() if key != candidate_id})

    def check_wanted(self, request: SpeechRequest) -> None:
        """Refuse a request by its voice and purpose alone, whatever would speak it.

        Raises:
            ServingError: The voice is unknown or revoked, or its consent does not cover the purpose.
        """
        self._check_consent(self._snapshot(request.voice), request, None)

    def candidate_of(self, voice: str, version: int | None, *, candidate_id: str | None = None) -> str:
        """Return the candidate id of what a request asks for, loaded or not.

        Args:
            voice: Name of the voice.
            version: Version of its model, None for the champion in service.
            candidate_id: What spoke the begin of the same speech. It goes on, whatever number it has now.

        Raises:
            ServingError: There is no such voice or version, or it was revoked.
        """
        snapshot = self._snapshot(voice)
        if candidate_id is not None:
            if not snapshot.includes(candidate_id):
                raise RevokedError(f"the version of {voice} that spoke the begin was taken out of service")
            return candidate_id
        if version is None:
            live = self.champions.get(voice)
            if live is not None:
                return live.pair.candidate_id
            raise NotReadyError(f"the champion of {voice} is being loaded", retry_after=5)
        release = snapshot.find(version)
        if release is None:
            known = ", ".join(str(each.version) for each in sorted(snapshot.past, key=lambda each: each.version))
            raise UnknownVersionError(
                f"{voice} has no released version {version}; released versions: {known or 'none'}",
                param="version",
            )
        return release.candidate_id

    def admit(self, request: SpeechRequest, live: LivePair) -> Admission:
        """Return the admission of a request that may be spoken with a pair.

        Args:
            request: The request.
            live: The pair that `candidate_of` named.

        Raises:
            ServingError: It may not be spoken. The class says why.
        """
        snapshot = self._snapshot(request.voice)
        pair, code = live.pair, self._language(request, live.pair)
        self._check_consent(snapshot, request, code)
        lanes = lanes_of(pair, request.preset, code, allow_unjudged=self.allow_unjudged_lane)
        if request.lane not in lanes:
            raise LaneNotServedError(
                f"{request.voice} did not pass in real time with the preset {request.preset} in {code}, or was not "
                f"judged so; it is served in {', '.join(lanes)} only",
                param="lane",
            )
        if request.word_times and not can_time_words(pair.presets[request.preset]):
            raise WordTimesNotServedError(
                f"{request.voice} cannot tell when its words are said with the preset {request.preset}",
                param="timestamps",
            )
        return Admission(request=request, live=live, language=code, snapshot=snapshot, day=self.today())

    def check_delivery(self, admission: Admission) -> None:
        """Refuse to deliver more of a request whose permission has ended. It costs nothing while nothing changed.

        Raises:
            ServingError: The consent was revoked or has ended, does not cover the use any more, or cannot be checked
                because the journal is broken or gone.
        """
        request, today = admission.request, self.today()
        if self.snapshots.get(request.voice) is admission.snapshot and today == admission.day:
            return
        snapshot = self.snapshots.get(request.voice)
        if snapshot is None:
            raise VoiceDamagedError(f"the journal of {request.voice} is gone, so its consent cannot be checked")
        if snapshot.fault is not None:  # a revocation may be what is missing, so a lasting fault ends what was begun
            if snapshot.is_lasting:
                raise VoiceDamagedError(f"the journal of {request.voice} is broken, so its consent cannot be checked")
            return
        self._refuse_revoked(snapshot)
        if not snapshot.includes(admission.live.pair.candidate_id):
            raise RevokedError(f"version {admission.live.pair.version} of {request.voice} was taken out of service")
        self._check_consent(snapshot, request, admission.language)

    def check_spoken(self, request: SpeechRequest, candidate_id: str) -> None:
        """Refuse to deliver what was spoken earlier and may not be used any more. No weights are loaded for it.

        Args:
            request: How it was spoken.
            candidate_id: What spoke it.

        Raises:
            ServingError: The consent does not cover the use any more, or the candidate was taken out of service.
        """
        snapshot = self._snapshot(request.voice)
        if not snapshot.includes(candidate_id):
            raise RevokedError(f"the version of {request.voice} that spoke it was taken out of service")
        self._check_consent(snapshot, request, request.language)

    def voices(self) -> tuple[ServedVoice, ...]:
        """Return every pair that is served now, champions first."""
        found: list[ServedVoice] = []
        for voice, snapshot in sorted(self.snapshots.items()):
            if snapshot.is_revoked or snapshot.fault or snapshot.reasons or snapshot.consent is None:
                continue
            champion = self.champions.get(voice)
            found += [self._served(snapshot, champion, is_champion=True)] if champion else []
            former = [self.loaded.get(release.candidate_id) for release in reversed(snapshot.past)]
            others = [live for live in former if live is not None and live is not champion]
            found += [self._served(snapshot, live, is_champion=False) for live in others]
        return tuple(found)

    def _served(self, snapshot: VoiceSnapshot, live: LivePair, *, is_champion: bool) -> ServedVoice:
        pair, consent = live.pair, snapshot.consent
        return ServedVoice(
            voice=pair.voice,
            version=pair.version,
            candidate_id=pair.candidate_id,
            is_champion=is_champion,
            verdict_sha256=pair.verdict.sha256 if pair.verdict else None,
            verdict_outcome=pair.verdict.verdict.outcome if pair.verdict else None,
            languages=pair.languages,
            purposes=consent.purposes if consent else (),
            valid_until=consent.valid_until if consent else None,
            presets=tuple(pair.presets),
            lanes=lanes_of(pair, DEFAULT_PRESET, allow_unjudged=self.allow_unjudged_lane),
            sample_rate=live.sample_rate,
            has_judged_lane=has_judged_lane(pair, DEFAULT_PRESET),
        )

    def _snapshot(self, voice: str) -> VoiceSnapshot:
        snapshot = self.snapshots.get(voice)
        if snapshot is None:
            raise UnknownVoiceError(f"no voice {voice!r} is served", param="voice")
        self._refuse_revoked(snapshot)
        if snapshot.fault is not None:
            raise VoiceDamagedError(f"the journal of {voice} is not what was written, so nothing new is spoken")
        if snapshot.champion is None:
            raise NotInServiceError(f"{voice} has no version in service", param="voice")
        return snapshot

    def _refuse_revoked(self, snapshot: VoiceSnapshot) -> None:
        if snapshot.is_revoked:
            raise RevokedError(f"the consent to the voice {snapshot.voice} was revoked", param="voice")

    def _check_consent(self, snapshot: VoiceSnapshot, request: SpeechRequest, language: str | None) -> None:
        """Check days, proofs, purpose and language. The message names no path of this machine."""
        voice, consent, today = snapshot.voice, snapshot.consent, self.today()
        ends = consent.valid_until if consent else None
        if ends is not None and today > ends:
            raise ConsentError(f"the consent to the voice {voice} ended on {ends}", param="voice")
        if consent is None or snapshot.reasons or today < consent.granted_on:
            raise ConsentError(f"there is no valid consent to the voice {voice} today", param="voice")
        try:
            reasons = use_reasons(consent, request.purpose, language, None, commercial=False)
        except ConsentRecordError as error:  # a purpose that nobody knows
            raise ConsentError(str(error), param="purpose") from error
        if reasons:
            raise ConsentError(f"the consent to {voice} does not cover this use: {'; '.join(reasons)}", param="purpose")

    def _language(self, request: SpeechRequest, pair: Pair) -> str:
        if request.preset not in pair.presets:
            raise PresetNotServedError(
                f"{request.voice} version {pair.version} is not served with the preset {request.preset!r}, only with "
                f"{', '.join(pair.presets)}",
                param="preset",
            )
        known = pair.languages_of(request.preset)
        if request.language is None:
            return known[0]
        try:
            code = language_code(request.language)
        except ValueError as error:
            raise LanguageNotServedError(str(error), param="language") from error
        if code not in known:
            judged = f"only in {', '.join(known)}"
            raise LanguageNotServedError(
                f"{request.voice} was not judged in {code} with the preset {request.preset}, {judged}", param="language"
            )
        return code


def _numbered(live: LivePair, snapshot: VoiceSnapshot | None) -> LivePair:
    """Return a pair under the number that the journal knows it by now."""
    release = snapshot.find_candidate(live.pair.candidate_id) if snapshot is not None else None
    if release is None or release.version == live.pair.version:
        return live
    return replace(live, pair=replace(live.pair, version=release.version))
