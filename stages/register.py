"""register: the best pair and its scores as one version of the voice's model in MLflow."""

from __future__ import annotations

import argparse
import json
from pathlib import Path

from registry.candidates.candidate import register_candidate
from registry.candidates.smoke import speak_once
from registry.storage.store import open_store
from stages.lineage import lineage
from stages.params import load_params
from stages.running.outputs import run_stage, stage_output
from stages.tables import write_json


def register(voice: str, manifest_dir: Path, scores_dir: Path, out_dir: Path) -> None:
    """Register the candidate once, if it speaks at all, and write what it is to candidate.json.

    The file says nothing of the registry (version, run): those differ from one registry to another, and the candidate
    is found in any of them by its id.
    """
    params = load_params()
    speak_once(scores_dir / "voice", params.register_.smoke_text)
    origin = lineage(voice, manifest_dir, params)
    tags = {**origin, **_real_time_factor(voice)}
    candidate = register_candidate(
        open_store(),
        voice,
        voice_folder=scores_dir / "voice",
        scorecard_path=scores_dir / "scorecard.json",
        lineage=tags,
    )
    print(f"register: {voice} version {candidate.version}, candidate {candidate.candidate_id[:12]}", flush=True)
    hashes = ("candidate_id", "weights_sha256", "scores_sha256", "prompts_sha256")
    record = {"voice": voice, **origin, **{name: getattr(candidate, name) for name in hashes}}
    write_json(out_dir / "candidate.json", record)


def _real_time_factor(voice: str) -> dict[str, str]:
    """How fast evaluate spoke, for the record: it differs from run to run, so it is in no output of a stage."""
    path = Path(".cache/timings") / f"{voice}.json"
    return {"synthesis_rtf": f"{json.loads(path.read_text(encoding='utf-8'))['rtf']:.4f}"} if path.is_file() else {}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    for name in ("manifest", "scores", "out"):
        parser.add_argument(f"--{name}", type=Path, required=True)
    arguments = parser.parse_args()
    voice = arguments.out.name
    with stage_output(arguments.out, "register", voice) as folder:
        register(voice, arguments.manifest, arguments.scores, folder)


if __name__ == "__main__":
    run_stage(main)
