"""What clients send and get, as OpenAPI publishes it."""

from __future__ import annotations

from datetime import date
from typing import Annotated, Literal, get_args

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field

from gpt_sovits.preset_names import DEFAULT_PRESET, PRESET_NAME
from gpt_sovits.synthesis.words import Word
from registry.consent.words import PURPOSES
from registry.names import VOICE_NAME
from serving.encoding import Format, SampleRate
from serving.messages import Lane, SentenceDone, ServedVoice

# OpenAI's names stand for ours, so that its clients work unchanged
Model = Literal["voxfoundry", "tts-1", "tts-1-hd", "gpt-4o-mini-tts"]
MODELS: tuple[Model, ...] = get_args(Model)
StreamFormat = Literal["audio", "sse", "file", "json"]
MAX_SEED = 2**31 - 1
MAX_VERSION = 2**31 - 1
MAX_LANGUAGE_CHARACTERS = 20


def _name_of(voice: object) -> object:
    """Return the name of a voice that OpenAI's clients may write as {"id": name}."""
    return voice["id"] if isinstance(voice, dict) and set(voice) == {"id"} else voice


class VoiceId(BaseModel):
    """A voice as newer clients of OpenAI write it."""

    id: str = Field(pattern=VOICE_NAME)


VoiceName = Annotated[str, Field(pattern=VOICE_NAME), BeforeValidator(_name_of, json_schema_input_type=str | VoiceId)]
PresetName = Annotated[str, Field(pattern=f"^{PRESET_NAME}$")]
Purpose = Literal[tuple(PURPOSES)]  # type: ignore[valid-type]


class Body(BaseModel):
    """What a client sends. Unknown fields are refused, so that a misspelt one is not ignored."""

    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)


class Manner(Body):
    """How a text is spoken, of a request, a job and a web socket."""

    voice: VoiceName = Field(description="Name of the voice, as GET /v1/voices lists it.")
    version: int | None = Field(
        default=None, ge=1, le=MAX_VERSION, description="A version that was once released. None: the champion."
    )
    preset: PresetName = Field(default=DEFAULT_PRESET, description="A use that the voice was judged for.")
    language: str | None = Field(
        default=None, max_length=MAX_LANGUAGE_CHARACTERS, description="ISO 639 code of the text. None: the voice's own."
    )
    purpose: Purpose | None = Field(default=None, description="What the speech is for. The speaker must allow it.")
    seed: int = Field(
        default=0, ge=0, le=MAX_SEED, description="Another seed gives another reading. The same gives the same speech."
    )
    lane: Lane | None = Field(
        default=None,
        description="realtime: chunk by chunk, each sentence once. batch: sentence by sentence, a failed one again. "
        "None: realtime where the voice was judged in it.",
    )
    response_format: Format = Field(default="mp3", description="Format of the sound.")
    sample_rate: SampleRate | None = Field(
        default=None,
        description="Samples per second. None: 24000 for pcm, as OpenAI has it, else the voice's own, or the next "
        "above it that the format has.",
    )
    timestamps: bool = Field(
        default=False, description="Whether to tell when each word is said. It does not change the sound."
    )
    speed: float = Field(
        default=1.0,
        json_schema_extra={"enum": [1.0]},
        description="1.0. Another pace was not judged, so it is refused.",
    )


class SpeechBody(Manner):
    """The body of POST /v1/audio/speech: OpenAI's fields and ours."""

    model: Model = Field(default=MODELS[0], description="Ours, or one of OpenAI's names for it.")
    input: str = Field(description="What to say.")
    instructions: str | None = Field(
        default=None, max_length=4096, description="Empty. A voice speaks as it was judged: name a preset instead."
    )
    stream_format: StreamFormat = Field(
        default="audio",
        description="audio: the sound alone, while it is made. sse: events with the sound in base64. file: a whole "
        "file with its mark inside. json: such a file in base64 with what is known of it.",
    )


class SessionConfig(Manner):
    """The first message of a web socket: session.config."""

    type: Literal["session.config"] = "session.config"
    model: Model = Field(default=MODELS[0], description="Ours, or one of OpenAI's names for it.")
    response_format: Format = Field(default="pcm", description="Format of the sound. Each sentence is a whole file.")


class InputText(Body):
    """More text, of any length: a word, or a page."""

    type: Literal["input.text"]
    text: str


class InputDone(Body):
    """The end of the text."""

    type: Literal["input.done"]


class VoiceInfo(BaseModel):
    """One version of a voice that is served."""

    voice: str
    version: int
    candidate_id: str
    is_champion: bool = Field(description="Whether a request without a version gets this one.")
    verdict_sha256: str | None = Field(description="Of the signed verdict that it was released with.")
    verdict_outcome: str | None
    languages: tuple[str, ...] = Field(description="ISO 639 codes that it was judged in, its own first.")
    purposes: tuple[str, ...] = Field(description="What the speaker allows.")
    valid_until: date | None = Field(description="Last day of the consent.")
    presets: tuple[str, ...]
    lanes: tuple[Lane, ...]
    has_judged_lane: bool = Field(description="False where real time is offered without having been judged.")
    sample_rate: int

    @classmethod
    def of(cls, served: ServedVoice) -> VoiceInfo:
        """Return what a client sees of a version."""
        return cls.model_validate(served, from_attributes=True)


class VoiceList(BaseModel):
    """The champions, by name."""

    object: Literal["list"] = "list"
    data: list[VoiceInfo]


class VoiceVersions(BaseModel):
    """A voice with every version that is loaded or can be, the champion first."""

    voice: str
    versions: list[VoiceInfo]


class ModelInfo(BaseModel):
    """A name that `model` takes."""

    id: str
    object: Literal["model"] = "model"
    created: int = 0
    owned_by: str = "voxfoundry"


class ModelList(BaseModel):
    """The names that `model` takes."""

    object: Literal["list"] = "list"
    data: list[ModelInfo]


class ErrorDetail(BaseModel):
    """The inside of an error."""

    type: str = Field(description="For programs. docs/serving-errors.md has all of them.")
    message: str = Field(description="For people: what was wrong, the value seen, and what would be right.")
    param: str | None = Field(description="The field that is wrong.")
    request_id: str


class ErrorBody(BaseModel):
    """The one shape of every error."""

    error: ErrorDetail


class WordInfo(BaseModel):
    """A word and when it is said."""

    word: str = Field(description="As it is written, with the marks that touch it.")
    start: float = Field(description="Seconds from the begin of the sound.")
    end: float

    @classmethod
    def of(cls, word: Word, begin: float) -> WordInfo:
        """Return what a client sees of a word of a sentence that begins at a time of the sound."""
        later = word.later(begin)
        return cls(word=later.text, start=later.start, end=later.end)


class SentenceInfo(BaseModel):
    """What happened to a sentence, in the events of a stream."""

    sentence: int
    text_sha256: str
    outcome: str
    n_retries: int
    n_samples: int

    @classmethod
    def of(cls, done: SentenceDone) -> SentenceInfo:
        """Return what a client sees of a sentence."""
        return cls.model_validate(done, from_attributes=True)
