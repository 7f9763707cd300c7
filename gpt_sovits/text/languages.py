"""The languages that the project knows, by their ISO 639 code, and the other spellings of them that are in use.

Importing this module is cheap: no front end is loaded.
"""

from __future__ import annotations

LANGUAGES = {"en": "English", "zh": "Mandarin", "yue": "Cantonese", "ja": "Japanese", "ko": "Korean"}

# Spellings in lists of GPT-SoVITS and of its descendants, locales, and the codes of three letters. With "all_", as
# upstream calls a text in a single language, each of them means the same voice.
ALIASES = {
    "en": ("eng", "english", "en-us", "en-gb"),
    "zh": ("cn", "zho", "chi", "cmn", "chinese", "mandarin", "zh-cn", "zh-tw", "zh-hans", "zh-hant"),
    "yue": ("cant", "cantonese", "zh-hk", "zh-yue", "yue-hk"),
    "ja": ("jp", "jpn", "japanese", "ja-jp"),
    "ko": ("kr", "kor", "korean", "ko-kr"),
}
CODES = {spelling: code for code, aliases in ALIASES.items() for spelling in (code, *aliases)}
AUTOMATIC = ("auto", "auto_yue")  # upstream: each part of a text gets the language that it looks like


def language_code(written: str) -> str:
    """Return the ISO 639 code of a language as people write it: ja for JP, zh for CN or all_zh.

    Args:
        written: a code or an alias, in capitals or not, with - or _.

    Raises:
        ValueError: the language is not known, or `written` names none. The message lists the known ones.
    """
    spelling = written.strip().lower()
    if spelling in AUTOMATIC:
        raise ValueError(f"{written!r} lets each text choose its language, but a voice has one; write {known_codes()}")
    code = CODES.get(spelling.removeprefix("all_").replace("_", "-"))
    if code is None:
        raise ValueError(f"unknown language {written!r}; known are {known_codes()}")
    return code


def language_name(code: str) -> str:
    """Return a language as errors name it, such as Mandarin (zh)."""
    return f"{LANGUAGES[code]} ({code})" if code in LANGUAGES else repr(code)


def known_codes() -> str:
    """Return the codes with their names, for messages."""
    return ", ".join(f"{code} ({name})" for code, name in LANGUAGES.items())
