"""Cut a recording around the clips that a person decided on. Pure: positions in samples at one rate.

These clips stay as they were heard, whatever the settings of segment are now. The speech between them is cut as usual.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from itertools import pairwise

import numpy as np

from stages.corrections.decisions import ClipDecision
from stages.cutting import Limits, Span, cut


def fixed_spans(decisions: Iterable[ClipDecision], rate: int, n_samples: int) -> list[Span]:
    """Return the clips of one recording that were decided on, in samples, in order. They do not overlap.

    Args:
        decisions: the decisions on the recording.
        rate: samples per second.
        n_samples: length of the recording.
    """
    spans = sorted(Span(round(one.start * rate), min(round(one.end * rate), n_samples)) for one in decisions)
    # neighbours share a cut, which two roundings may put one sample apart
    starts = [0, *(span.end for span in spans)]
    return [Span(max(span.start, start), span.end) for span, start in zip(spans, starts, strict=False)]


def cut_around(
    fixed: Sequence[Span], speech: Sequence[Span], levels: np.ndarray, frame_length: int, limits: Limits
) -> tuple[list[Span], list[Span]]:
    """Cut speech into clips, with the clips of `fixed` among them.

    Args:
        fixed: clips in order that do not overlap.
        speech: regions in order that do not overlap.
        levels: (n_frames,) level of each frame, in any unit that rises with loudness.
        frame_length: samples per frame.
        limits: what the other clips may be like.

    Returns:
        What `cut` returns. The clips hold every span of `fixed` as it is, and do not overlap.

    Raises:
        ValueError: the limits leave no room for speech.
    """
    clips, lost = list(fixed), []
    edges = [limits.first_sample, *(edge for span in fixed for edge in span), limits.n_samples]
    for first, end in [pair for index, pair in enumerate(pairwise(edges)) if index % 2 == 0]:
        inside = [Span(max(region.start, first), min(region.end, end)) for region in speech]
        inside = [region for region in inside if region.start < region.end]
        if not inside:
            continue
        found, too_short = cut(inside, levels, frame_length, limits._replace(first_sample=first, n_samples=end))
        clips += found
        lost += too_short
    return sorted(clips), lost
