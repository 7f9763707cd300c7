"""What passes between the API and the engine: a request goes in, and events come back in a fixed order.

    Started, (AudioPiece* SentenceDone)*, Finished

A failure is a ServingError of serving/errors.py, before or after Started. Importing this module is cheap: neither torch
nor numpy.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import date, datetime
from typing import Literal

from gpt_sovits.synthesis.words import Word
from gpt_sovits.text.lexicon import WordEntry

Lane = Literal["realtime", "batch"]
WorkerState = Literal["starting", "ready", "recycling", "lost"]


@dataclass(frozen=True, kw_only=True)
class SpeechRequest:
    """A text to speak. The API has checked its shape, the engine checks what the voice may say.

    Attributes:
        request_id: Names the request in logs, errors and the audit.
        text: What to say, as the client sent it.
        voice: Name of the voice.
        version: Version of its model, None for the champion.
        preset: Name of the preset.
        language: ISO 639 code of the text, None for the voice's own.
        purpose: What the speech is for, one of registry.consent.words.PURPOSES. None if nobody declared it.
        seed: Another seed gives another reading. 0 to 2**31 - 1.
        lane: Whether it is streamed in real time, or spoken as `vox say` does.
        traceparent: W3C trace context of the caller, None where there is none.
        continues: Whether it goes on after other speech, so that the silence at its beginning is a part of the pause.
        word_times: Whether to tell when each word is said.
        words: Pronunciations of this text, which take precedence over the voice's own.
        candidate_id: What spoke the begin of a session, a job or a campaign, and speaks the rest. It counts before
            `version`, because a candidate can get another number. None where nothing was spoken yet.
    """

    request_id: str
    text: str
    voice: str
    version: int | None
    preset: str
    language: str | None
    purpose: str | None
    seed: int
    lane: Lane
    traceparent: str | None = None
    continues: bool = False
    word_times: bool = False
    words: tuple[WordEntry, ...] = ()
    candidate_id: str | None = None


@dataclass(frozen=True, kw_only=True)
class Started:
    """The request was admitted, and this pair speaks it to the end.

    Attributes:
        version: Version of the model.
        candidate_id: Id of the candidate that the journal released.
        preset: Name of the preset.
        sample_rate: Samples per second of all pieces.
        n_sentences: Sentences of the text, at least 1.
        expected_seconds: Length of the speech at the voice's pace, in seconds.
        pause_seconds: Silence of the preset between two sentences, for texts that arrive sentence by sentence.
        is_cached: Whether it was spoken before and is sent from memory.
        is_lane_judged: False where it is spoken in real time only because `serve.allow_unjudged_lane` is set.
    """

    version: int
    candidate_id: str
    preset: str
    sample_rate: int
    n_sentences: int
    expected_seconds: float
    pause_seconds: float
    is_cached: bool = False
    is_lane_judged: bool = True


@dataclass(frozen=True)
class AudioPiece:
    """A piece of sound. The pieces of a request, joined, are its speech including the pauses.

    Attributes:
        pcm: int16 samples, little endian, mono. Not empty.
        sentence: Index of the sentence it belongs to, from 0.
    """

    pcm: bytes
    sentence: int


@dataclass(frozen=True, kw_only=True)
class SentenceDone:
    """What happened to a sentence. It comes after the last piece of the sentence.

    Attributes:
        sentence: Index, from 0.
        text_sha256: Of the sentence as it stands in the text, in hex.
        outcome: One of gpt_sovits.synthesis.detection.OUTCOMES. "spoken" is the good one.
        n_retries: Attempts after the first.
        n_samples: Samples of its sound, without the pause after it.
        is_cached: Whether it was spoken before, or for somebody else, and was not spoken again.
        words: Its words with their times in seconds from the begin of its sound. None where nobody asked.
    """

    sentence: int
    text_sha256: str
    outcome: str
    n_retries: int
    n_samples: int
    is_cached: bool = False
    words: tuple[Word, ...] | None = None


@dataclass(frozen=True)
class WorkSpan:
    """A piece of work in a worker, for a request whose trace is recorded.

    Attributes:
        name: queue, text, gpt or sovits.
        begin: When it began, in nanoseconds since 1970.
        end: When it ended.
        attributes: Numbers about it.
    """

    name: str
    begin: int
    end: int
    attributes: dict[str, float] = field(default_factory=dict)


@dataclass(frozen=True)
class Finished:
    """The last event of a request that did not fail.

    Attributes:
        seconds_of_audio: Length of the speech with its pauses, in seconds.
        seconds: Seconds of work by part: queue, text, gpt, sovits.
        spans: When that work was done, empty where the trace is not recorded.
    """

    seconds_of_audio: float
    seconds: dict[str, float] = field(default_factory=dict)
    spans: tuple[WorkSpan, ...] = ()


Event = Started | AudioPiece | SentenceDone | Finished


@dataclass(frozen=True, kw_only=True)
class ServedVoice:
    """A version of a voice that is loaded, or can be.

    Attributes:
        voice: Name of the voice.
        version: Version of its model.
        candidate_id: Id of the candidate that the journal released.
        is_champion: Whether a request without a version gets this one.
        verdict_sha256: Of the verdict that it was released with, in hex. None if it has none.
        verdict_outcome: pass, fail or inconclusive. None if it has no verdict.
        languages: ISO 639 codes that it was scored in, its own first.
        purposes: What the speaker allows, of registry.consent.words.PURPOSES. Empty where nothing was declared.
        valid_until: Last day of the consent. None where it does not end.
        presets: Presets that its verdict passed, the default one first.
        lanes: Lanes that it is served in.
        sample_rate: Samples per second of its speech.
        has_judged_lane: False where real time is offered with the default preset, in the voice's own language, only
            because `serve.allow_unjudged_lane` is set.
    """

    voice: str
    version: int
    candidate_id: str
    is_champion: bool
    verdict_sha256: str | None
    verdict_outcome: str | None
    languages: tuple[str, ...]
    purposes: tuple[str, ...]
    valid_until: date | None
    presets: tuple[str, ...]
    lanes: tuple[Lane, ...]
    sample_rate: int
    has_judged_lane: bool = True

    def is_asked_for(self, voice: str, version: int | None, candidate_id: str | None = None) -> bool:
        """Return whether a request gets this version.

        Args:
            voice: Name of the voice that the request names.
            version: Version that it names, None for the champion.
            candidate_id: What spoke the begin of the same speech, None where nothing was spoken yet.
        """
        if candidate_id is not None:
            is_it = self.candidate_id == candidate_id
        else:
            is_it = self.is_champion if version is None else self.version == version
        return self.voice == voice and is_it


@dataclass(frozen=True, kw_only=True)
class WorkerHealth:
    """One process of the engine.

    Attributes:
        name: Stable name, such as cpu-0 or cuda:0.
        state: What it is doing.
        n_running: Requests that it is speaking.
        resident_bytes: Its memory. 0 while it starts.
        n_restarts: How often it was replaced after it had died or grown.
    """

    name: str
    state: WorkerState
    n_running: int
    resident_bytes: int
    n_restarts: int


@dataclass(frozen=True, kw_only=True)
class Health:
    """What the engine says of itself. It is ready when a worker is warm and a voice is served.

    Attributes:
        ready: Whether a request can be spoken now.
        reasons: Why not, or what is degraded although it is ready. One sentence each.
        workers: The processes.
        backlog_seconds: Seconds of speech that were admitted and are not spoken yet.
        registry_reachable: False while only what is loaded is served.
        n_failed_loads: Releases that could not be loaded since the start, each of which kept the version before.
    """

    ready: bool
    reasons: tuple[str, ...]
    workers: tuple[WorkerHealth, ...]
    backlog_seconds: float
    registry_reachable: bool
    n_failed_loads: int = 0


@dataclass(frozen=True, kw_only=True)
class RequestRecord:
    """What became of a request, for the audit. It is made when the request has ended, however it ended.

    Attributes:
        request: What was asked for.
        route: speech, stream, job or campaign.
        caller: Name of the key's owner, `anonymous` where no keys are required.
        format: Format of the sound, such as mp3.
        started_at: When the request came in, in UTC.
        started: What the engine admitted, None where it refused.
        sentences: Outcomes of the sentences that were spoken.
        finished: The last event, None where the request did not reach it.
        status: HTTP status that the client got, or would have got before the first sound.
        error_type: Type of the ServingError that ended it, None where none did.
        client_left: Whether the client went away before the end.
        first_audio_seconds: From the request to its first sound on the way to the client. None where none was sent.
        total_seconds: From the request to its end.
        n_bytes: Bytes of sound that were sent, as encoded.
    """

    request: SpeechRequest
    route: Literal["speech", "stream", "job", "campaign"]
    caller: str
    format: str
    started_at: datetime
    started: Started | None
    sentences: tuple[SentenceDone, ...]
    finished: Finished | None
    status: int
    error_type: str | None
    client_left: bool
    first_audio_seconds: float | None
    total_seconds: float
    n_bytes: int
