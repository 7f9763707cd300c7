"""Whether two versions of a voice were made from recordings of one speaker.

A version's similarity is measured against the recordings that it was made from. Where those were replaced by another
person's, both versions resemble their own recordings, and the gate would not see the difference in any other figure.
"""

from __future__ import annotations

import math

from metrics.scores import Scorecard

# By speaker judge: the cosine of two centroids of training clips below which they count as two speakers.
#
# ecapa_small, measured with `python -m benchmarks.same_speaker --shared DIR` on seven readers of 10 to 24 clips:
#   two speakers (161 pairs)                       median 0.176, 95 % 0.539, greatest 0.662
#   one speaker, two halves of the clips           least 0.891, median 0.963
#   the same, one half in a room or in noise       least 0.793 and 0.694
#   the same, one half as telephone speech         median 0.52 to 0.61: it is refused, and such scores do not compare
# 0.69 also separates one clip from a centroid best (metrics/judges/ecapa_small/MODEL_CARD.md).
#
# ecapa_voxceleb was not measured, because its weights cannot be fetched where this was written. 0.5 is twice the 0.25
# at which SpeechBrain separates two single utterances, and centroids are more certain than those. Measure it with
# `--judge ecapa_voxceleb` where the weights are.
MIN_COSINE = {"ecapa_small": 0.69, "ecapa_voxceleb": 0.5}


def speaker_faults(candidate: Scorecard, champion: Scorecard) -> list[str]:
    """Return why the speakers of two scorecards are not known to be one, in words. Empty where they are.

    Args:
        candidate: Scores of the candidate.
        champion: Scores of the champion under the same judges.
    """
    faults = []
    for who, card, command in (("candidate", candidate, "run"), ("champion", champion, "rescore")):
        if card.voice_embedding is None:
            faults.append(
                f"the scores of the {who} do not say whose recordings they are measured against, because an earlier "
                f"version of Voxfoundry wrote them; score it again with `vox {command} {card.voice}`"
            )
    judge = candidate.judges.speaker
    if judge not in MIN_COSINE:
        faults.append(
            f"nobody has measured at which cosine the speaker judge {judge} tells two speakers apart; measure it with "
            f"`python -m benchmarks.same_speaker --judge {judge}` and write it into registry/gate/speakers.py"
        )
    if faults:
        return faults
    cosine = _cosine(candidate.voice_embedding or (), champion.voice_embedding or ())
    if not cosine >= MIN_COSINE[judge]:
        return [
            f"the two were measured against the recordings of different speakers: by {judge} their cosine is "
            f"{cosine:.3f}, and that of one speaker is at least {MIN_COSINE[judge]:g}; restore the recordings of "
            f"{candidate.voice}, or make a voice with another name from the new ones"
        ]
    return []


def _cosine(one: tuple[float, ...], other: tuple[float, ...]) -> float:
    """Return the cosine of two embeddings, NaN where they are not of one judge or have no direction."""
    lengths = math.hypot(*one) * math.hypot(*other)
    if len(one) != len(other) or not lengths:
        return math.nan
    return math.fsum(a * b for a, b in zip(one, other, strict=True)) / lengths
