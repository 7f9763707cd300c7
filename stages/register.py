"""Stage register: register the best pair and its scores as one version of the voice's model in MLflow."""

from __future__ import annotations

import argparse
import json
from pathlib import Path

from registry.candidates.registration import register_candidate
from registry.candidates.smoke import speak_once
from registry.files import file_sha256
from registry.storage.store import open_store
from stages.execution.outputs import stage_output
from stages.execution.program import run_stage
from stages.lineage import lineage
from stages.params import load_params
from stages.tables import write_json


def register(voice: str, manifest_dir: Path, scores_dir: Path, out_dir: Path) -> None:
    """Register the candidate once, if it can speak, and write candidate.json.

    The file does not name the version and the run in the registry. They differ from one registry to another, and the
    candidate is found in any of them by its id.

    Args:
        voice: name of the voice.
        manifest_dir: output of the stage ingest.
        scores_dir: output of the stage evaluate.
        out_dir: gets candidate.json.
    """
    params = load_params()
    # 1. A voice that cannot speak a sentence is not registered.
    speak_once(scores_dir / "voice", params.register_.smoke_text)
    # 2. Register it, or find it if the same candidate is registered already.
    origin, scorecard = lineage(voice, manifest_dir, params), scores_dir / "scorecard.json"
    candidate = register_candidate(
        open_store(),
        voice,
        voice_folder=scores_dir / "voice",
        scorecard_path=scorecard,
        lineage={**origin.tags, **_real_time_factor(voice, scorecard)},
        lineage_files=origin.files,
    )
    print(f"register: {voice} version {candidate.version}, candidate {candidate.candidate_id[:12]}", flush=True)
    # 3. Write what it is.
    hashes = ("candidate_id", "weights_sha256", "scores_sha256", "prompts_sha256")
    record = {"voice": voice, **origin.tags, **{name: getattr(candidate, name) for name in hashes}}
    write_json(out_dir / "candidate.json", record)


def _real_time_factor(voice: str, scorecard: Path) -> dict[str, str]:
    """Return how fast evaluate spoke what the scorecard scores, as a tag. {} where this machine did not evaluate it.

    It differs from run to run, so it is not an output of a stage.
    """
    path = Path(".cache/timings") / f"{voice}.json"
    if not path.is_file():
        return {}
    timings = json.loads(path.read_text(encoding="utf-8"))
    # The scores may come from DVC's cache or from another machine. The timings are those of the last evaluation here.
    is_same = timings.get("scorecard_sha256") == file_sha256(scorecard)
    return {"synthesis_rtf": f"{timings['rtf']:.4f}"} if is_same else {}


def main() -> None:
    """Run the stage with the arguments of the command line."""
    parser = argparse.ArgumentParser(prog="python -m stages.register", description="register a candidate")
    parser.add_argument("--manifest", type=Path, required=True, help="data/1_manifests/VOICE")
    parser.add_argument("--scores", type=Path, required=True, help="data/6_scores/VOICE")
    parser.add_argument("--out", type=Path, required=True, help="data/7_candidates/VOICE")
    arguments = parser.parse_args()
    voice = arguments.out.name
    with stage_output(arguments.out, "register", voice) as folder:
        register(voice, arguments.manifest, arguments.scores, folder)


if __name__ == "__main__":
    run_stage(main)
