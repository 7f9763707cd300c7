"""Whether the folders in a written path speak for an audio file, or against it.

Many folders say only which kind of file they hold, such as wavs, txt and wav48. The others tell recordings apart:
day1/01.wav is another recording than day2/01.wav.
"""

from __future__ import annotations

import functools
import re
import unicodedata
from collections.abc import Collection, Sequence
from itertools import takewhile
from typing import NamedTuple

# Words of folders that hold the same recordings in another form
KINDS = frozenset(
    re.findall(
        r"\S+",
        """
        aac aiff audio audios caption captions clip clips corpus data dataset flac json lab label labels m4a metadata
        mono mp3 mp4 normalised normalized ogg opt opus out output processed prompt prompts raw rec recording recordings
        recs sample samples script scripts segment segments silence slice sliced slicer slices sound sounds speech srt
        stereo sub subs subtitle subtitles text textgrid textgrids texts transcript transcription transcriptions
        transcripts trimmed txt txts utterance utterances vtt wav wave waves wavs webm
        字幕 录音 文本 音声 音频 텍스트 음성
        """,
    )
)
RATES = frozenset(
    map(str, (8, 11, 16, 22, 24, 32, 44, 48, 96, 8000, 11025, 16000, 22050, 24000, 32000, 44100, 48000, 96000))
)
UNITS = frozenset({"k", "hz", "khz"})
WORD = re.compile(r"mp[34]|m4a|[^\W\d_]+|\d+")
DIGITS = re.compile(r"\d+")


class Folders(NamedTuple):
    """The folders of a path, the last one first: as they are called, and those that tell recordings apart."""

    names: tuple[str, ...]
    telling: tuple[str, ...]


def fold(text: str) -> str:
    """Return a name in composed Unicode and without case, in which names are compared."""
    return unicodedata.normalize("NFC", text).casefold()


@functools.lru_cache(maxsize=1 << 16)
def folders_of(path: str) -> Folders:
    """Return the folders of a path."""
    names = tuple(name for name in fold(path).split("/")[-2::-1] if name not in ("", ".", ".."))
    return Folders(names, tuple(filter(None, map(_telling_part, names))))


@functools.lru_cache(maxsize=1 << 12)
def _telling_part(folder: str) -> str:
    """Return what of a folder's name tells its recordings from others: 225 of wav48_225, nothing of wavs_24khz."""
    words = WORD.findall(folder)
    kinds = [word for word in words if word in KINDS]
    has_only_kinds = all(word in KINDS or word in UNITS or word.isdecimal() for word in words)
    if not kinds and not (has_only_kinds and not RATES.isdisjoint(words) and not UNITS.isdisjoint(words)):
        return " ".join(words) or folder
    return " ".join(
        word for word in words if word not in KINDS and not (has_only_kinds and (word in RATES or word in UNITS))
    )


def shared_folders(wanted: Folders, file: Folders) -> tuple[int, int]:
    """Return how many of the last folders two paths share: of those that tell recordings apart, then of all."""
    return _n_shared(wanted.telling, file.telling), _n_shared(wanted.names, file.names)


def contradict(wanted: Folders, file: Folders, voice: Collection[str], *, strict: bool) -> bool:
    """Return whether the folders of a written path speak against a file of the same name.

    Args:
        wanted: the folders as written.
        file: those of the file.
        voice: folders of the voice in which there is audio, those that tell recordings apart.
        strict: whether the path begins in the voice's folder. A path of another machine may have any other folders.
    """
    n = _n_shared(wanted.telling, file.telling)
    one, other = wanted.telling[n:], file.telling[n:]
    if n_above := _n_shared(one[::-1], other[::-1]):
        one, other = one[:-n_above], other[:-n_above]
    if any(folder in voice and folder not in file.telling for folder in one):
        return True
    if strict:
        return bool(one and other)
    return any(a != b and DIGITS.sub("0", a) == DIGITS.sub("0", b) for a in one for b in other)  # day1 and day2


def _n_shared(one: Sequence[str], other: Sequence[str]) -> int:
    return sum(1 for _ in takewhile(lambda pair: pair[0] == pair[1], zip(one, other, strict=False)))
