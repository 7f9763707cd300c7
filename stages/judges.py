"""Whether the judges that a run needs are there, checked before its first stage."""

from __future__ import annotations

from metrics.judges.asr import check_transcriber
from stages.params import Params
from stages.profiles import PROFILES, judge_weights


def check_judges(params: Params) -> None:
    """Check that the packages of the profile's ASR judge are installed. No model is loaded.

    Args:
        params: all of params.yaml.

    Raises:
        JudgeUnavailableError: a package is missing, or holds other weights than the pinned ones.
    """
    asr = PROFILES[params.profile].asr
    check_transcriber(asr, judge_weights(asr))
