"""Hand-made scorecards, voices of a few bytes and a policy: what the registry's tests are made of."""

from __future__ import annotations

import hashlib
import os
import signal
from collections.abc import Callable
from datetime import date
from pathlib import Path

from metrics.scores import Judges, Pair, Scorecard, Similarities, UtteranceScore
from registry.consent import Consent, Voice, write_voice
from registry.gate.policy import GatePolicy
from registry.releases.promotion import promote
from registry.storage.store import Store
from registry.verdicts.gating import gate_candidate

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
    """Bars at WER 0.3, similarity 0.5, failed share 0.05; margins 0.02 and 0.03; at least 10 prompts."""
    settings = {
        "bars": [
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
    """One row of ten words that was spoken well; the audio is the prompt's own number."""
    audio = f"audio/p{prompt:03d}_{seed}.flac"
    settings = {
        "prompt_id": f"p{prompt:03d}",
        "category": "everyday",
        "language": "en",
        "seed": seed,
        "reference": "one two three four five six seven eight nine ten",
        "hypothesis": "one two three four five six seven eight nine ten",
        "word_errors": word_errors,
        "n_words": 10,
        "char_errors": word_errors * 4,
        "n_chars": 48,
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
    """Rows of the voice's own recordings, ten words each."""
    return [
        utterance(0, 0, word_errors, similarity, prompt_id=f"clip_{number}", category="held_out", audio="")
        for number in range(n)
    ]


def scorecard(voice: str = "anna", n_prompts: int = 20, seeds: tuple[int, ...] = (0, 1), wer: float = 0.1, **changes):
    """A scorecard whose utterances all have `wer` errors per word (a multiple of 0.1) and similarity 0.8."""
    similarity = changes.pop("similarity", 0.8)
    rows = [utterance(p, seed, round(wer * 10), similarity) for p in range(n_prompts) for seed in seeds]
    settings = {
        "voice": voice,
        "pair": PAIR,
        "judges": JUDGES,
        "prompts_sha256": "e" * 64,
        "seeds": seeds,
        "rows": rows,
        "held_out": (),
        "similarity_floor": FLOOR,
    }
    return Scorecard.model_validate(settings | changes)


def write_scores(folder: Path, card: Scorecard) -> Path:
    """A score folder as evaluate leaves it: scorecard.json and the audio. Returns the scorecard's path."""
    for row in card.rows:
        if row.audio:
            path = folder / row.audio
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(row.audio)
    path = folder / "scorecard.json"
    path.write_text(card.model_dump_json(), encoding="utf-8")
    return path


def write_voice_folder(folder: Path, weights: str = "weights") -> Path:
    """A voice that cannot speak but can be hashed."""
    for name in ("gpt", "sovits"):
        (folder / name).mkdir(parents=True)
        (folder / name / "model.safetensors").write_text(f"{name} {weights}")
    (folder / "preset.json").write_text("{}")
    return folder


def synthetic_voice(name: str = "anna", **changes: object) -> Voice:
    settings = {
        "speaker": "a program",
        "kind": "synthetic",
        "purpose": "tests",
        "granted_on": date(2026, 1, 1),
        "valid_until": None,
        "evidence": None,
        "evidence_sha256": None,
        "revoked_on": None,
    }
    return Voice(name=name, language="en", consent=Consent.model_validate(settings | changes))


def recordings_of(root: Path, name: str = "anna", **changes: object) -> Path:
    """A recordings folder with a synthetic voice's consent."""
    folder = root / "data" / "1_recordings" / name
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "voice.yaml").unlink(missing_ok=True)
    write_voice(folder, synthetic_voice(name, **changes))
    return folder


def promote_first(store: Store, voice: str = "anna") -> None:
    """Judge version 1 of the voice and make it the first champion; it is not asked to speak."""
    gate_candidate(store, voice, policy(), version=1, first_release=True)
    moved = promote(
        store,
        voice,
        policy=policy(),
        recordings_dir=recordings_of(store.root),
        smoke_text="hello",
        version=1,
        first_release=True,
        actor="tester",
        today=TODAY,
        smoke=lambda folder, text: None,
    )
    assert moved.changed


def killed(work: Callable[[], object]) -> None:
    """Run `work` in a process of its own and see that SIGKILL ends it."""
    child = os.fork()
    if child == 0:
        try:
            work()
        finally:
            os._exit(0)
    assert os.WTERMSIG(os.waitpid(child, 0)[1]) == signal.SIGKILL


def kill_self(*_: object, **__: object) -> None:
    os.kill(os.getpid(), signal.SIGKILL)
