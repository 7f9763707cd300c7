"""The judges that hear the assets of campaigns: those of the project's profile."""

from __future__ import annotations

from campaigns.quality.judging import JudgeOptions
from flows.paths import RECORDINGS
from stages.params import load_params
from stages.profiles import PROFILES, judge_weights


def project_judges() -> JudgeOptions:
    """Return the judges of the project's profile, and the recordings that similarity is judged with."""
    profile = PROFILES[load_params().profile]
    folders = sorted(RECORDINGS.iterdir()) if RECORDINGS.is_dir() else []
    return JudgeOptions(
        asr=profile.asr,
        speaker=profile.speaker,
        asr_weights=judge_weights(profile.asr),
        speaker_weights=judge_weights(profile.speaker),
        recordings={folder.name: folder.absolute() for folder in folders if folder.is_dir()},
    )
