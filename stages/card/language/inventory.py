"""The sounds of each language as the card counts them, with how people write them and a word that has them.

The symbols are those that the text front ends give. Stress in English, and tone in Mandarin and Cantonese, are counted
apart from the sound. Every sound here is in some word: the front ends were run on every character of CJK Unified
Ideographs, and none of Mandarin's and Cantonese's initials and finals was missing.
"""

from __future__ import annotations

from typing import NamedTuple

from gpt_sovits.text.symbols import (
    CANTONESE_INITIALS,
    CANTONESE_RHYMES,
    MANDARIN_FINALS,
    MANDARIN_INITIALS,
)


class Sound(NamedTuple):
    """A sound of a language.

    Attributes:
        kind: vowel, consonant, initial, final or tone.
        name: its symbol in the front end, without stress, tone or prefix.
    """

    kind: str
    name: str


# ARPAbet -> IPA and a word
ENGLISH = {
    "vowel": "AA ɑ father|AE æ cat|AH ʌ cup|AO ɔ law|AW aʊ house|AY aɪ time|EH ɛ bed|ER ɝ bird|EY eɪ day|"
    "IH ɪ sit|IY i see|OW oʊ go|OY ɔɪ boy|UH ʊ book|UW u food",
    "consonant": "B b bed|CH tʃ church|D d day|DH ð this|F f five|G ɡ go|HH h house|JH dʒ judge|K k cat|L l leg|"
    "M m man|N n no|NG ŋ sing|P p pen|R ɹ red|S s sun|SH ʃ she|T t ten|TH θ think|V v voice|W w we|Y j yes|Z z zoo|"
    "ZH ʒ measure",
}
# a consonant -> the kana of its syllable with a, or where Japanese has none, with another vowel
JAPANESE = (
    "b バ|by ビャ|ch チャ|d ダ|dy デュ|f ファ|g ガ|gy ギャ|h ハ|hy ヒャ|j ジャ|k カ|ky キャ|m マ|my ミャ|"
    "n ナ|ny ニャ|p パ|py ピャ|r ラ|ry リャ|s サ|sh シャ|t タ|ts ツ|v ヴ|w ワ|y ヤ|z ザ|N ン|cl ッ"
)
KOREAN_CONSONANTS, KOREAN_VOWELS = "ㄱㄲㄴㄷㄸㄹㅁㅂㅃㅅㅆㅇㅈㅉㅊㅋㅌㅍㅎ", "ㅏㅐㅓㅔㅗㅜㅡㅣ"
MANDARIN_WRITTEN = {
    "AA": "(a)",
    "EE": "(e)",
    "OO": "(o)",
    "i0": "i (zi)",
    "ir": "i (zhi)",
    "E": "e (ye)",
    "En": "an (yan)",
}


def sounds_of(language: str) -> dict[Sound, tuple[str, str]]:
    """Return every sound of a language, with how it is written and a word that has it, which may be empty."""
    return {
        "en": _english,
        "zh": _mandarin,
        "yue": _cantonese,
        "ja": _japanese,
        "ko": _korean,
    }[language]()


def _english() -> dict[Sound, tuple[str, str]]:
    entries = [(kind, *entry.split()) for kind, table in ENGLISH.items() for entry in table.split("|")]
    return {Sound(kind, symbol): (f"/{ipa}/", word) for kind, symbol, ipa, word in entries}


def _mandarin() -> dict[Sound, tuple[str, str]]:
    sounds = {Sound("initial", name): (MANDARIN_WRITTEN.get(name, name), "") for name in MANDARIN_INITIALS}
    for name in MANDARIN_FINALS:
        sounds[Sound("final", name)] = (MANDARIN_WRITTEN.get(name, name.replace("v", "ü")), "")
    return sounds | {Sound("tone", tone): (f"tone {tone}", "") for tone in "12345"}


def _cantonese() -> dict[Sound, tuple[str, str]]:
    sounds = {Sound("initial", name): (name, "") for name in CANTONESE_INITIALS}
    sounds |= {Sound("final", name): (name, "") for name in [*CANTONESE_RHYMES, "m", "ng"]}
    return sounds | {Sound("tone", tone): (f"tone {tone}", "") for tone in "123456"}


def _japanese() -> dict[Sound, tuple[str, str]]:
    vowels = {Sound("vowel", name): (name, kana) for name, kana in zip("aiueo", "アイウエオ", strict=True)}
    consonants = [entry.split() for entry in JAPANESE.split("|")]
    return vowels | {Sound("consonant", name): (name, kana) for name, kana in consonants}


def _korean() -> dict[Sound, tuple[str, str]]:
    """Give each consonant its syllable with ㅏ, and each vowel its syllable without a consonant."""
    vowel_places = {"ㅏ": 0, "ㅐ": 1, "ㅓ": 4, "ㅔ": 5, "ㅗ": 8, "ㅜ": 13, "ㅡ": 18, "ㅣ": 20}
    consonants = {
        Sound("consonant", name): (name, chr(0xAC00 + place * 588)) for place, name in enumerate(KOREAN_CONSONANTS)
    }
    silent = KOREAN_CONSONANTS.index("ㅇ")
    return consonants | {
        Sound("vowel", name): (name, chr(0xAC00 + silent * 588 + vowel_places[name] * 28)) for name in KOREAN_VOWELS
    }
