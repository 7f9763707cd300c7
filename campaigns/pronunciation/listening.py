"""A voice says the names of a campaign and a judge hears them."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from campaigns.check.rows import Check, words_of
from campaigns.pronunciation.findings import Finding, Status, control_rate_of, judge_name
from campaigns.pronunciation.hearing import compare
from campaigns.pronunciation.prompts import PROMPTS
from campaigns.pronunciation.sampling import Name
from gpt_sovits.text.frontend import phonemize
from gpt_sovits.text.lexicon import Lexicon, WordEntry, with_words
from gpt_sovits.text.symbols import PUNCTUATION
from metrics.judges.transcriber import Transcriber

DEFAULT_NAMES, DEFAULT_READINGS = 50, 3
MAX_READINGS = 20
# texts, one seed each, their language and further words -> samples of each text (n,) float32, and samples per second
Say = Callable[[Sequence[str], Sequence[int], str, tuple[WordEntry, ...]], tuple[list[np.ndarray], int]]


@dataclass(frozen=True, kw_only=True)
class PronunciationReport:
    """What was heard of the names of a campaign.

    Attributes:
        findings: Of each name, in the order of the sample.
        control_rates: Share of common names that the judge misheard, by language.
        unheard_languages: Languages whose names no judge could hear.
        judge: Name and version of the judge.
        n_readings: How often each name was said.
    """

    findings: tuple[Finding, ...]
    control_rates: dict[str, float]
    unheard_languages: tuple[str, ...]
    judge: str
    n_readings: int

    def with_status(self, status: Status) -> list[Finding]:
        """Return the findings of a status."""
        return [finding for finding in self.findings if finding.status is status]

    @property
    def expected_false_alarms(self) -> float:
        """Return how many names would be called misread if all were said right."""
        return sum(self.control_rates[finding.name.language] ** self.n_readings for finding in self.findings)

    def to_json(self) -> dict[str, Any]:
        """Return the report as JSON has it."""
        return {
            "judge": self.judge,
            "n_readings": self.n_readings,
            "control_rates": self.control_rates,
            "expected_false_alarms": round(self.expected_false_alarms, 3),
            "unheard_languages": list(self.unheard_languages),
            "names": [
                {
                    "name": finding.name.text,
                    "language": finding.name.language,
                    "variable": finding.name.variable,
                    "n_rows": finding.name.n_rows,
                    "is_known": finding.name.is_known,
                    "status": str(finding.status),
                    "heard": [hearing.heard for hearing in finding.hearings],
                    "matches": [str(hearing.match) for hearing in finding.hearings],
                    "chance": round(finding.chance, 4),
                    "phonemes": finding.phonemes,
                }
                for finding in self.findings
            ],
        }


def listen_to_names(
    check: Check, names: Sequence[Name], say: Say, judge: Transcriber, *, n_readings: int = DEFAULT_READINGS
) -> PronunciationReport:
    """Let a voice say names, and return what a judge heard.

    Args:
        check: Of the campaign.
        names: At most some dozens.
        say: Speaks.
        judge: Hears.
        n_readings: How often each name is said, with another seed each time.
    """
    words = words_of(check.settings)
    lexicon = with_words(check.speaker.lexicon, words)
    findings: dict[tuple[str, str], Finding] = {}
    rates: dict[str, float] = {}
    languages = list(dict.fromkeys(name.language for name in names))
    heard = [language for language in languages if language in judge.languages and language in PROMPTS]
    for language in heard:
        own = [name for name in names if name.language == language]
        common = PROMPTS[language].common
        prompt, seeds = PROMPTS[language], [(check.settings.seed + n) % 2**31 for n in range(n_readings)]
        texts = [*common, *(name.text for name in own)]
        waveforms, rate = say([prompt.text(text) for text in texts for _ in seeds], seeds * len(texts), language, words)
        hearings = [
            compare(texts[n // n_readings], judge.transcribe(waveform, rate, language), prompt, language, lexicon)
            for n, waveform in enumerate(waveforms)
        ]
        n_common = len(common) * n_readings
        rates[language] = control_rate_of(hearings[:n_common])
        for number, name in enumerate(own):
            begin = n_common + number * n_readings
            findings[language, name.text] = judge_name(
                name,
                hearings[begin : begin + n_readings],
                control_rate=rates[language],
                phonemes=_symbols(name, lexicon),
            )
    return PronunciationReport(
        findings=tuple(findings[name.language, name.text] for name in names if name.language in heard),
        control_rates=rates,
        unheard_languages=tuple(language for language in languages if language not in heard),
        judge=f"{judge.name} {judge.version}",
        n_readings=n_readings,
    )


def _symbols(name: Name, lexicon: Lexicon | None) -> str:
    """Return the symbols with which a name is said, as a lexicon writes them."""
    symbols = phonemize(name.text, name.language, lexicon).symbols
    return " ".join(symbol for symbol in symbols if symbol not in PUNCTUATION)
