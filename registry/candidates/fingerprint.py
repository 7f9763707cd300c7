"""The hashes that identify a candidate: over the voice's files, the scores and the prompts. MLflow is not needed."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path, PurePosixPath

from gpt_sovits.preset_names import DEFAULT_PRESET
from gpt_sovits.synthesis.preset_files import list_presets, preset_sha256
from metrics.scores import Scorecard, UtteranceScore
from registry.errors import RegistryError
from registry.files import file_sha256
from registry.storage.database import canonical, sha256_text

META_FILE = "registered_model_meta"


class CandidateError(RegistryError, RuntimeError):
    """A candidate is missing, incomplete or not what was registered. The message says which and what to do."""


def hash_files(folder: Path) -> dict[str, str]:
    """Return the sha256 of every file below a folder, by its relative POSIX path.

    Raises:
        CandidateError: The folder holds no file, or it holds a link.
    """
    if not folder.is_dir():
        raise CandidateError(f"{folder} is not a folder; the voice's files should be there")
    paths = sorted(folder.rglob("*"))
    if links := [path for path in paths if path.is_symlink()]:
        raise CandidateError(f"{links[0]} is a link, whose target can change; put the file itself there")
    files = {path.relative_to(folder).as_posix(): file_sha256(path) for path in paths if path.is_file()}
    if not files:
        raise CandidateError(f"{folder} is empty; the voice's files should be there")
    return files


def hash_model(files: Mapping[str, str]) -> str:
    """Return the sha256 over every file of an MLflow model, by relative path.

    The file that MLflow writes beside a model when somebody loads it in place is left out. It is only read by MLflow's
    own pages.
    """
    return sha256_text(canonical({name: digest for name, digest in files.items() if name != META_FILE}))


def files_below(files: Mapping[str, str], folder: str) -> dict[str, str]:
    """Return the hashes of the files below a POSIX path, by their path relative to it."""
    prefix = f"{folder}/"
    return {name.removeprefix(prefix): digest for name, digest in files.items() if name.startswith(prefix)}


def hash_candidate(voice: str, files: dict[str, str], *, scores_sha256: str, prompts_sha256: str) -> str:
    """Return the candidate id: the sha256 over everything that a candidate is.

    Where the candidate comes from (commit, parameters) does not change the id.

    Args:
        voice: The voice's name.
        files: The sha256 of each of the voice's files by relative path, see hash_files.
        scores_sha256: The sha256 of the scorecard's bytes.
        prompts_sha256: The sha256 of the prompts that were scored.
    """
    identity = {"voice": voice, "files": files, "scores_sha256": scores_sha256, "prompts_sha256": prompts_sha256}
    return sha256_text(canonical(identity))


def hash_weights(files: dict[str, str], folder: Path) -> str:
    """Return the sha256 over the hashes of a voice's weight files.

    Raises:
        CandidateError: The folder has no weight files.
    """
    weights = {name: digest for name, digest in files.items() if name.endswith(".safetensors")}
    if not weights:
        raise CandidateError(f"{folder} has no *.safetensors; a voice needs its GPT and SoVITS weights")
    return sha256_text(canonical(weights))


def all_rows(scorecard: Scorecard) -> list[UtteranceScore]:
    """Return every row of a scorecard: the prompts in each language and preset, the recordings, their resynthesis."""
    return [*scorecard.prompt_rows, *scorecard.held_out, *scorecard.resynthesis]


def check_audio(scorecard: Scorecard, folder: Path) -> None:
    """Check that every utterance and recording that was scored and kept is there, byte for byte.

    Raises:
        CandidateError: A file is missing, changed or outside the folder.
    """
    faults = []
    for row in all_rows(scorecard):
        if not row.audio:
            continue  # nothing was spoken, which the gate counts as all words wrong or refuses to decide on
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


def check_presets(scorecard: Scorecard, voice_folder: Path) -> None:
    """Check that the presets of a voice besides its default one are those that were scored, byte for byte.

    Raises:
        CandidateError: A preset was not scored, was scored with other settings, or is not in the voice.
    """
    scored = {part.name: part.settings_sha256 for part in scorecard.presets}
    try:
        in_voice = {name: preset_sha256(voice_folder, name) for name in list_presets(voice_folder)}
    except ValueError as error:
        raise CandidateError(f"{voice_folder}: {error}; run the evaluate stage again") from error
    if DEFAULT_PRESET in scored.keys() | in_voice.keys():
        raise CandidateError(
            f"{voice_folder}: {DEFAULT_PRESET} is the default preset and cannot be a further one; run the evaluate "
            "stage again"
        )
    if wrong := sorted(name for name in scored.keys() | in_voice.keys() if scored.get(name) != in_voice.get(name)):
        raise CandidateError(
            f"{voice_folder}: the preset {wrong[0]} is not the one that was scored; run the evaluate stage again"
        )
