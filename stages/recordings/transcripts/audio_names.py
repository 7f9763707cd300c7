"""Which audio file a name in a transcript means.

Names are compared only with the files that were found in the voice's folder, so that no row can reach outside. A path
from another machine is matched by the end of it that only one file has.
"""

from __future__ import annotations

import functools
import posixpath
import re
import unicodedata
from collections import defaultdict
from collections.abc import Iterable, Sequence
from pathlib import Path

from stages.recordings.containers import AUDIO_SUFFIXES

# Folders beside metadata.csv in which corpora keep their audio
AUDIO_FOLDERS = ("wavs/", "wav/", "clips/", "audio/", "")
MICROPHONES = re.compile(r"_mic\d$")  # VCTK 0.92 has two recordings of each text


def is_audio(file: str) -> bool:
    """Return whether a file's name is that of an audio format that is supported."""
    return file.lower().endswith(AUDIO_SUFFIXES)


def without_audio_suffix(name: str) -> str:
    """Return a name without the ending of an audio format. Other dots stay: LJ001.2 is a whole name."""
    stem, suffix = posixpath.splitext(name)
    return stem if suffix.lower() in AUDIO_SUFFIXES else name


class AudioNames:
    """The audio files of a voice, found by the names that people write.

    Invariant: it returns only files that it was built from.
    """

    def __init__(self, folder: Path, files: Iterable[str]) -> None:
        """Index the audio among the files.

        Args:
            folder: the recordings folder of the voice.
            files: POSIX paths relative to it.
        """
        self._folder = folder.absolute().as_posix()
        self._by_path: dict[tuple[int, str], list[str]] = defaultdict(list)
        self._by_name: dict[str, list[str]] = defaultdict(list)
        for file in files:
            if not is_audio(file):
                continue
            stem = without_audio_suffix(file)
            for path in {file, stem, MICROPHONES.sub("", stem)}:
                for key in _spellings(path):
                    self._by_path[key].append(file)
                self._by_name[_fold(posixpath.basename(path))].append(file)

    def find(self, name: str, place: str) -> tuple[str, ...]:
        """Return the files that a name may mean: one, none, or several between which the name does not decide.

        Args:
            name: a path or a name as written, with or without the ending of an audio format.
            place: folder of the transcript that names it, relative to the voice's folder.
        """
        path = name.strip().replace("\\", "/").removeprefix(f"{self._folder}/")
        files = self._named(path)
        if not files:  # most texts, which are asked for too, end here
            return ()
        for start in dict.fromkeys((place, "")):
            for folder in AUDIO_FOLDERS:
                if found := self._at(posixpath.join(start, folder, path)):
                    return found
        below = tuple(file for file in files if place and file.startswith(f"{place}/"))
        return _longest_common_end(path, below or files)

    def find_beside(self, name: str, file: str) -> tuple[str, ...]:
        """Return the files whose name, with its ending or without, is `name`.

        Args:
            name: the last part of a text file's path, without its ending.
            file: the text file. Audio in its folder comes first, then that which shares most folders with it.
        """
        place = posixpath.dirname(file)
        return self._at(posixpath.join(place, name)) or _longest_common_end(
            posixpath.join(place, name), self._by_name.get(_fold(name), ())
        )

    def _at(self, path: str) -> tuple[str, ...]:
        """Return the files with this path: written in the same way if there are such, else in another."""
        for spelling in _spellings(posixpath.normpath(path)):
            if files := self._by_path.get(spelling):
                return tuple(files)
        return ()

    def _named(self, path: str) -> Sequence[str]:
        base = posixpath.basename(posixpath.normpath(path))
        return self._by_name.get(_fold(base)) or self._by_name.get(_fold(without_audio_suffix(base))) or ()


def _fold(text: str) -> str:
    return unicodedata.normalize("NFC", text).casefold()


def _spellings(path: str) -> tuple[tuple[int, str], ...]:
    """Return a path as it is, in composed Unicode (file systems differ in it) and without case, with their ranks."""
    return tuple(enumerate((path, unicodedata.normalize("NFC", path), _fold(path))))


def _longest_common_end(path: str, files: Sequence[str]) -> tuple[str, ...]:
    """Return those files that share the largest number of last folders with a path."""
    wanted, most, found = _folders(path), 0, []
    for file in files:
        shared = 0
        for one, other in zip(wanted, _folders(file), strict=False):
            if one != other:
                break
            shared += 1
        if shared > most:
            most, found = shared, []
        if shared == most:
            found.append(file)
    return tuple(found)


@functools.lru_cache(maxsize=1 << 16)
def _folders(path: str) -> tuple[str, ...]:
    """Return the folders of a path, the last one first."""
    return tuple(_fold(path).split("/")[-2::-1])
