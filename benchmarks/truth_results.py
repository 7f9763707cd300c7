"""What align made of a long recording of which every word is known, for benchmarks/data_truth.py. Pure."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from itertools import pairwise

from benchmarks.timed_sentences import TimedToken
from benchmarks.true_recordings import TrueRecording
from benchmarks.true_texts import TruthFault, TruthText
from metrics.normalize import normalize_text
from stages.tables import AlignedClip, Clip, Disagreement

GOOD_SECONDS = 0.08  # a border of a word within this of the truth is right
NEAR_SECONDS = 0.3  # a row that is at most this far from a fault is about it
EDGE_SECONDS = 0.1  # padding of a clip, in which no word is


@dataclass(frozen=True)
class TruthResult:
    """What became of one recording with one transcript.

    Attributes:
        speaker: whose voice.
        minutes: length.
        snr: in dB, None without noise.
        text: a key of TEXTS.
        n_clips: clips in which somebody speaks.
        n_kept: of these kept.
        n_untouched: clips in which no fault was planted.
        n_exact: of these kept with exactly the text that is said.
        n_doubted: of the untouched ones kept, but with words reported.
        n_faults: planted faults.
        n_reported: of these reported, by a row of disagreements.jsonl at their place.
        n_wrong: kept clips with a wrong text and without a row. They count as right.
        n_words: words in kept clips with the right text.
        n_good_starts: of these with a start at most GOOD_SECONDS wrong.
        n_good_ends: of these with an end at most GOOD_SECONDS wrong.
    """

    speaker: str
    minutes: int
    snr: int | None
    text: str
    n_clips: int
    n_kept: int
    n_untouched: int
    n_exact: int
    n_doubted: int
    n_faults: int
    n_reported: int
    n_wrong: int
    n_words: int
    n_good_starts: int
    n_good_ends: int


def truth_result(
    case: tuple[str, int, int | None, str],
    recording: TrueRecording,
    text: TruthText,
    clips: Sequence[Clip],
    rows: Sequence[AlignedClip],
    disagreements: Sequence[Disagreement],
) -> TruthResult:
    """Compare the tables of align with the truth.

    Args:
        case: speaker, minutes, noise and text, as in TruthResult.
        recording: what is said.
        text: the transcript and its faults.
        clips: the table of segment.
        rows: the clips of align, in the same order.
        disagreements: of align.
    """
    tokens = [token for sentence in recording.sentences for token in sentence]
    said = _said(tokens, clips, rows)
    spoken = [index for index, own in enumerate(said) if own]
    right = {index: _normalized(said[index]) == normalize_text(rows[index].text) for index in spoken}
    untouched = [index for index in spoken if not any(_touches(fault, clips[index]) for fault in text.faults)]
    exact = [index for index in untouched if rows[index].kept and right[index]]
    doubted = {one.clip_id for one in disagreements}
    errors = [error for i in spoken if rows[i].kept and right[i] for error in _time_errors(said[i], clips[i], rows[i])]
    return TruthResult(
        *case,
        n_clips=len(spoken),
        n_kept=sum(rows[index].kept for index in spoken),
        n_untouched=len(untouched),
        n_exact=len(exact),
        n_doubted=sum(rows[index].clip_id in doubted for index in exact),
        n_faults=len(text.faults),
        n_reported=sum(any(_is_about(row, fault) for row in disagreements) for fault in text.faults),
        n_wrong=sum(rows[i].kept and not right[i] and rows[i].clip_id not in doubted for i in spoken),
        n_words=len(errors),
        n_good_starts=sum(abs(start) <= GOOD_SECONDS for start, _ in errors),
        n_good_ends=sum(abs(end) <= GOOD_SECONDS for _, end in errors),
    )


def _said(tokens: Sequence[TimedToken], clips: Sequence[Clip], rows: Sequence[AlignedClip]) -> list[list[TimedToken]]:
    """Return the tokens that are said in each clip: those whose middle is there.

    A token that a cut divides is in the other of the two clips if then both have the right text, for its true times
    hold a pause beside it too.
    """
    said = [[token for token in tokens if clip.start <= token.middle < clip.end] for clip in clips]
    for left, (clip, after) in enumerate(pairwise(clips)):
        for share in ([*said[left], *said[left + 1][:1]], said[left][:-1]):
            rest = [*said[left], *said[left + 1]][len(share) :]
            moved = (share if len(share) > len(said[left]) else said[left])[-1:]
            is_divided = any(token.start < clip.end and token.end > after.start for token in moved)
            if is_divided and [_normalized(share), _normalized(rest)] == [
                normalize_text(row.text) for row in rows[left : left + 2]
            ]:
                said[left : left + 2] = share, rest
                break
    return said


def _normalized(tokens: Sequence[TimedToken]) -> str:
    return normalize_text(" ".join(token.written for token in tokens))


def _touches(fault: TruthFault, clip: Clip) -> bool:
    """Return whether a fault changes the text of a clip. Sentences that nobody says do not."""
    if fault.is_unspoken:
        return False
    return fault.start < clip.end - EDGE_SECONDS and fault.end > clip.start + EDGE_SECONDS


def _is_about(row: Disagreement, fault: TruthFault) -> bool:
    """Return whether a row reports a fault: at its place, or with its words where nobody says them."""
    if fault.is_unspoken:
        words = set(normalize_text(fault.written).split())
        return 2 * len(words & set(row.written.split())) >= len(words)
    return row.start <= fault.end + NEAR_SECONDS and row.end >= fault.start - NEAR_SECONDS


def _time_errors(tokens: Sequence[TimedToken], clip: Clip, row: AlignedClip) -> list[tuple[float, float]]:
    """Return found less true time in seconds of the start and the end of each word of a clip."""
    true = [word for token in tokens for word in token.words]
    if [word.lower() for word, *_ in true] != [word.lower() for word, *_ in row.words]:
        return []
    return [
        (clip.start + found[1] - time[1], clip.start + found[2] - time[2])
        for time, found in zip(true, row.words, strict=True)
    ]


COLUMNS: dict[str, Callable[[Sequence[TruthResult]], str]] = {
    "clips": lambda group: str(sum(one.n_clips for one in group)),
    "kept": lambda group: _share(group, "n_kept", "n_clips"),
    "untouched clips kept with the exact text": lambda group: _share(group, "n_exact", "n_untouched"),
    "of these with a doubted word": lambda group: _share(group, "n_doubted", "n_exact"),
    "planted faults reported": lambda group: _share(group, "n_reported", "n_faults"),
    "clips kept with a wrong text, unreported": lambda group: str(sum(one.n_wrong for one in group)),
    "word starts within 80 ms": lambda group: _share(group, "n_good_starts", "n_words"),
    "word ends within 80 ms": lambda group: _share(group, "n_good_ends", "n_words"),
}


def table(results: Sequence[TruthResult], title: str, name_of: Callable[[TruthResult], str]) -> str:
    """Return a Markdown table with one line per value of `name_of`, in the order of the results."""
    lines = [f"| {' | '.join([title, *COLUMNS])} |", "|---" * (1 + len(COLUMNS)) + "|"]
    for name in dict.fromkeys(map(name_of, results)):
        group = [one for one in results if name_of(one) == name]
        lines.append(f"| {' | '.join([name, *(column(group) for column in COLUMNS.values())])} |")
    return "\n".join(lines) + "\n"


def _share(group: Iterable[TruthResult], part: str, whole: str) -> str:
    counts = [(getattr(one, part), getattr(one, whole)) for one in group]
    k, n = (sum(column) for column in zip(*counts, strict=True))
    return f"{k}/{n} = {k / n:.1%}" if n else "-"
