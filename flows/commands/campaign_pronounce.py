"""`vox campaign pronounce`: say the names of a campaign and report those that are misread."""

from __future__ import annotations

import json
from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING

import stages  # noqa: F401 - sets how OpenMP's threads wait, before torch is loaded
from campaigns.check.rows import Check
from campaigns.check.speaker import find_speaker
from campaigns.files import load_campaign
from campaigns.pronunciation.findings import MEANINGS, Finding, Status
from campaigns.pronunciation.listening import DEFAULT_NAMES, DEFAULT_READINGS, PronunciationReport, listen_to_names
from campaigns.pronunciation.sampling import sample_names
from campaigns.recipients.reading import read_recipients
from flows.console import print_line, print_table
from flows.frozen_version import with_frozen_version
from gpt_sovits.text.lexicon import WordEntry
from registry.storage.store import open_store
from stages.params import load_params
from stages.profiles import PROFILES, judge_weights

if TYPE_CHECKING:
    import numpy as np

EXIT_MISREAD = 1


def pronounce_campaign(
    file: Path, *, as_json: bool = False, most: int = DEFAULT_NAMES, n_readings: int = DEFAULT_READINGS
) -> int:
    """Say names of a campaign, and print what a judge heard.

    Args:
        file: The campaign.
        as_json: Print JSON and nothing else.
        most: Names that are said, at most.
        n_readings: How often each is said.

    Returns:
        0 if no name is misread, else 1.

    Raises:
        CampaignError: The campaign cannot be read.
        SpeakerRefusedError: The voice may not speak it.
        JudgeUnavailableError: The judge's weights are missing.
    """
    report = pronunciation_of(file, most=most, n_readings=n_readings)
    if as_json:
        print_line(json.dumps(report.to_json(), ensure_ascii=False))
    else:
        print_findings(report)
    return EXIT_MISREAD if report.with_status(Status.MISREAD) else 0


def pronunciation_of(
    file: Path, *, most: int = DEFAULT_NAMES, n_readings: int = DEFAULT_READINGS
) -> PronunciationReport:
    """Return what a judge heard of the names of a campaign.

    Args:
        file: The campaign.
        most: Names that are said, at most.
        n_readings: How often each is said.
    """
    campaign, store = load_campaign(file), open_store()
    settings = with_frozen_version(store, campaign.settings)
    speaker = find_speaker(store, settings, datetime.now(UTC).date())
    check = Check(settings, speaker)
    names = sample_names(check, read_recipients(campaign.recipients, check.language), most=most)
    from gpt_sovits.synthesis.voice import load_voice  # torch, which takes a second: after everything that can fail
    from metrics.judges.asr import load_transcriber

    asr = PROFILES[load_params().profile].asr
    judge = load_transcriber(asr, judge_weights(asr))
    voice = load_voice(speaker.folder, preset=settings.preset)

    def say(
        texts: Sequence[str], seeds: Sequence[int], language: str, words: tuple[WordEntry, ...]
    ) -> tuple[list[np.ndarray], int]:
        spoken = voice.with_words(words).say_many(texts, seeds, language)
        return [speech.waveform for speech in spoken], voice.sample_rate

    return listen_to_names(check, names, say, judge, n_readings=n_readings)


def print_findings(report: PronunciationReport) -> None:
    """Print which names are misread, what was heard, and how sure that is."""
    misread = report.with_status(Status.MISREAD)
    n_names = len(report.findings)
    if misread:
        print_line(f"{len(misread)} of {n_names} names are misread: add them to the lexicon")
        print_table([_row(finding) for finding in misread],
                    header=("name", "rows", "heard", "by chance", "said as"))  # fmt: skip
    for status in (Status.GUESSED, Status.UNSURE):
        if found := report.with_status(status):
            print_line(f"{len(found)} {status}: {MEANINGS[status]}")
            print_table([_row(finding) for finding in found])
    rates = ", ".join(f"{rate:.0%} in {language}" for language, rate in report.control_rates.items())
    n_right = len(report.with_status(Status.RIGHT))
    print_line(f"{n_right} of {n_names} names were heard right, in {report.n_readings} readings each.")
    if report.control_rates:
        print_line(
            f"The judge {report.judge} mishears common names of this voice in {rates}, so about "
            f"{report.expected_false_alarms:.1f} of {n_names} names would seem misread by chance."
        )
    for language in report.unheard_languages:
        print_line(f"The judge {report.judge} does not hear {language}: names in it were not said")


def _row(finding: Finding) -> tuple[str, str, str, str, str]:
    name = finding.name
    source = "" if name.is_known else " (guessed)"
    return name.text, str(name.n_rows), finding.heard or "nothing", f"{finding.chance:.2g}", finding.phonemes + source
