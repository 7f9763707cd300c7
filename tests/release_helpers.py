"""Hand-made scorecards, voices of a few bytes and a policy, for the tests of the registry."""

from __future__ import annotations

import hashlib
import os
import signal
from collections.abc import Callable
from datetime import date
from pathlib import Path

from gpt_sovits.lanes import lane_sha256
from metrics.scores import (
    Judges,
    LaneScores,
    LanguageScores,
    Pair,
    PresetScores,
    Scorecard,
    Similarities,
    UtteranceScore,
)
from registry.consent.file import write_voice
from registry.consent.record import Consent, Voice
from registry.gate.deciding import decide
from registry.gate.policy import GatePolicy
from registry.releases.promotion import promote
from registry.storage.store import Store
from registry.verdicts.gating import gate_candidate
from registry.verdicts.verdict import Subject, Verdict

TODAY = date(2026, 6, 1)
LINEAGE = {
    "git_commit": "c" * 40,
    "dvc_lock_sha256": "d" * 64,
    "params_sha256": "a" * 64,
    "data_manifest_sha256": "b" * 64,
}
JUDGES = Judges(
    asr="pocketsphinx",
    asr_version="5.1.1",
    speaker="ecapa_small",
    speaker_version="1",
    normalizer="english",
    normalizer_version="1",
)
FLOOR = Similarities(similarity=0.1, similarity_held_out=0.1, n=26, note="other speakers of a test")
PAIR = Pair(gpt_epoch=4, sovits_epoch=2, gpt_sha256="1" * 64, sovits_sha256="2" * 64)


def policy(**changes: object) -> GatePolicy:
    """Return a policy for at least 10 prompts.

    Thresholds are at WER 0.3, similarity 0.5 and failed share 0.05, margins are 0.02 and 0.03.
    """
    settings = {
        "thresholds": [
            {"metric": "wer", "at_most": 0.3, "unit": "errors per word", "reason": "test"},
            {"metric": "similarity", "at_least": 0.5, "unit": "cosine", "reason": "test"},
            {"metric": "failed_share", "at_most": 0.05, "unit": "share of utterances", "reason": "test"},
        ],
        "non_inferiority": [
            {"metric": "wer", "margin": 0.02, "unit": "errors per word", "reason": "test"},
            {"metric": "similarity", "margin": 0.03, "unit": "cosine", "reason": "test"},
        ],
        "confidence": 0.95,
        "n_resamples": 2000,
        "seed": 0,
        "min_prompts": 10,
    }
    return GatePolicy.model_validate(settings | changes)


def utterance(prompt: int, seed: int, word_errors: int = 0, similarity: float | None = 0.8, **changes: object):
    """Return one row of ten words that was spoken well. The audio is the prompt's own number."""
    audio = f"audio/p{prompt:03d}_{seed}.flac"
    words = ["one", "two", "three", "four", "five", "six", "seven", "eight", "nine", "ten"]
    heard = [*(word.upper() for word in words[:word_errors]), *words[word_errors:]]  # as long, so no failure
    settings = {
        "prompt_id": f"p{prompt:03d}",
        "category": "everyday",
        "language": "en",
        "seed": seed,
        "reference": "one two three four five six seven eight nine ten",
        "hypothesis": " ".join(heard),
        "word_errors": word_errors,
        "n_words": 10,
        "char_errors": sum(map(len, words[:word_errors])),
        "n_chars": 48 if changes.get("language", "en") == "en" else 39,  # without spaces in the others
        "similarity": similarity,
        "similarity_held_out": similarity,
        "seconds": 3.0,
        "duration_ratio": 1.0,
        "silence_share": 0.1,
        "clipped_share": 0.0,
        "pitch_range_semitones": 8.0,
        "audio": audio,
        "audio_sha256": hashlib.sha256(audio.encode()).hexdigest(),
    }
    return UtteranceScore.model_validate(settings | changes)


def held_out(n: int = 3, word_errors: int = 0, similarity: float | None = 0.9) -> list[UtteranceScore]:
    """Return rows of the voice's own recordings, ten words each."""
    return [
        utterance(0, 0, word_errors, similarity, prompt_id=f"clip_{number}", category="held_out", audio="")
        for number in range(n)
    ]


def scorecard(voice: str = "anna", n_prompts: int = 20, seeds: tuple[int, ...] = (0, 1), wer: float = 0.1, **changes):
    """Return a scorecard whose utterances all have `wer` errors per word (a multiple of 0.1) and similarity 0.8."""
    similarity = changes.pop("similarity", 0.8)
    rows = [utterance(p, seed, round(wer * 10), similarity) for p in range(n_prompts) for seed in seeds]
    settings = {
        "voice": voice,
        "language": "en",
        "pair": PAIR,
        "judges": JUDGES,
        "prompts_sha256": "e" * 64,
        "seeds": seeds,
        "rows": rows,
        "held_out": (),
        "similarity_floor": FLOOR,
        "voice_embedding": (1.0, 0.0),
    }
    return Scorecard.model_validate(settings | changes)


def language_scores(
    language: str = "zh", n_prompts: int = 12, seeds: tuple[int, ...] = (0, 1), wer: float = 0.1, **changes
):
    """Return scores in another language whose utterances all have `wer` errors per unit and similarity 0.8."""
    similarity = changes.pop("similarity", 0.8)
    rows = [
        utterance(p, seed, round(wer * 10), similarity, language=language, prompt_id=f"{language}_{p:03d}")
        for p in range(n_prompts)
        for seed in seeds
    ]
    settings = {
        "language": language,
        "normalizer": "characters",
        "normalizer_version": "1",
        "prompts_sha256": "f" * 64,
        "seeds": seeds,
        "rows": rows,
    }
    return LanguageScores.model_validate(settings | changes)


def preset_scores(
    name: str = "dialogue", n_prompts: int = 12, seeds: tuple[int, ...] = (0, 1), wer: float = 0.1, **changes
):
    """Return scores with a further preset whose utterances all have `wer` errors per word and similarity 0.8."""
    rows = []
    for row in scorecard(n_prompts=n_prompts, seeds=seeds, wer=wer).rows:
        audio = row.audio.replace("audio/", f"audio/preset_{name}/")
        digest = hashlib.sha256(audio.encode()).hexdigest()
        rows.append(row.model_copy(update={"audio": audio, "audio_sha256": digest}))
    settings = {
        "name": name,
        "settings_sha256": "5" * 64,
        "reference_clip": "",
        "prompts_sha256": "d" * 64,
        "seeds": seeds,
        "rows": rows,
    }
    return PresetScores.model_validate(settings | changes)


def lane_scores(n_prompts: int = 12, seeds: tuple[int, ...] = (0,), wer: float = 0.1, **changes):
    """Return scores in the lane `realtime` whose utterances all have `wer` errors per word and similarity 0.8."""
    rows = []
    for row in scorecard(n_prompts=n_prompts, seeds=seeds, wer=wer).rows:
        audio = row.audio.replace("audio/", "audio/lane_realtime/")
        digest = hashlib.sha256(audio.encode()).hexdigest()
        rows.append(row.model_copy(update={"audio": audio, "audio_sha256": digest}))
    settings = {
        "name": "realtime",
        "settings_sha256": lane_sha256("realtime"),
        "prompts_sha256": "d" * 64,
        "seeds": seeds,
        "rows": rows,
    }
    return LaneScores.model_validate(settings | changes)


def language_rules(**changes: object) -> dict:
    """Return rules of another language: WER at most 0.5, a margin of 0.05, at least 8 prompts."""
    return {
        "thresholds": [{"metric": "wer", "at_most": 0.5, "unit": "errors per word", "reason": "test"}],
        "non_inferiority": [{"metric": "wer", "margin": 0.05, "unit": "errors per word", "reason": "test"}],
        "min_prompts": 8,
    } | changes


def with_rows(card: Scorecard, change: Callable[[list[UtteranceScore]], object]) -> Scorecard:
    """Return the scorecard after `change` edited the list of its rows, unchecked as in a file edited by hand."""
    rows = list(card.rows)
    change(rows)
    return card.model_copy(update={"rows": tuple(rows)})


def with_prompt(card: Scorecard, prompt: int, seeds: tuple[int, ...] = (0, 1, 2), **changes: object) -> Scorecard:
    """Return the scorecard with changes in the rows of one prompt."""
    rows = [
        row.model_copy(update=changes) if row.prompt_id == f"p{prompt:03d}" and row.seed in seeds else row
        for row in card.rows
    ]
    return card.model_copy(update={"rows": tuple(rows)})


def subject(version: int, candidate_id: str = "1" * 64) -> Subject:
    """Return a version of a voice with made-up hashes."""
    return Subject(version=version, candidate_id=candidate_id, weights_sha256="2" * 64, scores_sha256="3" * 64)


def make_verdict(
    candidate: Scorecard, champion: Scorecard | None = None, rules: GatePolicy | None = None, **changes: object
) -> Verdict:
    """Return the verdict about version 2 of anna against version 1, or as a first release without a champion."""
    decision = decide(candidate, champion, policy=rules or policy(), first_release=champion is None, **changes)
    champion_subject = subject(1, "9" * 64) if champion else None
    return Verdict(voice="anna", candidate=subject(2), champion=champion_subject, decision=decision)


def write_scores(folder: Path, card: Scorecard) -> Path:
    """Write a score folder as evaluate leaves it, scorecard.json and the audio. Return the scorecard's path."""
    for row in card.prompt_rows:
        if row.audio:
            path = folder / row.audio
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(row.audio)
    path = folder / "scorecard.json"
    path.write_text(card.model_dump_json(), encoding="utf-8")
    return path


def write_voice_folder(folder: Path, weights: str = "weights") -> Path:
    """Write a voice that cannot speak but can be hashed."""
    for name in ("gpt", "sovits"):
        (folder / name).mkdir(parents=True)
        (folder / name / "model.safetensors").write_text(f"{name} {weights}")
    (folder / "preset.json").write_text("{}")
    return folder


def synthetic_voice(name: str = "anna", **changes: object) -> Voice:
    settings = {
        "speaker": "a program",
        "kind": "synthetic",
        "purposes": ["testing"],
        "scope": {"languages": None, "territories": None, "commercial": False},
        "granted_on": date(2026, 1, 1),
        "valid_until": None,
        "evidence": None,
        "evidence_sha256": None,
        "revoked_on": None,
    }
    return Voice(name=name, language="en", consent=Consent.model_validate(settings | changes))


def recordings_of(root: Path, name: str = "anna", **changes: object) -> Path:
    """Return a recordings folder with a synthetic voice's consent."""
    folder = root / "data" / "1_recordings" / name
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "voice.yaml").unlink(missing_ok=True)
    write_voice(folder, synthetic_voice(name, **changes))
    return folder


def promote_first(store: Store, voice: str = "anna", rules: GatePolicy | None = None) -> None:
    """Take version 1 of the voice through the gate and make it the first champion, without letting it speak."""
    rules = rules or policy()
    gate_candidate(store, voice, policy=rules, version=1, first_release=True)
    moved = promote(
        store,
        voice,
        policy=rules,
        recordings_dir=recordings_of(store.root, voice),
        smoke_texts={"en": "hello"},
        version=1,
        first_release=True,
        actor="tester",
        today=TODAY,
        smoke=lambda folder, text: None,
    )
    assert moved.changed


def killed(work: Callable[[], object]) -> None:
    """Run `work` in another process and check that SIGKILL ends it."""
    child = os.fork()
    if child == 0:
        try:
            work()
        finally:
            os._exit(0)
    assert os.WTERMSIG(os.waitpid(child, 0)[1]) == signal.SIGKILL


def kill_self(*_: object, **__: object) -> None:
    os.kill(os.getpid(), signal.SIGKILL)
