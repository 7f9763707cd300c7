"""What a profile selects: the base models and the judges. The sizes come with the base models."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from gpt_sovits.weights.places import BASES_FOLDER

# folders in which `vox pull` puts the weights of judges, where they are not named after the judge
PULL_NAMES = {"ecapa_voxceleb": "spkrec-ecapa-voxceleb"}


@dataclass(frozen=True)
class Profile:
    """The names of a base model and of the judges."""

    base: str  # see gpt_sovits/weights/base.py
    asr: str  # see metrics/judges/asr.py
    speaker: str  # see metrics/judges/speaker.py


PROFILES = {
    # everything offline on a two-core CPU: for trying, tests and CI
    "starter": Profile(base="starter", asr="faster-whisper-tiny.en", speaker="ecapa_small"),
    # official weights, which `vox pull NAME` brings, and the judges of production
    "v2": Profile(base="v2", asr="faster-whisper-large-v3", speaker="ecapa_voxceleb"),
    "v2Pro": Profile(base="v2Pro", asr="faster-whisper-large-v3", speaker="ecapa_voxceleb"),
    "v2ProPlus": Profile(base="v2ProPlus", asr="faster-whisper-large-v3", speaker="ecapa_voxceleb"),
}


def judge_weights(name: str) -> Path | None:
    """Return the folder of a judge's weights for load_transcriber and load_speaker_judge.

    Returns:
        The folder that `vox pull` filled, or None where it did not. Then the judge's library uses its own cache.
    """
    return BASES_FOLDER if (BASES_FOLDER / PULL_NAMES.get(name, name)).is_dir() else None
