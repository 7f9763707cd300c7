"""The words of a consent: what a voice may be used for, and what is deleted after a revocation.

Fixed lists, so that a program can compare what was allowed with what is done. Importing this module is cheap.
"""

from typing import Literal, get_args

PURPOSES = {
    "narration": "audiobooks, articles, lessons and videos are read aloud",
    "dialogue": "characters in games, films and plays speak",
    "assistant": "an assistant or agent answers people",
    "announcements": "public announcements, telephone menus and navigation",
    "accessibility": "people who cannot speak, read or see well are helped",
    "translation": "the speaker's own words are spoken in other languages",
    "advertising": "goods, services or opinions are promoted",
    "research": "experiments, publications and listening tests",
    "testing": "this software and what is built on it are tried out",
}

Deletion = Literal["none", "derived", "all"]  # each contains those before
DELETIONS: tuple[Deletion, ...] = get_args(Deletion)
