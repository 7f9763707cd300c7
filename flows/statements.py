"""Check a spoken statement of consent against the words that were asked for and against the voice's recordings."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from registry.consent.record import ConsentError, Voice
from registry.consent.statement import why_not_said
from stages.params import Params


def check_statement(audio: Path, voice: Voice, *, recordings: Sequence[Path], params: Params) -> str:
    """Return in one line that the speaker of the recordings says the agreement.

    Args:
        audio: The statement.
        voice: The voice's record, with the speaker's name and the language.
        recordings: The voice's recordings.
        params: All of params.yaml: the profile with its judges, and align.min_speaker_similarity.

    Raises:
        ConsentError: It says something else, or somebody else says it.
    """
    from stages.speakers.statement import hear_statement  # torch, which takes a second
    from stages.speakers.voices import speaker_limit

    heard = hear_statement(audio, recordings, language=voice.language, profile_name=params.profile)
    reasons = []
    if reason := why_not_said(heard.words, voice.language, voice.consent.speaker):
        reasons.append(reason)
    limit = float(speaker_limit(heard.seconds, params.align.min_speaker_similarity))
    if heard.similarity < limit:
        reasons.append(
            f"its speaker has a cosine of {heard.similarity:.2f} to the recordings, and the same speaker has at least "
            f"{limit:.2f}"
        )
    if reasons:
        raise ConsentError(f"the spoken statement {audio} is not this speaker's consent: {'; '.join(reasons)}")
    return f"The statement says the agreement, with a cosine of {heard.similarity:.2f} to the recordings."
