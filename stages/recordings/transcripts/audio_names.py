"""Which audio file a name in a transcript means.

Names are compared only with the files that were found in the voice's folder, so that no row can reach outside. A path
from another machine is matched by the end of it that only one file has. A file of the same name in a folder that the
path speaks against is another recording.
"""

from __future__ import annotations

import posixpath
import re
import sys
import unicodedata
from collections import defaultdict
from collections.abc import Callable, Collection, Iterable, Sequence
from pathlib import Path
from typing import NamedTuple

from stages.recordings.containers import AUDIO_SUFFIXES
from stages.recordings.transcripts.folders import Folders, contradict, fold, folders_of, shared_folders

# Folders beside metadata.csv in which corpora keep their audio
AUDIO_FOLDERS = ("wavs/", "wav/", "clips/", "audio/", "")
MICROPHONES = re.compile(r"_mic\d$")  # VCTK 0.92 has two recordings of each text
FOREIGN = re.compile(r"/|[A-Za-z]:|[~$]|\w+://|(?:.*/)?\.\./")  # begins outside the voice's folder
EXACT = (sys.maxsize, 0)


def is_audio(file: str) -> bool:
    """Return whether a file's name is that of an audio format that is supported."""
    return file.lower().endswith(AUDIO_SUFFIXES)


def without_audio_suffix(name: str) -> str:
    """Return a name without the ending of an audio format. Other dots stay: LJ001.2 is a whole name."""
    stem, suffix = posixpath.splitext(name)
    return stem if suffix.lower() in AUDIO_SUFFIXES else name


class Match(NamedTuple):
    """The files that a name may mean: one, none, or several between which the name does not decide."""

    files: tuple[str, ...] = ()
    closeness: tuple[int, int] = (0, 0)  # EXACT, or how many of the last folders are shared; the larger one is closer


def keep_closest(matches: Collection[Match]) -> list[Match]:
    """Return the matches of one source, without those whose files are all closer to another one of them."""
    closest: dict[str, tuple[int, int]] = defaultdict(lambda: (0, 0))
    for match in matches:
        for file in match.files:
            closest[file] = max(closest[file], match.closeness)
    return [Match() if all(closest[file] > match.closeness for file in match.files) else match for match in matches]


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
        self._holders: set[str] = set()  # folders in which there is audio
        self._parents: set[str] = set()  # and those above them
        self._telling: set[str] = set()
        self._found: dict[tuple[str, str], Match] = {}
        for file in filter(is_audio, files):
            self._add(file)

    def _add(self, file: str) -> None:
        stem = without_audio_suffix(file)
        for path in {file, stem, MICROPHONES.sub("", stem)}:
            for key in _spellings(path):
                self._by_path[key].append(file)
            self._by_name[fold(posixpath.basename(path))].append(file)
        folder = fold(posixpath.dirname(file))
        self._holders.add(folder)
        self._telling.update(folders_of(file).telling)
        while folder and folder not in self._parents:
            self._parents.add(folder)
            folder = posixpath.dirname(folder)

    def find(self, name: str, place: str) -> Match:
        """Return the files that a name in a table may mean.

        Args:
            name: a path or a name as written, with or without the ending of an audio format.
            place: folder of the transcript that names it, relative to the voice's folder.
        """
        path = self._path(name)
        files = self.of_same_name(name)
        if not files:  # most texts, which are asked for too, end here
            return Match()
        if (path, place) not in self._found:
            self._found[path, place] = self._find(path, place, files)
        return self._found[path, place]

    def _find(self, path: str, place: str, files: Sequence[str]) -> Match:
        resolved = posixpath.normpath(posixpath.join(place, path))
        if path.startswith("../") and not FOREIGN.match(resolved):
            path, place = resolved, ""
        is_foreign = FOREIGN.match(path) is not None
        # the folder that the path names has audio: the name means a file in it, and not one of the same name elsewhere
        base = fold(posixpath.dirname(resolved))
        is_inside = base in self._parents
        for start in (place,) if is_inside else dict.fromkeys((place, "")):
            for folder in AUDIO_FOLDERS:
                if found := self._at(posixpath.join(start, folder, path)):
                    return Match(found, EXACT)
        if is_inside:
            files = _below(base, files)
        elif place:
            files = _below(fold(place), files) or files
        wanted, from_place = folders_of(path), folders_of(posixpath.join(place, path))

        def speaks_against(file: Folders) -> bool:
            return contradict(wanted, file, self._telling, strict=not is_foreign) or (
                not is_foreign and contradict(from_place, file, self._telling, strict=False)
            )

        return _closest(wanted, files, speaks_against)

    def find_beside(self, name: str, file: str) -> Match:
        """Return the files whose name, with its ending or without, is `name`.

        Args:
            name: the last part of a text file's path, without its ending.
            file: the text file. Audio in its folder comes first, then that which shares most folders with it.
        """
        place = posixpath.dirname(file)
        if found := self._at(posixpath.join(place, name)):
            return Match(found, EXACT)
        wanted, files = folders_of(file), self._by_name.get(fold(name), ())
        if fold(place) in self._holders:  # texts lie beside the audio here
            files = [other for other in _below(fold(place), files) if folders_of(other).telling == wanted.telling]
        return _closest(wanted, files, lambda other: contradict(wanted, other, self._telling, strict=True))

    def of_same_name(self, name: str) -> Sequence[str]:
        """Return all files with the last part of a path, in whatever folder they are."""
        base = posixpath.basename(posixpath.normpath(self._path(name)))
        return self._by_name.get(fold(base)) or self._by_name.get(fold(without_audio_suffix(base))) or ()

    def _path(self, name: str) -> str:
        return name.strip().replace("\\", "/").removeprefix(f"{self._folder}/")

    def _at(self, path: str) -> tuple[str, ...]:
        """Return the files with this path: written in the same way if there are such, else in another."""
        for spelling in _spellings(posixpath.normpath(path)):
            if files := self._by_path.get(spelling):
                return tuple(files)
        return ()


def _spellings(path: str) -> tuple[tuple[int, str], ...]:
    """Return a path as it is, in composed Unicode (file systems differ in it) and without case, with their ranks."""
    return tuple(enumerate((path, unicodedata.normalize("NFC", path), fold(path))))


def _below(folder: str, files: Iterable[str]) -> list[str]:
    return [file for file in files if not folder or fold(file).startswith(f"{folder}/")]


def _closest(wanted: Folders, files: Iterable[str], speaks_against: Callable[[Folders], bool]) -> Match:
    """Return those files that share the largest number of last folders, and that no folder speaks against."""
    groups: dict[tuple[int, int], list[str]] = defaultdict(list)
    for file in files:
        groups[shared_folders(wanted, folders_of(file))].append(file)
    for closeness in sorted(groups, reverse=True):
        if found := tuple(file for file in groups[closeness] if not speaks_against(folders_of(file))):
            return Match(found, closeness)
    return Match()
