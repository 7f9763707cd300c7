"""The check: from recipients to rendered rows and rejects, one by one."""

from __future__ import annotations

import functools
import hashlib
from collections.abc import Iterable, Iterator
from datetime import UTC, datetime

from campaigns.check.report import CheckReport, Tally
from campaigns.check.sentences import FrontEnd, ReadSentence, has_foreign_letters_only
from campaigns.check.speaker import Speaker
from campaigns.errors import CampaignError
from campaigns.records import CampaignSettings, Recipient, Reject, RejectReason, RenderedRow, row_sha256
from campaigns.template.rendering import CampaignTemplate, RowError
from gpt_sovits.text.languages import language_code, language_name
from gpt_sovits.text.lexicon import WordEntry
from registry.consent.checks import use_reasons
from registry.names import shown


class Check:
    """One check of a campaign.

    Invariant: a row that fails becomes a Reject and stops no other row. No row is accepted while the campaign as a
    whole may not be spoken. Memory grows by a hash of 16 bytes per distinct sentence and by nothing else.
    """

    def __init__(self, settings: CampaignSettings, speaker: Speaker, *, now: datetime | None = None) -> None:
        """Compile the template and the lexicon.

        Args:
            settings: Of the campaign, with template and lexicon.
            speaker: The released version that would speak.
            now: Time of the check, None for now.

        Raises:
            CampaignError: The template or the lexicon is wrong, or the settings still name files.
        """
        if settings.template is None or settings.lexicon_file is not None:
            raise CampaignError("the campaign's files were not read; load it with campaigns.files.load_campaign")
        self.settings, self.speaker = settings, speaker
        self.language = settings.language or speaker.languages[0]
        self._template = CampaignTemplate(settings.template, settings.disclosure, own_language=self.language)
        try:
            self._front_end = FrontEnd(speaker, words_of(settings))
        except ValueError as error:
            raise CampaignError(str(error)) from error
        self._fault = self._campaign_fault(now or datetime.now(UTC))
        self._tally, self._columns = Tally(), dict[str, None]()
        self._spoken: set[bytes] = set()
        self._language_fault = functools.lru_cache(64)(self._find_language_fault)

    @property
    def name_variables(self) -> tuple[str, ...]:
        """Return the columns that hold names of people or things, because the template says them as they stand."""
        return tuple(sorted(self._template.name_variables))

    def is_in_lexicons(self, text: str, language: str) -> bool:
        """Return whether the lexicons of campaign and voice have every word of a text."""
        return self._front_end.is_in_lexicons(text, language)

    def rows(self, entries: Iterable[Recipient | Reject]) -> Iterator[RenderedRow | Reject]:
        """Yield what becomes of each recipient, in order. Rejects of the reader pass through."""
        for entry in entries:
            found = entry if isinstance(entry, Reject) else self._row(entry)
            if isinstance(found, Reject):
                self._tally.reject(found)
            yield found

    def report(self) -> CheckReport:
        """Return what was found so far."""
        tally, speaker = self._tally, self.speaker
        return CheckReport(
            name=self.settings.name,
            voice=speaker.voice,
            version=speaker.version,
            candidate_id=speaker.candidate_id,
            fault=self._fault,
            n_rows=tally.n_rows,
            n_accepted=tally.n_accepted,
            n_rejected=dict(tally.n_rejected.most_common()),
            examples={reason: tuple(rows) for reason, rows in tally.examples.items()},
            seconds_of_audio=tally.seconds_of_audio,
            seconds_to_speak=tally.seconds_to_speak,
            longest_seconds=tally.longest_seconds,
            n_sentences=tally.n_sentences,
            n_distinct_sentences=tally.n_distinct_sentences,
            unused_columns=tuple(name for name in self._columns if name not in self._template.variables),
        )

    def _row(self, recipient: Recipient) -> RenderedRow | Reject:
        self._columns.update(dict.fromkeys(recipient.variables))
        try:
            return self._accept(recipient)
        except RowError as error:
            return Reject(
                line=recipient.line, recipient_id=recipient.recipient_id, reason=error.reason, message=str(error)
            )

    def _accept(self, recipient: Recipient) -> RenderedRow:
        """Return a row that can be spoken. Raises RowError where it cannot."""
        settings = self.settings
        # 1. What the whole campaign lacks
        if self._fault is not None:
            raise RowError(*self._fault)
        # 2. Who hears it, and in which language
        if settings.require_opt_in and recipient.opt_in_reference is None:
            raise RowError(RejectReason.NO_OPT_IN, "the row has no opt_in_reference")
        language = self._row_language(recipient)
        # 3. The text, and what the front end makes of it
        text = self._template.render(recipient.variables, language, max_characters=settings.max_characters)
        sentences = self._front_end.split(text, language)
        if has_foreign_letters_only(text, language):
            raise RowError(RejectReason.WRONG_LANGUAGE, f"the text has no letter of {language_name(language)}")
        read = [self._front_end.read(sentence, language) for sentence in sentences]
        words = tuple(sorted({word for sentence in read for word in sentence.words}))
        preset = self._front_end.preset(language)
        row = RenderedRow(
            line=recipient.line,
            recipient_id=recipient.recipient_id,
            text=text,
            language=language,
            sentences=sentences,
            words=words,
            opt_in_reference=recipient.opt_in_reference,
            seconds=sum(sentence.seconds for sentence in read) + (len(read) - 1) * preset.pause_seconds,
            row_sha256=row_sha256(
                settings,
                self.speaker.candidate_id,
                recipient_id=recipient.recipient_id,
                text=text,
                language=language,
                words=words,
            ),
        )
        new = self._new_sentences(read)
        self._tally.accept(row, sum(sentence.seconds for sentence in new), len(new))
        return row

    def _new_sentences(self, read: list[ReadSentence]) -> list[ReadSentence]:
        """Return the sentences that no row above had at the same place, where they would have the same seed."""
        new = []
        for place, sentence in enumerate(read):
            key = hashlib.blake2b(sentence.digest + place.to_bytes(4, "big"), digest_size=16).digest()
            if key not in self._spoken:
                self._spoken.add(key)
                new.append(sentence)
        return new

    def _row_language(self, recipient: Recipient) -> str:
        if recipient.language is None:
            language = self.language
        else:
            try:
                language = language_code(recipient.language)
            except ValueError:
                raise RowError(
                    RejectReason.WRONG_LANGUAGE, f"{shown(recipient.language)} is not a language that is known"
                ) from None
        if fault := self._language_fault(language):
            raise RowError(*fault)
        return language

    def _find_language_fault(self, language: str) -> tuple[RejectReason, str] | None:
        speaker = self.speaker
        if language not in speaker.languages:
            known = ", ".join(speaker.languages)
            message = f"{speaker.voice} was not judged in {language_name(language)}, only in {known}"
            return RejectReason.WRONG_LANGUAGE, message
        reasons = use_reasons(speaker.consent, self.settings.purpose, language, None, commercial=False)
        return (RejectReason.CONSENT, "; ".join(reasons)) if reasons else None

    def _campaign_fault(self, now: datetime) -> tuple[RejectReason, str] | None:
        expires = self.settings.expires_at
        if expires is not None and now >= expires:
            return RejectReason.EXPIRED, f"the campaign expired at {expires.isoformat()}"
        return None


def words_of(settings: CampaignSettings) -> tuple[WordEntry, ...]:
    """Return the entries of a campaign's lexicon."""
    return tuple(
        (language, word, sounds)
        for language, words in (settings.lexicon or {}).items()
        for word, sounds in words.items()
    )
