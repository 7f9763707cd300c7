"""Names of voices and people, and how a wrong name or value is shown."""

from __future__ import annotations

import re
import reprlib
import unicodedata

from registry.errors import RegistryError

# A voice's name is a folder, a DVC matrix value and an MLflow model name: the letters that all three accept
VOICE_NAME = r"^[A-Za-z0-9][A-Za-z0-9_-]{0,63}$"
MAX_PERSON = 100  # characters of a person's name
MAX_SHOWN = 40  # characters of a wrong name in a message
INVISIBLE = ("Cc", "Cf", "Cs", "Co", "Cn", "Zl", "Zp")  # Unicode's control and format characters, and line separators


class NameRefusedError(RegistryError, ValueError):
    """A text cannot be a name. The message says what can."""


def check_voice_name(name: str) -> str:
    """Return a voice's name as it is.

    Raises:
        NameRefusedError: It cannot be one.
    """
    if re.fullmatch(VOICE_NAME, name):  # fullmatch, because $ also fits before a newline
        return name
    raise NameRefusedError(
        f"{shown(name)} cannot be a voice's name: it takes 1 to 64 letters, digits, - and _, and begins with a letter "
        "or digit, such as anna_2"
    )


def check_person_name(name: str, where: str) -> str:
    """Return a person's name without spaces around it. Everything that can be printed on one line may be in it.

    Args:
        name: The name as given.
        where: What gave it, such as an environment variable.

    Raises:
        NameRefusedError: It is empty, too long, or holds a control character.
    """
    name = name.strip()
    if 1 <= len(name) <= MAX_PERSON and not any(unicodedata.category(letter) in INVISIBLE for letter in name):
        return name
    raise NameRefusedError(
        f"{where} is {shown(name)}; a name has 1 to {MAX_PERSON} characters on one line and no control characters"
    )


def shown(name: str) -> str:
    """Return a wrong name as messages show it: quoted, escaped and short."""
    return f"{name!a}" if len(name) <= MAX_SHOWN else f"{name[:MAX_SHOWN]!a}... ({len(name)} characters)"


def shorten(value: object, n_characters: int = 60) -> str:
    """Return how the text of a value begins.

    What is nested is cut before it becomes text. Aliases let a few lines of YAML hold more values than memory does.

    Args:
        value: Such as a setting that is wrong.
        n_characters: At most.
    """
    nested = reprlib.Repr()
    nested.maxlevel = 3
    text = nested.repr(value) if isinstance(value, dict | list | tuple | set) else str(value)
    return text[:n_characters]
