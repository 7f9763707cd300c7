"""Words with their times as SubRip, WebVTT or JSON. It needs no PyTorch."""

from __future__ import annotations

import html
import json
import re
from collections.abc import Iterable, Sequence
from typing import Literal, get_args

from gpt_sovits.synthesis.words import Word
from gpt_sovits.text.written_words import UNSPACED

SubtitleFormat = Literal["srt", "vtt", "json"]
SUBTITLE_FORMATS: tuple[SubtitleFormat, ...] = get_args(SubtitleFormat)
SUBTITLE_MEDIA_TYPES: dict[SubtitleFormat, str] = {
    "srt": "application/x-subrip",
    "vtt": "text/vtt",
    "json": "application/json",
}
MAX_CHARACTERS = 42  # of a subtitle, as broadcasters have it for a line
NO_SPACE = re.compile(rf"[{UNSPACED}][^\w\s]*$")  # a word after which none is written


def write_subtitles(sentences: Sequence[Sequence[Word]], form: SubtitleFormat) -> str:
    """Return subtitles, with one cue for up to MAX_CHARACTERS of a sentence. In WebVTT each word has its time.

    Args:
        sentences: The words of each sentence, with times in the whole sound.
        form: What to write.
    """
    if form == "json":
        words = [
            {"word": word.text, "start": word.start, "end": word.end, "sentence": number}
            for number, sentence in enumerate(sentences)
            for word in sentence
        ]
        return json.dumps({"words": words}, ensure_ascii=False, indent=1) + "\n"
    cues = [cue for sentence in sentences for cue in _cues(sentence)]
    if form == "srt":
        parts = [
            f"{number}\n{_clock(cue[0].start, ',')} --> {_clock(cue[-1].end, ',')}\n{join_words(cue)}\n"
            for number, cue in enumerate(cues, start=1)
        ]
        return "\n".join(parts)
    parts = [f"{_clock(cue[0].start, '.')} --> {_clock(cue[-1].end, '.')}\n{_timed(cue)}\n" for cue in cues]
    return "\n".join(["WEBVTT\n", *parts])


def join_words(words: Iterable[Word]) -> str:
    """Return words as they are written beside each other."""
    text = ""
    for word in words:
        has_space = text and not (NO_SPACE.search(text) and re.match(rf"[{UNSPACED}\d]", word.text))
        text += f"{' ' * bool(has_space)}{word.text}"
    return text


def _cues(sentence: Sequence[Word]) -> list[list[Word]]:
    cues: list[list[Word]] = []
    for word in sentence:
        if not cues or len(join_words([*cues[-1], word])) > MAX_CHARACTERS:
            cues.append([])
        cues[-1].append(word)
    return cues


def _timed(cue: Sequence[Word]) -> str:
    """Return the text of a cue of WebVTT: the time of each word but the first, which the cue has."""
    text, shown = "", ""
    for number, word in enumerate(cue):
        joined = join_words(cue[: number + 1])
        stamp = f"<{_clock(word.start, '.')}>" if number and word.start > cue[number - 1].start else ""
        text += " " * (len(joined) - len(shown) - len(word.text)) + stamp + html.escape(word.text, quote=False)
        shown = joined
    return text


def _clock(seconds: float, mark: str) -> str:
    milliseconds = round(seconds * 1000)
    hours, rest = divmod(milliseconds, 3_600_000)
    minutes, rest = divmod(rest, 60_000)
    return f"{hours:02}:{minutes:02}:{rest // 1000:02}{mark}{rest % 1000:03}"
