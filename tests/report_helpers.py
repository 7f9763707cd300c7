"""Scorecards with real short sounds, and a verdict on them, for the tests of the report."""

from __future__ import annotations

import hashlib
import shutil
from pathlib import Path

import numpy as np
import release_helpers
import soundfile
from release_helpers import FLOOR, JUDGES, PAIR, policy

from gpt_sovits.audio import save_flac
from metrics.scores import Scorecard, UtteranceScore
from metrics.wer import character_errors, word_errors
from registry.gate.deciding import decide
from registry.report.page import ScoredVersion
from registry.storage.record import Stamp
from registry.verdicts.store import SignedVerdict
from registry.verdicts.verdict import Subject, Verdict

RATE = 32_000
STAMP = Stamp("a database", "anna", 1, "2026-06-01T00:00:00.000+00:00", "verdict", "", "", "", "a key", "a signature")
TEXT = "one two three four five six seven eight"


def tone(seconds: float, hertz: float = 1000.0, sample_rate: int = RATE) -> np.ndarray:
    """Return a tone at half of full scale, (n,) float32."""
    time = np.arange(int(seconds * sample_rate)) / sample_rate
    return (0.5 * np.sin(2 * np.pi * hertz * time)).astype(np.float32)


def utterance(
    folder: Path, audio: str, hypothesis: str = TEXT, recording: Path | None = None, **changes: object
) -> UtteranceScore:
    """Return a row whose sound is in `folder`: a recording, or half a second of a tone. Its errors follow its texts."""
    path = folder / audio
    path.parent.mkdir(parents=True, exist_ok=True)
    if recording:
        shutil.copyfile(recording, path)
    else:
        save_flac(path, tone(0.5, 400 + 20 * (len(audio) + sum(map(ord, audio)) % 50)), RATE)
    reference = str(changes.pop("reference", TEXT))
    words, characters = word_errors(reference, hypothesis), character_errors(reference, hypothesis)
    settings = {
        "prompt_id": Path(audio).stem.rpartition("-")[0],
        "category": "everyday",
        "reference": reference,
        "hypothesis": hypothesis,
        "word_errors": words.errors,
        "n_words": words.n_reference,
        "char_errors": characters.errors,
        "n_chars": characters.n_reference,
        "similarity": 0.8,
        "seconds": soundfile.info(path).duration,
        "duration_ratio": 1.0,
        "audio": audio,
        "audio_sha256": hashlib.sha256(path.read_bytes()).hexdigest(),
    }
    return release_helpers.utterance(0, int(Path(audio).stem.rpartition("-")[2]), **settings | changes)


def score_folder(folder: Path, heard: dict[str, str], n_seeds: int = 1, **changes: object) -> ScoredVersion:
    """Make a score folder of the voice robin as evaluate leaves it.

    `heard` says for each prompt id what the recogniser heard of TEXT, the same for every seed. Nothing heard is an
    `empty` failure.
    """
    categories = ("everyday", "questions", "names")
    rows = [
        utterance(
            folder,
            f"audio/{name}-{seed}.flac",
            words,
            category=categories[n % len(categories)],
            failures=() if words else ("empty",),
        )
        for n, (name, words) in enumerate(heard.items())
        for seed in range(n_seeds)
    ]
    clips = {"clip_a": TEXT, "clip_b": TEXT.replace("two ", ""), "clip_c": "one two nine"}
    real = [utterance(folder, f"recordings/{name}-0.flac", category="held_out", similarity=0.9) for name in clips]
    resynthesis = [
        utterance(folder, f"resynthesis/{name}-0.flac", words, category="resynthesis") for name, words in clips.items()
    ]
    settings = {
        "voice": "robin",
        "language": "en",
        "pair": PAIR,
        "judges": JUDGES,
        "prompts_sha256": "e" * 64,
        "seeds": tuple(range(n_seeds)),
        "rows": rows,
        "similarity_floor": FLOOR,
        "voice_embedding": (1.0, 0.0),
        "held_out": real,
        "resynthesis": resynthesis,
    }
    return ScoredVersion(Scorecard.model_validate(settings | changes), folder, {"git_commit": "c" * 40})


def verdict_on(candidate: ScoredVersion, champion: ScoredVersion | None) -> SignedVerdict:
    """What the gate says about version 3 against version 2, under the policy of the release tests."""
    decision = decide(
        candidate.scorecard,
        champion.scorecard if champion else None,
        policy=policy().model_copy(update={"min_prompts": 2}),
        first_release=champion is None,
    )
    verdict = Verdict(
        voice=candidate.scorecard.voice,
        candidate=_subject(3, "a"),
        champion=_subject(2, "b") if champion else None,
        decision=decision,
    )
    return SignedVerdict(verdict, verdict.sha256(), STAMP)


def _subject(version: int, digit: str) -> Subject:
    digest = digit * 64
    return Subject(version=version, candidate_id=digest, weights_sha256=digest, scores_sha256=digest)


def pairs() -> list[dict[str, float | None]]:
    """Return four checkpoint pairs, of which PAIR is the last."""
    figures = {"cer": 0.05, "similarity": None, "failed_share": 0.0}
    return [
        {"gpt_epoch": gpt, "sovits_epoch": sovits, "wer": 0.1 * gpt, **figures} for gpt in (2, 4) for sovits in (1, 2)
    ]
