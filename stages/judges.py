"""Whether the judges that a run needs are there, checked before its first stage."""

from __future__ import annotations

from metrics.judges.asr import check_transcriber
from stages.params import Params
from stages.profiles import PROFILES, judge_weights


def check_judges(params: Params) -> None:
    """Check the packages of the profile's ASR judge and the judges of second opinions.

    No ASR model is loaded. A second speaker judge is loaded, because its weights may have to be fetched.

    Args:
        params: all of params.yaml.

    Raises:
        ValueError: `evaluate.second_asr` or `evaluate.second_speaker` names no judge, or the first judge again.
        JudgeUnavailableError: a package is missing, or holds other weights than the pinned ones.
    """
    profile, settings = PROFILES[params.profile], params.evaluate
    check_transcriber(profile.asr, judge_weights(profile.asr))
    for key, first, second in (
        ("second_asr", profile.asr, settings.second_asr),
        ("second_speaker", profile.speaker, settings.second_speaker),
    ):
        if second == first:
            raise ValueError(
                f"evaluate.{key} is {second}, which profile {params.profile} has as its first judge; "
                f"name another judge, or null for none"
            )
        if second is not None:
            _check_second_judge(key, second)


def _check_second_judge(key: str, name: str) -> None:
    from metrics.judges.speaker import load_speaker_judge

    try:
        if key == "second_asr":
            check_transcriber(name, judge_weights(name))
        else:
            load_speaker_judge(name, judge_weights(name))
    except ValueError as error:
        raise ValueError(f"evaluate.{key}: {error}; or set it to null") from error
