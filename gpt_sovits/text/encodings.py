"""From the bytes of text files to text: Unicode, or the encodings in which people write the voice's language.

Text that is not Unicode is recognised by charset-normalizer among the encodings of the language. Where two of them fit
and give different texts, neither is taken.
"""

from __future__ import annotations

import codecs
import re
import unicodedata
from collections.abc import Iterable, Mapping
from typing import NamedTuple

from charset_normalizer import from_bytes

from gpt_sovits.text.alphabets import HAN, HANGUL, KANA, LATIN
from gpt_sovits.text.languages import LANGUAGES

BYTE_ORDER_MARKS = (  # UTF-32 first: its mark begins with that of UTF-16
    (codecs.BOM_UTF32_LE, "utf_32"),
    (codecs.BOM_UTF32_BE, "utf_32"),
    (codecs.BOM_UTF8, "utf_8_sig"),
    (codecs.BOM_UTF16_LE, "utf_16"),
    (codecs.BOM_UTF16_BE, "utf_16"),
)
UTF16 = ("utf_16_le", "utf_16_be")  # without a byte order mark
ENCODINGS = {  # supersets: cp1252 holds Latin-1, gb18030 holds GBK, cp949 holds EUC-KR, cp932 holds Shift-JIS
    "en": ("cp1252", "mac_roman"),
    "zh": ("gb18030", "big5hkscs"),
    "yue": ("big5hkscs", "gb18030"),
    "ja": ("cp932", "euc_jp", "iso2022_jp"),
    "ko": ("cp949",),
}
SCRIPTS = {"en": LATIN, "zh": HAN + LATIN, "yue": HAN + LATIN, "ja": HAN + KANA + LATIN, "ko": HANGUL + HAN + LATIN}
SPACELESS = ("zh", "yue", "ja")  # their UTF-16 may lack bytes of 0, which spaces and Latin letters bring
NAMES = {
    "utf_8": "UTF-8",
    "utf_8_sig": "UTF-8",
    "utf_16": "UTF-16",
    "utf_16_le": "UTF-16LE",
    "utf_16_be": "UTF-16BE",
    "utf_32": "UTF-32",
    "cp1252": "Windows-1252",
    "mac_roman": "Mac Roman",
    "gb18030": "GBK",
    "big5hkscs": "Big5",
    "cp932": "Shift-JIS",
    "euc_jp": "EUC-JP",
    "iso2022_jp": "ISO-2022-JP",
    "cp949": "EUC-KR",
}
MAX_UTF8_NUL_SHARE = 0.3  # of the bytes: UTF-16 text in Latin letters has half of them
MIN_SCRIPT_SHARE = 0.9  # of the letters: bytes read in the wrong encoding are letters of many scripts
MIN_CHAOS_DIFFERENCE = 0.02  # between charset-normalizer's best and second encoding, of a scale from 0 to 1
MEANINGLESS = ("Co", "Cn")  # private use, unassigned
CONTROL = re.compile(r"[\x01-\x08\x0e-\x1f]")
REPLACEMENT = "\ufffd"  # stands for bytes that could not be decoded


class DecodedText(NamedTuple):
    """The text of a file. Invariant: it has either an encoding or a fault."""

    text: str
    encoding: str  # as people call it, such as UTF-8
    fault: str = ""


def decode_texts(contents: Mapping[str, bytes], language: str) -> dict[str, DecodedText]:
    """Decode the text files of one voice.

    Files that are not Unicode are recognised together, because a short text fits several encodings. A file of UTF-8
    with single broken lines is decoded as UTF-8 with U+FFFD in those lines.

    Args:
        contents: bytes of each file.
        language: ISO 639 code of the voice's language.
    """
    unicode_texts = {file: _decode_unicode(raw, language) for file, raw in contents.items()}
    for file, raw in contents.items():
        if unicode_texts[file] is None and _has_utf8_lines(raw, language):
            unicode_texts[file] = DecodedText(
                "", "", "has lines in UTF-8 and lines in another encoding; save it as UTF-8"
            )
    others = {file: raw for file, raw in contents.items() if unicode_texts[file] is None}
    if not others:
        return {file: text for file, text in unicode_texts.items() if text is not None}
    shared = _recognise(b"\n\n".join(others.values()), language)
    decoded = {}
    for file, raw in contents.items():
        text = unicode_texts[file] or _decode(raw, shared)
        decoded[file] = text or _decode(raw, found := _recognise(raw, language)) or _undecodable(raw, found, language)
    return decoded


def _decode_unicode(raw: bytes, language: str) -> DecodedText | None:
    """Return the text, or None where the bytes are not Unicode, or are UTF-16 without a mark."""
    for mark, encoding in BYTE_ORDER_MARKS:
        if raw.startswith(mark):
            return _decode(raw, (encoding,)) or DecodedText(
                "", "", f"begins like {NAMES[encoding]} text and is cut or damaged; save it as UTF-8"
            )
    if raw.count(0) > MAX_UTF8_NUL_SHARE * len(raw) or b"\x1b$" in raw:  # ESC $ begins kanji in ISO-2022-JP
        return None
    text = _decode(raw, ("utf_8",))
    if text and language in SPACELESS and CONTROL.search(text.text):  # a short text in UTF-16 may be valid UTF-8 too
        return None
    return text or (_decode_broken_utf8(raw) if _is_mostly_utf8(raw) else None)


def _is_mostly_utf8(raw: bytes) -> bool:
    """Return whether most lines that hold more than ASCII are UTF-8."""
    lines = [line for line in raw.splitlines() if not line.isascii()]
    return 2 * sum(_decode(line, ("utf_8",)) is not None for line in lines) > len(lines)


def _has_utf8_lines(raw: bytes, language: str) -> bool:
    """Return whether some lines that hold more than ASCII are UTF-8. They would be read wrongly in another encoding.

    In languages of other alphabets, characters of two bytes do not count: a word in GBK may be such characters too.
    """
    if 0 in raw or b"\x1b$" in raw:  # UTF-16 or ISO-2022-JP
        return False
    lines = [_decode(line, ("utf_8",)) for line in raw.splitlines() if not line.isascii()]
    if language == "en":
        return any(lines)
    return any(line and all(char.isascii() or char > "\u07ff" for char in line.text) for line in lines)


def _decode_broken_utf8(raw: bytes) -> DecodedText:
    return DecodedText(raw.decode("utf_8", errors="replace"), NAMES["utf_8"])


def _decode(raw: bytes, encodings: Iterable[str]) -> DecodedText | None:
    """Return the text in the only one of `encodings`, None where there are several or it does not fit."""
    encoding, *others = encodings or ("",)
    if not encoding or others:
        return None
    try:
        return DecodedText(raw.decode(encoding), NAMES[encoding])
    except UnicodeDecodeError:
        return None


def _recognise(raw: bytes, language: str) -> tuple[str, ...]:
    """Return the encodings that fit best: none, one, or several that give different texts."""
    candidates = ENCODINGS[language]
    if raw.count(0) > MAX_UTF8_NUL_SHARE * len(raw):
        candidates = UTF16
    elif 0 in raw or language in SPACELESS:
        candidates += UTF16
    matches = [
        match
        for match in from_bytes(raw, cp_isolation=list(candidates), enable_fallback=False)
        if _is_in_script(str(match), language)
    ]
    best = [match for match in matches if match.chaos < matches[0].chaos + MIN_CHAOS_DIFFERENCE]
    if language == "en":  # the quotes of one are letters with accents in the other, and English has few of these
        n_accents = [sum(char.isalpha() and not char.isascii() for char in str(match)) for match in best]
        best = [match for match, n in zip(best, n_accents, strict=True) if n == min(n_accents)]
    return tuple(match.encoding for match in best)


def _is_in_script(text: str, language: str) -> bool:
    """Return whether nearly all letters of a text are those of a language. Characters without meaning count too."""
    letters = [char for char in text if char.isalpha() or unicodedata.category(char) in MEANINGLESS]
    own = re.compile(f"[{SCRIPTS[language]}]")
    return sum(own.match(char) is not None for char in letters) >= MIN_SCRIPT_SHARE * len(letters)


def _undecodable(raw: bytes, found: tuple[str, ...], language: str) -> DecodedText:
    """Return what remains of a file that could not be decoded, with the reason."""
    if found:
        fits = " or ".join(NAMES[encoding] for encoding in found)
        return DecodedText("", "", f"may be {fits}, and they give different texts; save it as UTF-8")
    try:
        raw.decode("utf_8")
        where = ""
    except UnicodeDecodeError as error:
        where = f" (byte {error.start} is 0x{raw[error.start]:02x})"
    known = ", ".join(NAMES[encoding] for encoding in ENCODINGS[language])
    return DecodedText(
        "", "", f"is not UTF-8{where}, UTF-16 or an encoding of {LANGUAGES[language]} ({known}); save it as UTF-8"
    )


def recognise_codec(beginning: bytes, language: str) -> str:
    """Return Python's name of a text file's encoding, from the first lines of the file.

    Args:
        beginning: whole lines, or the whole file.
        language: ISO 639 code of the language that people of the file write.

    Raises:
        ValueError: the encoding is not known. The message ends with what to do.
    """
    for mark, encoding in BYTE_ORDER_MARKS:
        if beginning.startswith(mark):
            return encoding
    decoded = decode_texts({"": beginning}, language)[""]
    if decoded.fault:
        raise ValueError(decoded.fault)
    return next(codec for codec, name in NAMES.items() if name == decoded.encoding)
