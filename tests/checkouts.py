"""A small project whose registry holds two versions of a voice, scored on the project's own locked prompts."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

from imports import ROOT
from prompt_helpers import relock
from release_helpers import JUDGES, LINEAGE, recordings_of, scorecard, utterance, write_scores, write_voice_folder

from flows.settings import apply_settings
from metrics.normalize import normalizer_of
from metrics.prompts import load_prompts
from metrics.scores import Scorecard
from registry.candidates.candidate import Candidate
from registry.candidates.registration import register_candidate
from registry.storage.store import open_store

VOICE = "anna"
PROMPTS = "prompts/en.yaml"
WORDS = ["kettle", "rain", "door", "window", "garden", "river", "bread", "winter", "lamp", "table", "chair", "moon"]
SETTINGS = (
    "evaluate.prompts=prompts",
    "evaluate.lanes={}",
    "gate.thresholds=[{metric: similarity, at_least: 0.5, unit: cosine, reason: a test}]",
    "gate.non_inferiority=[{metric: similarity, margin: 0.1, unit: cosine, reason: a test}]",
    "gate.slices=[]",
    "gate.lanes={}",
    "gate.min_prompts=10",
)


def make_checkout(root: Path) -> Path:
    """Make the project in `root`, which must be the working folder, and register versions 1 and 2 of the voice."""
    for name in ("params.yaml", "dvc.yaml"):
        shutil.copy(ROOT / name, root)
    apply_settings(SETTINGS)
    lock_prompts(root, version=1)
    recordings_of(root, VOICE)
    for number in (1, 2):
        assert register(root, f"weights {number}").version == number
    return root


def lock_prompts(root: Path, *, version: int, last: str = WORDS[-1]) -> None:
    """Write and lock prompts of two words each. `last` is the second word of the last one."""
    lines = [
        f"  - {{id: p{number:03d}, category: everyday, text: The {word}., normalized: the {word}}}\n"
        for number, word in enumerate([*WORDS[:-1], last])
    ]
    path = root / PROMPTS
    path.parent.mkdir(exist_ok=True)
    relock(path, f"format: 1\nlanguage: en\nversion: {version}\nseeds: [0, 1]\nprompts:\n{''.join(lines)}")


def scores(root: Path, **changes: object) -> Scorecard:
    """Return scores of a voice that says every locked prompt."""
    prompts = load_prompts(root / PROMPTS)
    rows = [
        utterance(
            number,
            seed,
            reference=prompt.normalized,
            hypothesis=prompt.normalized,
            n_words=2,
            n_chars=len(prompt.normalized),
        )
        for number, prompt in enumerate(prompts.prompts)
        for seed in prompts.seeds
    ]
    known = normalizer_of(prompts.language)
    judges = JUDGES.model_copy(update={"normalizer": known.name, "normalizer_version": known.version})
    settings = {"prompts_sha256": prompts.sha256, "seeds": prompts.seeds, "rows": rows, "judges": judges}
    return scorecard(VOICE, **(settings | changes))


def register(root: Path, weights: str, card: Scorecard | None = None) -> Candidate:
    """Register a version, or the same one again where it is lost or damaged."""
    folder = root / "build" / weights.replace(" ", "_")
    if not (folder / "voice").is_dir():
        write_voice_folder(folder / "voice", weights)
    path = write_scores(folder, card or scores(root))
    return register_candidate(
        open_store(root), VOICE, voice_folder=folder / "voice", scorecard_path=path, lineage=LINEAGE
    )


def name_candidate(root: Path, candidate: Candidate) -> None:
    """Write what the register stage leaves in a checkout that made this candidate."""
    path = root / f"data/7_candidates/{VOICE}/candidate.json"
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps({"candidate_id": candidate.candidate_id}), encoding="utf-8")
