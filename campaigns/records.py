"""What a campaign is: its settings, its recipients, and a row that is ready to be spoken or was refused."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from enum import StrEnum
from typing import Any, Literal, Self

from pydantic import BaseModel, ConfigDict, Field, field_validator, model_validator

from gpt_sovits.preset_names import DEFAULT_PRESET, PRESET_NAME
from gpt_sovits.text.languages import language_code
from gpt_sovits.text.lexicon import WordEntry
from registry.consent.words import PURPOSES
from registry.names import VOICE_NAME
from serving.encoding import Format, SampleRate

Purpose = Literal[tuple(PURPOSES)]  # type: ignore[valid-type]
MAX_DISCLOSURE_CHARACTERS = 500
MAX_TEMPLATE_CHARACTERS = 20_000
MAX_SEED = MAX_VERSION = 2**31 - 1


class Section(BaseModel):
    """A part of the settings. It is frozen, and refuses unknown keys, NaN and infinity."""

    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)


class Delivery(Section):
    """Where the files go."""

    prefix: str = Field(
        default="",
        max_length=200,
        pattern=r"^(?:[a-z0-9][a-z0-9_-]{0,63}(?:/[a-z0-9][a-z0-9_-]{0,63}){0,7})?$",
        description="Begin of the keys in the object store: lower case words between slashes, at most 200 letters.",
    )
    url_seconds: int = Field(
        default=7 * 86_400, ge=60, le=7 * 86_400, description="A signed address works that long. Seconds, 60 to 604800."
    )
    delete_on_revocation: bool = Field(
        default=False, description="Whether a revocation of the consent deletes what was delivered already."
    )


class Quality(Section):
    """When an asset is not good enough to be delivered."""

    share: float | None = Field(
        default=None,
        ge=0,
        le=1,
        description="Share of the assets that judges hear, 0 to 1. None: all, a tenth on CPUs.",
    )
    max_wer: float = Field(default=0.2, ge=0, le=1, description="Largest word error rate of an asset, 0 to 1.")
    min_similarity: float | None = Field(
        default=None, ge=-1, le=1, description="Smallest speaker similarity, -1 to 1. None: not judged."
    )


class CampaignSettings(Section):
    """Everything that a campaign is, except its recipients.

    In a campaign file, template, lexicon and recipients may be files beside it. `campaigns.files.load_campaign` reads
    them, so that `template` and `lexicon` hold their contents. A client of the API sends no file name.
    """

    name: str = Field(pattern=VOICE_NAME, description="Names the campaign. A second start with it goes on with it.")
    voice: str = Field(pattern=VOICE_NAME, description="Name of the voice.")
    version: int | None = Field(
        default=None, ge=1, le=MAX_VERSION, description="Version of the voice. None: the champion when it starts."
    )
    preset: str = Field(
        default=DEFAULT_PRESET, pattern=f"^{PRESET_NAME}$", description="A use that the voice was judged for."
    )
    purpose: Purpose = Field(description="What the speech is for. The speaker must have allowed it.")
    language: str | None = Field(
        default=None, max_length=20, description="Of rows that name none, as ISO 639 code. None: the voice's own."
    )
    seed: int = Field(default=0, ge=0, le=MAX_SEED, description="Another seed gives another reading of every row.")
    format: Format = Field(default="mp3", description="Format of the files.")
    sample_rate: SampleRate | None = Field(
        default=None, description="Samples per second of the files. None: the default of the format."
    )
    loudness_lufs: float | None = Field(
        default=None, ge=-36, le=-9, description="Loudness of the files. LUFS, -36 to -9. None: as it was spoken."
    )
    disclosure: str | dict[str, str] | None = Field(
        default=None,
        description="Sentence before every text, which says that a machine speaks: a text, or one per language.",
    )
    template: str | None = Field(
        default=None, max_length=MAX_TEMPLATE_CHARACTERS, description="The text with variables, in Jinja's syntax."
    )
    template_file: str | None = Field(default=None, max_length=500, description="File with the template instead.")
    lexicon: dict[str, dict[str, str]] | None = Field(
        default=None, description="Pronunciations: language, word, symbols, as in a voice's lexicon.yaml."
    )
    lexicon_file: str | None = Field(default=None, max_length=500, description="File with the lexicon instead.")
    recipients_file: str | None = Field(
        default=None, max_length=500, description="CSV, JSON Lines or Parquet file with one row per recipient."
    )
    require_opt_in: bool = Field(
        default=True, description="Refuse rows without an opt-in reference. Calls with artificial voices need consent."
    )
    max_characters: int = Field(
        default=2000, ge=1, le=20_000, description="Longest text of a row. Characters, 1 to 20,000."
    )
    delivery: Delivery = Field(default=Delivery(), description="Where the files go.")
    expires_at: datetime | None = Field(
        default=None, description="Nothing is spoken or delivered after it. ISO 8601 with its offset, such as Z."
    )
    quality: Quality = Field(default=Quality(), description="When an asset is not delivered.")
    keep_variables_days: float = Field(
        default=30, gt=0, le=3650, description="Variables and texts are removed after it. Days, above 0 to 3650."
    )
    callback_url: str | None = Field(
        default=None, max_length=2000, pattern=r"^https?://", description="Gets a signed message when it ends."
    )
    max_attempts: int = Field(default=3, ge=1, le=10, description="Tries per row before it fails. 1 to 10.")

    @field_validator("language")
    @classmethod
    def _read_alias(cls, value: str | None) -> str | None:
        return None if value is None else language_code(value)

    @field_validator("disclosure")
    @classmethod
    def _check_disclosure(cls, value: str | dict[str, str] | None) -> str | dict[str, str] | None:
        texts = value.values() if isinstance(value, dict) else [] if value is None else [value]
        for text in texts:
            if not text.strip() or len(text) > MAX_DISCLOSURE_CHARACTERS:
                raise ValueError(f"it has {len(text)} characters; a disclosure has 1 to {MAX_DISCLOSURE_CHARACTERS}")
        return {language_code(code): text for code, text in value.items()} if isinstance(value, dict) else value

    @field_validator("expires_at")
    @classmethod
    def _require_offset(cls, value: datetime | None) -> datetime | None:
        if value is not None and value.tzinfo is None:
            raise ValueError(f"{value.isoformat()} has no offset from UTC; write it as {value.isoformat()}Z")
        return None if value is None else value.astimezone(UTC)

    @model_validator(mode="after")
    def _require_one_template(self) -> Self:
        if (self.template is None) == (self.template_file is None):
            raise ValueError("give the template once: as `template` or as `template_file`")
        if self.lexicon is not None and self.lexicon_file is not None:
            raise ValueError("give the lexicon once: as `lexicon` or as `lexicon_file`")
        return self

    @property
    def file_names(self) -> tuple[str, ...]:
        """Return the fields that name files, which a client of the API may not send."""
        names = ("template_file", "lexicon_file", "recipients_file")
        return tuple(name for name in names if getattr(self, name) is not None)


class RejectReason(StrEnum):
    """Why a row is not spoken. `REASONS` says what each means and what to do."""

    MALFORMED_ROW = "malformed_row"
    BROKEN_TEXT = "broken_text"
    INVISIBLE_CHARACTER = "invisible_character"
    CELL_TOO_LONG = "cell_too_long"
    INVALID_ID = "invalid_id"
    DUPLICATE_ID = "duplicate_id"
    LOOK_ALIKE_ID = "look_alike_id"
    NO_OPT_IN = "no_opt_in"
    WRONG_LANGUAGE = "wrong_language"
    UNKNOWN_VARIABLE = "unknown_variable"
    MISSING_VARIABLE = "missing_variable"
    UNREADABLE_VALUE = "unreadable_value"
    TEXT_TOO_LONG = "text_too_long"
    UNSPEAKABLE_TEXT = "unspeakable_text"
    CONSENT = "consent"
    NOT_RELEASED = "not_released"
    EXPIRED = "expired"


REASONS: Mapping[RejectReason, str] = {
    RejectReason.MALFORMED_ROW: "the row has another shape than the table; correct its quotes, cells or JSON",
    RejectReason.BROKEN_TEXT: "bytes of the row are not text in the file's encoding; save the file as UTF-8",
    RejectReason.INVISIBLE_CHARACTER: "a cell has a control, direction or other invisible character; remove it",
    RejectReason.CELL_TOO_LONG: "a cell is longer than what one variable may hold; shorten it",
    RejectReason.INVALID_ID: "the recipient_id is empty, too long or has other characters than ids may have",
    RejectReason.DUPLICATE_ID: "a row above has the same recipient_id; keep one of them",
    RejectReason.LOOK_ALIKE_ID: "a row above has a recipient_id that looks the same; change one of them",
    RejectReason.NO_OPT_IN: "the row has no opt_in_reference; name the consent of the recipient, or leave the row out",
    RejectReason.WRONG_LANGUAGE: "the voice was not judged in the language, or the text has letters of another one",
    RejectReason.UNKNOWN_VARIABLE: "the template names a variable that the row has no column for",
    RejectReason.MISSING_VARIABLE: "the template needs a variable whose cell is empty; fill it, or use `default`",
    RejectReason.UNREADABLE_VALUE: "a filter cannot read the value, such as a date that is not 2030-12-31",
    RejectReason.TEXT_TOO_LONG: "the text is longer than max_characters, or a sentence than what is spoken at once",
    RejectReason.UNSPEAKABLE_TEXT: "there is nothing to say in the text, or the text front end cannot read it",
    RejectReason.CONSENT: "the speaker's consent does not cover the purpose or the language, has ended or was revoked",
    RejectReason.NOT_RELEASED: "the voice, version or preset is not in service",
    RejectReason.EXPIRED: "the campaign's expires_at has passed",
}


@dataclass(frozen=True, kw_only=True)
class Recipient:
    """A row of the recipients.

    Attributes:
        line: Where the row begins in its file, from 1. In Parquet, the number of the row.
        recipient_id: Names the recipient, unique in the campaign.
        variables: Value of each column, None for an empty cell. NFC, one line each.
        language: ISO 639 code or alias as written, None where the row names none.
        opt_in_reference: What proves that the recipient agreed, None where the row names nothing.
    """

    line: int
    recipient_id: str
    variables: Mapping[str, str | None]
    language: str | None = None
    opt_in_reference: str | None = None


@dataclass(frozen=True, kw_only=True)
class Reject:
    """A row that is not spoken.

    Attributes:
        line: Where the row begins, from 1.
        recipient_id: As far as it could be read, None where it is not a valid id.
        reason: The code.
        message: What was wrong with this row. It shows values escaped and cut.
    """

    line: int
    recipient_id: str | None
    reason: RejectReason
    message: str


@dataclass(frozen=True, kw_only=True)
class RenderedRow:
    """A row that is ready to be spoken.

    Attributes:
        line: Where the row begins, from 1.
        recipient_id: Names the recipient.
        text: What to say, disclosure first.
        language: ISO 639 code of the text.
        sentences: The pieces that are spoken one by one.
        words: Entries of the campaign's lexicon that are in the text, for SpeechRequest.words.
        opt_in_reference: As the row has it.
        seconds: Expected length of its speech, in seconds.
        row_sha256: Of the recipient and of everything that decides the sound. Equal hashes need no second synthesis.
    """

    line: int
    recipient_id: str
    text: str
    language: str
    sentences: tuple[str, ...]
    words: tuple[WordEntry, ...]
    opt_in_reference: str | None
    seconds: float
    row_sha256: str


def row_sha256(
    settings: CampaignSettings,
    candidate_id: str,
    *,
    recipient_id: str,
    text: str,
    language: str,
    words: tuple[WordEntry, ...],
) -> str:
    """Return the hash of a recipient and of everything that decides the file that the recipient gets.

    Args:
        settings: Of the campaign.
        candidate_id: What speaks.
        recipient_id: Names the recipient.
        text: What is said.
        language: ISO 639 code of the text.
        words: Entries of the campaign's lexicon that are in the text.
    """
    parts: list[Any] = [recipient_id, text, language, sorted(words), candidate_id]
    parts += [settings.preset, settings.seed, settings.format, settings.sample_rate, settings.loudness_lufs]
    return hashlib.sha256(json.dumps(parts, ensure_ascii=False, separators=(",", ":")).encode()).hexdigest()
