"""What makes a candidate itself: the hashes of its files, its scores and its prompts. Knows no MLflow."""

from __future__ import annotations

from pathlib import Path, PurePosixPath

from metrics.scores import Scorecard, UtteranceScore
from registry.consent import file_sha256
from registry.storage.database import canonical, sha256_text


class CandidateError(RuntimeError):
    """A candidate is missing, incomplete or not what was registered. The message says which and what to do."""


def hash_files(folder: Path) -> dict[str, str]:
    """sha256 of every file below a folder, by its relative POSIX path. Raises CandidateError for none or for a link."""
    if not folder.is_dir():
        raise CandidateError(f"{folder} is no folder; the voice's files should be there")
    paths = sorted(folder.rglob("*"))
    if links := [path for path in paths if path.is_symlink()]:
        raise CandidateError(f"{links[0]} is a link; a voice holds its own files, for a link's target can change")
    files = {path.relative_to(folder).as_posix(): file_sha256(path) for path in paths if path.is_file()}
    if not files:
        raise CandidateError(f"{folder} is empty; the voice's files should be there")
    return files


def candidate_id(voice: str, files: dict[str, str], scores_sha256: str, prompts_sha256: str) -> str:
    """sha256 over everything that a candidate is; where it comes from (commit, parameters) does not change it."""
    identity = {"voice": voice, "files": files, "scores_sha256": scores_sha256, "prompts_sha256": prompts_sha256}
    return sha256_text(canonical(identity))


def weights_sha256(files: dict[str, str], folder: Path) -> str:
    """sha256 over the hashes of a voice's weight files. Raises CandidateError where there are none."""
    weights = {name: digest for name, digest in files.items() if name.endswith(".safetensors")}
    if not weights:
        raise CandidateError(f"{folder} has no *.safetensors; a voice needs its GPT and SoVITS weights")
    return sha256_text(canonical(weights))


def scored_rows(scorecard: Scorecard) -> list[UtteranceScore]:
    """Every row of a scorecard: the prompts, the speaker's recordings, and the voice saying the same as they do."""
    return [*scorecard.rows, *scorecard.held_out, *scorecard.resynthesis]


def check_audio(scorecard: Scorecard, folder: Path) -> None:
    """Every utterance and recording that was scored and kept is there, byte for byte."""
    faults = []
    for row in scored_rows(scorecard):
        if not row.audio:
            continue  # nothing was spoken: the gate counts it as all wrong or refuses to judge
        path = folder / row.audio
        if ".." in PurePosixPath(row.audio).parts or not path.resolve().is_relative_to(folder.resolve()):
            faults.append(f"{row.audio} lies outside {folder}")
        elif not path.is_file():
            faults.append(f"{row.audio} is missing")
        elif file_sha256(path) != row.audio_sha256:
            faults.append(f"{row.audio} is not the audio that was scored")
    if faults:
        more = f" and {len(faults) - 5} more" if len(faults) > 5 else ""
        raise CandidateError(f"{folder}: {'; '.join(faults[:5])}{more}; run the evaluate stage again")
