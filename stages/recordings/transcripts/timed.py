"""Readers of texts with times: SubRip, WebVTT, TextGrid, label tracks, and what Whisper prints.

Only their text is used. The stage align finds the times itself, to 10 ms. The parsers are imported where they are used,
because few folders need them.
"""

from __future__ import annotations

import itertools
import re
from collections.abc import Iterable, Sequence

from stages.recordings.transcripts.rows import LayoutError
from stages.recordings.transcripts.spoken import TAG
from stages.recordings.transcripts.stamps import read_stamped

ARROW = re.compile(r"^[ \t]*(?:\d+:)?\d\d?:\d\d[.,]\d{1,3}\s*-->\s", re.M)  # SubRip and WebVTT
LABEL_LINE = re.compile(r"^\s*-?\d+(?:[.,]\d+)?\t\s*-?\d+(?:[.,]\d+)?(?:\t(.*))?$")  # Audacity: start, end, label
SPECTRAL_LINE = re.compile(r"^\s*\\\t\s*-?\d+(?:[.,]\d+)?\t\s*-?\d+(?:[.,]\d+)?\s*$")  # its frequencies, below it
SPACED_LABEL_LINE = re.compile(r"^\s*(\d+(?:\.\d+)?)\s+(\d+(?:\.\d+)?)\s+(\S.*)$")  # the same of HTK and TIMIT
MIN_UNITS = 3000  # that the last label ends at: TIMIT counts samples, HTK 100 ns. Years are smaller
TSV_HEADER = re.compile(r"^start(?:[ _]?time)?\tend(?:[ _]?time)?\ttext\s*$", re.I)  # of Whisper
VTT_REMARK = re.compile(r"\s*(?:NOTE(?:[ \t\n]|$)|(?:STYLE|REGION)[ \t]*(?:\n|$))")  # a block that is not a subtitle
WORD_TIERS = ("words", "word", "text", "transcript", "transcription", "utterance", "utterances", "sentence", "ort")
INTERVALS = "IntervalTier"  # the other class of tiers has points
SILENCES = frozenset({"", "sil", "sp", "spn", "<eps>", "<p:>", "<sil>", "#", "pau", "h#"})  # of aligners
SILENCE = "silence"  # marks a pause too, where a file has no other mark; beside one it is a word


def read_timed_text(text: str) -> str | None:
    """Return the text of subtitles, one cue or label per line, or None where the text has no times.

    Raises:
        LayoutError: it has times, but is damaged, or they may be spoken.
    """
    text = text.replace("\r\n", "\n").replace("\r", "\n")
    lines = [line for line in text.split("\n") if line.strip()]
    if not lines:
        return None
    if ARROW.search(text):
        return _read_vtt(text) if lines[0].startswith("WEBVTT") else _read_srt(text)
    if TSV_HEADER.match(lines[0]):
        lines = lines[1:]
    labels = _labels(lines)
    return read_stamped(lines) if labels is None else _spoken(labels)


def _labels(lines: Sequence[str]) -> list[str] | None:
    """Return the labels of lines that each begin with two times, or None where a line has none."""
    matches = [LABEL_LINE.match(line) for line in lines if not SPECTRAL_LINE.match(line)]
    if matches and all(matches):
        return [match[1] or "" for match in matches if match]
    spaced = [match for match in map(SPACED_LABEL_LINE.match, lines) if match]
    if not spaced or len(spaced) != len(lines):
        return None
    # a text may begin with two numbers, but its lines hardly all with times that go forward
    times = [(float(match[1]), float(match[2])) for match in spaced]
    if times != sorted(times) or any(start >= end for start, end in times):
        return None
    # "1 2 buckle my shoe" and "3 4 knock at the door" do
    in_units = times[-1][1] >= MIN_UNITS and (len(times) > 1 or times[0][0] == 0)
    in_seconds = len(times) > 1 and all("." in match[1] and "." in match[2] for match in spaced)
    is_joined = len(times) > 1 and [0.0, *(end for _, end in times[:-1])] == [start for start, _ in times]
    return [match[3] for match in spaced] if in_units or in_seconds or is_joined else None


def _spoken(labels: Iterable[str]) -> str:
    """Return the labels that are not pauses, one per line."""
    known = [(label, label.strip().lower()) for label in labels]
    is_marked = any(mark in SILENCES for _, mark in known)
    return "\n".join(label for label, mark in known if mark not in SILENCES and (is_marked or mark != SILENCE))


def _read_srt(text: str) -> str:
    import srt

    try:
        cues = list(srt.parse(text))
    except srt.SRTParseError as error:
        line = text.count("\n", 0, error.expected_start) + 1
        raise LayoutError(f"line {line} begins no subtitle: {error.unmatched_content.strip()[:60]!r}") from error
    except (ValueError, OverflowError) as error:
        raise LayoutError(f"holds a time that cannot be read ({error})") from error
    _require_all_cues(text, len(cues))
    return _join_cues(
        cue.content for cue in srt.sort_and_reindex(cues, skip=False)
    )  # also a cue that ends as it begins


def _read_vtt(text: str) -> str:
    import webvtt

    try:
        cues = list(webvtt.from_string(text))
    except webvtt.errors.MalformedFileError as error:
        raise LayoutError(f"is not WebVTT ({error})") from error
    _require_all_cues(text, len(cues))
    for block in re.split(r"\n\s*\n", text.strip())[1:]:  # the parser leaves out what follows a blank line
        if "-->" not in block and not VTT_REMARK.match(block):
            raise LayoutError(f"holds text that belongs to no subtitle: {' '.join(block.split())[:60]!r}")
    return _join_cues(cue.raw_text for cue in cues)


def _require_all_cues(text: str, n_cues: int) -> None:
    """Check that each arrow belongs to a subtitle. The parsers take a damaged line of times for text."""
    n_arrows = sum("-->" in line for line in text.split("\n"))
    if n_arrows != n_cues:
        raise LayoutError(f"has {n_arrows} lines with -->, but only {n_cues} subtitles that can be read")


def _join_cues(cues: Iterable[str]) -> str:
    """Return the lines of all cues, without those that a cue repeats from the one before, as on YouTube.

    A file rolls like that if half of its cues do, and one that repeats a line adds another. In other files, a repeated
    line is said twice.
    """
    shown = [[line for line in cue.split("\n") if TAG.sub("", line).strip()] for cue in cues]
    shown = [lines for lines in shown if lines]
    repeats = [
        TAG.sub("", lines[0]).strip() == TAG.sub("", before[-1]).strip() for before, lines in itertools.pairwise(shown)
    ]
    rolls = 2 * sum(repeats) >= len(repeats) and any(
        repeated and len(lines) > 1 for repeated, lines in zip(repeats, shown[1:], strict=True)
    )
    kept = [
        lines[1:] if rolls and repeated else lines for repeated, lines in zip([False, *repeats], shown, strict=False)
    ]
    return "\n".join(line for lines in kept for line in lines)


def read_textgrid(text: str, voice: str) -> str:
    """Return the labels of the tier of words, one interval per line.

    Args:
        text: content of a TextGrid file, long or short.
        voice: the voice's name, which selects the tier where each speaker has one.

    Raises:
        LayoutError: it is damaged, or it cannot be known which tier is the text.
    """
    from praatio.utilities import textgrid_io
    from praatio.utilities.errors import PraatioException

    try:
        tiers = textgrid_io.parseTextgridStr(text)["tiers"]
        named = [
            (tier["name"], [entry[2] for entry in tier["entries"]]) for tier in tiers if tier["class"] == INTERVALS
        ]
    except (PraatioException, LookupError, TypeError, ValueError, AttributeError) as error:
        raise LayoutError("is not a TextGrid that can be read") from error
    words = [(tier, speaker) for tier in named if (speaker := _speaker_of_tier(tier[0])) is not None]
    # one tier for each speaker: "anna - words"
    chosen = [tier for tier, speaker in words if len(words) == 1 or speaker == _spaced(voice)]
    chosen = chosen or (named if len(named) == 1 else [])
    if len(chosen) != 1:
        raise LayoutError(
            f"has the tiers {', '.join(repr(name) for name, _ in named) or 'without intervals only'}; "
            "call the one with the text 'words', or remove the others"
        )
    return _spoken(chosen[0][1])


def _speaker_of_tier(name: str) -> str | None:
    """Return whose words a tier has, an empty text where it does not say, or None where it is not one of words."""
    *speaker, kind = _spaced(name).split(" ")
    return " ".join(speaker) if kind in WORD_TIERS else None


def _spaced(name: str) -> str:
    return " ".join(re.split(r"[\s_-]+", name.strip().lower()))
