"""The sections of params.yaml on recordings, clips, their texts and their features."""

from __future__ import annotations

from typing import Any, Literal

from pydantic import Field, model_validator

from stages.sections.section import Section


class Ingest(Section):
    """Which recordings can be used."""

    min_seconds: float = Field(gt=0, description="Shorter recordings are rejected. Seconds, above 0.")
    max_seconds: float = Field(
        gt=0,
        description="Longer recordings are rejected, before they are decoded where their header says so. Seconds, "
        "above 0.",
    )
    min_sample_rate: int = Field(
        ge=8000,
        description="Recordings with a lower rate are rejected: they lack the upper band of the voice. Hz, at least "
        "8000.",
    )
    min_level_dbfs: float = Field(
        lt=0, description="Recordings with a lower RMS level count as silence and are rejected. dBFS, below 0."
    )
    max_clipped_share: float = Field(
        ge=0, le=1, description="Recordings with a larger share of samples at full scale are rejected. 0 to 1."
    )
    min_bandwidth_hz: float | None = Field(
        default=None,
        gt=0,
        description="Recordings without sound above this frequency are rejected: speech of a telephone or of 8 kHz "
        "that was converted to a higher rate. Hz, above 0; null: only reported.",
    )
    min_snr_db: float | None = Field(
        default=None,
        description="Recordings whose speech is less above their noise are rejected. dB; null: only reported.",
    )
    min_loudness_lufs: float | None = Field(
        default=None, lt=0, description="Quieter recordings are rejected. LUFS, below 0; null: only reported."
    )
    max_reverberation_seconds: float | None = Field(
        default=None,
        gt=0,
        description="Recordings in which the room rings longer are rejected. Seconds of T60, whose estimate ends at "
        "1.5; null: only reported.",
    )
    max_clipping_samples: int | None = Field(
        default=None,
        ge=0,
        description="Recordings with a longer run of samples at full scale, or equal at a peak, are rejected. At least "
        "0; null: only reported.",
    )
    max_music_share: float | None = Field(
        default=None,
        ge=0,
        le=1,
        description="Recordings in which steady tones, as of music or a strong hum, sound in a larger share of the "
        "time are rejected. 0 to 1; null: only reported.",
    )
    duplicates: Literal["report", "exclude"] = Field(
        default="exclude",
        description="What happens with recordings that hold the same sound as another: report marks them, exclude "
        "rejects all but the best.",
    )
    several_talkers: Literal["report", "exclude"] = Field(
        default="report",
        description="What happens with recordings in which other people speak on other channels, as in an interview "
        "with a microphone each: report takes the loudest channel and says so, exclude rejects them.",
    )
    max_chars_per_second: float = Field(
        gt=0,
        description="Recordings whose transcript has more characters per second are rejected: nobody could say it so "
        "fast. Latin letters, above 0. A Han character or a Hangul block counts 3, a kana 2.",
    )
    max_lost_transcripts_share: float = Field(
        ge=0,
        le=1,
        description="The stage stops if recordings lack a transcript while a larger share of the transcripts found no "
        "audio: names probably differ. 0 to 1.",
    )
    n_jobs: int = Field(
        default=1, ge=1, description="Processes that measure. At least 1. The result does not depend on it."
    )


class Segment(Section):
    """How recordings are cut into clips."""

    sample_rate: int = Field(gt=0, description="Sample rate of the clips. Hz, above 0.")
    min_clip_seconds: float = Field(
        ge=0.5, description="Shorter speech is joined with its neighbour or rejected. Seconds, at least 0.5."
    )
    max_clip_seconds: float = Field(
        gt=0,
        description="Longer speech is split where it is quiet. Seconds, at least twice min_clip_seconds.",
    )
    vad_threshold: float = Field(
        gt=0, lt=1, description="silero-vad's probability from which sound counts as speech. Between 0 and 1."
    )
    min_silence_seconds: float = Field(
        gt=0, description="A pause of at least this length may end a clip. Seconds, above 0."
    )
    padding_seconds: float = Field(
        ge=0, description="Sound that is kept before and after the speech of a clip. Seconds, at least 0."
    )
    loudness_lufs: float = Field(lt=0, description="Integrated loudness of every clip (ITU-R BS.1770). LUFS, below 0.")
    max_peak_dbfs: float = Field(
        le=0, description="A clip whose peak would exceed this gets less gain. dBFS, at most 0."
    )
    n_jobs: int = Field(
        default=1, ge=1, description="Processes that cut. At least 1. The result does not depend on it."
    )

    @model_validator(mode="after")
    def _lengths_in_order(self) -> Segment:
        if self.max_clip_seconds < 2 * self.min_clip_seconds:
            raise ValueError(
                f"max_clip_seconds = {self.max_clip_seconds} must be at least twice "
                f"min_clip_seconds = {self.min_clip_seconds}, or a split would leave clips that are too short"
            )
        return self


class Align(Section):
    """How clips get their text, and which of them are kept."""

    max_cer: float = Field(
        gt=0,
        le=1,
        description="Clips are rejected if the character error rate between their transcript and what the ASR heard is "
        "higher. Above 0, at most 1. Of 125 right clips of LJSpeech in noise down to 10 dB, none has more than 0.2. "
        "All 125 texts of which half belongs elsewhere have more than 0.3.",
    )
    min_doubt: float = Field(
        gt=0,
        description="A difference between text and ASR is reported if the sound is that much more probable with what "
        "the ASR heard. Difference of natural logarithms, above 0. At 5, tiny.en finds all 82 single wrong or added "
        "words and 84 % of 45 missing ones in LJSpeech with noise, and reports 17 % of right clips.",
    )
    max_wrong_share: float = Field(
        gt=0,
        le=1,
        description="Clips are rejected if a larger share of their words is reported. Above 0, at most 1. Right clips "
        "of LJSpeech stay below 0.1 in noise down to 10 dB, and two misheard words of nine reach 0.22.",
    )
    other_speakers: Literal["report", "exclude"] = Field(
        default="report",
        description="What happens with clips that sound like another speaker than most: report names them, exclude "
        "rejects them.",
    )
    min_speaker_similarity: float = Field(
        default=0.62,
        gt=0,
        lt=1,
        description="A clip of at least 3 s whose speaker embedding has a smaller cosine to the centre of the voice is "
        "of another speaker. For each second that a clip is shorter, the limit is 0.17 lower. Between 0 and 1. It "
        "depends on the speaker judge of the profile.",
    )
    duplicates: Literal["report", "exclude"] = Field(
        default="exclude",
        description="What happens with clips that hold the same sound: exclude keeps the best one, report keeps all "
        "but those in training that repeat a held-out clip.",
    )
    repair: tuple[Literal["substitute", "trim"], ...] = Field(
        description="What is done about words that the sound speaks against, in this order: `substitute` takes the "
        "word heard for a single word, `trim` cuts the clip to its longest stretch of other words, from pause to "
        "pause. Empty: they are reported, and the clip is kept or rejected by max_wrong_share."
    )
    held_out_share: float = Field(
        gt=0, lt=0.5, description="Share of the kept clips that are held out of training. Above 0, below 0.5."
    )
    max_rejected_share: float = Field(
        gt=0, le=1, description="The stage fails if a larger share of the clips is rejected. Above 0, at most 1."
    )
    n_jobs: int = Field(ge=1, description="Processes that transcribe. At least 1. The result does not depend on it.")

    @model_validator(mode="before")
    @classmethod
    def _language_has_moved(cls, values: Any) -> Any:
        if isinstance(values, dict) and "language" in values:
            raise ValueError(
                f"language = {values['language']!r} belongs to the voice now: remove the key, and check that "
                "data/1_recordings/VOICE/voice.yaml names the language of each voice"
            )
        return values


class Features(Section):
    """Which clip is the reference of the voice."""

    reference_min_seconds: float = Field(
        gt=0, description="Length of the shortest clip that may be the reference. Seconds, above 0."
    )
    reference_max_seconds: float = Field(
        gt=0, description="Length of the longest clip that may be the reference. Seconds, above 0."
    )
    n_threads: int = Field(
        ge=1, description="CPU threads of torch. At least 1. The last bits of the result depend on it."
    )
    n_jobs: int = Field(
        default=1,
        ge=1,
        description="Processes that extract, each with n_threads. At least 1. The result does not depend on it.",
    )
