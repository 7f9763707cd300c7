"""The Standard Pronunciation of Korean (표준 발음법) as tables: final consonant and next initial -> sounds.

A text is a list of syllables. A Border between two of them holds what the spelling does not tell. Numbers in
comments are articles of the standard. Consonants change each other across a space as inside a word, but no final moves
to the next word. g2pk2 does the same, and the voices of GPT-SoVITS were trained with its output.
"""

import dataclasses

# articles 9 to 11: finals that are not followed by a vowel
CLOSED_FINALS = {
    "": "", "ㄱ": "ㄱ", "ㄲ": "ㄱ", "ㅋ": "ㄱ", "ㄳ": "ㄱ", "ㄺ": "ㄱ", "ㄴ": "ㄴ", "ㄵ": "ㄴ", "ㄶ": "ㄴ",
    "ㄷ": "ㄷ", "ㅅ": "ㄷ", "ㅆ": "ㄷ", "ㅈ": "ㄷ", "ㅊ": "ㄷ", "ㅌ": "ㄷ", "ㅎ": "ㄷ", "ㄹ": "ㄹ", "ㄼ": "ㄹ",
    "ㄽ": "ㄹ", "ㄾ": "ㄹ", "ㅀ": "ㄹ", "ㅁ": "ㅁ", "ㄻ": "ㅁ", "ㅂ": "ㅂ", "ㅍ": "ㅂ", "ㄿ": "ㅂ", "ㅄ": "ㅂ",
    "ㅇ": "ㅇ",
}  # fmt: skip
# articles 12.4, 13, 14: (what stays, what moves to the next syllable)
FINALS_BEFORE_VOWEL = {final: ("", final) for final in "ㄱㄲㄴㄷㄹㅁㅂㅅㅆㅈㅊㅋㅌㅍ"} | {
    "ㄳ": ("ㄱ", "ㅆ"), "ㄵ": ("ㄴ", "ㅈ"), "ㄶ": ("", "ㄴ"), "ㄺ": ("ㄹ", "ㄱ"), "ㄻ": ("ㄹ", "ㅁ"),
    "ㄼ": ("ㄹ", "ㅂ"), "ㄽ": ("ㄹ", "ㅆ"), "ㄾ": ("ㄹ", "ㅌ"), "ㄿ": ("ㄹ", "ㅍ"), "ㅀ": ("", "ㄹ"),
    "ㅄ": ("ㅂ", "ㅆ"), "ㅎ": ("", "ㅇ"), "": ("", "ㅇ"), "ㅇ": ("ㅇ", "ㅇ"),
}  # fmt: skip
PALATALIZED_FINALS = {"ㄷ": ("", "ㅈ"), "ㅌ": ("", "ㅊ"), "ㄾ": ("ㄹ", "ㅊ")}  # article 17, before i and yeo
TENSE_CONSONANTS = {"ㄱ": "ㄲ", "ㄷ": "ㄸ", "ㅂ": "ㅃ", "ㅅ": "ㅆ", "ㅈ": "ㅉ"}
ASPIRATED_CONSONANTS = {"ㄱ": "ㅋ", "ㄷ": "ㅌ", "ㅂ": "ㅍ", "ㅈ": "ㅊ"}
# article 12.1: (what stays, the sound of final and h)
FINALS_BEFORE_H = {"ㄱ": ("", "ㅋ"), "ㄺ": ("ㄹ", "ㅋ"), "ㄷ": ("", "ㅌ"), "ㅂ": ("", "ㅍ"), "ㄼ": ("ㄹ", "ㅍ")}
FINALS_BEFORE_H |= {"ㅈ": ("", "ㅊ"), "ㄵ": ("ㄴ", "ㅊ")}
FINALS_WITH_H = {"ㅎ": "", "ㄶ": "ㄴ", "ㅀ": "ㄹ"}  # finals that contain h -> what remains without it
NASALIZED_FINALS = {"ㄱ": "ㅇ", "ㄷ": "ㄴ", "ㅂ": "ㅁ"}  # article 18
TENSING_STEM_FINALS = {"ㄴ", "ㄵ", "ㅁ", "ㄻ", "ㄼ", "ㄾ"}  # articles 24, 25
PALATALIZING_VOWELS = {"ㅣ", "ㅕ"}
Y_VOWELS = set("ㅣㅑㅕㅛㅠㅖㅒ")
PALATAL_INITIALS = {"ㅈ", "ㅉ", "ㅊ"}  # article 5.1: 져 쪄 쳐 are 저 쩌 처


@dataclasses.dataclass
class Syllable:
    """A syllable of one to three letters.

    Attributes:
        initial: The first consonant, "ㅇ" if there is none.
        vowel: The vowel.
        final: The last consonant or cluster, "" if there is none.
    """

    initial: str
    vowel: str
    final: str


@dataclasses.dataclass
class Border:
    """What is between a syllable and the next one, apart from their letters."""

    space: bool = False
    stem_end: bool = False  # the end of the stem of a verb, before its ending
    noun_end: bool = False  # the end of a noun, before a particle or 하다
    object_particle: bool = False  # after 을 or 를
    tense: bool = False  # the next consonant is tense (articles 26 to 28)
    n_insertion: bool = False  # an n is inserted (article 29)
    word_boundary: bool = False  # the final does not move to the vowel of the next word (article 15)
    no_lateralization: bool = False  # n and l do not become ll (article 20)


def pronounce(syllables: list[Syllable], borders: list[Border]) -> None:
    """Turn spelling into pronunciation, in place.

    Args:
        syllables: The syllables of a text without punctuation.
        borders: borders[i] is between syllables[i] and the next one. A border after the last one is ignored.
    """
    for current in syllables:
        if current.vowel == "ㅢ" and current.initial != "ㅇ":  # 5.3, by spelling: 희망 [히망], but 문의 [무늬]
            current.vowel = "ㅣ"
    for current, following, border in zip(syllables, syllables[1:], borders, strict=False):
        if border.n_insertion and following.initial == "ㅇ" and following.vowel in Y_VOWELS:
            following.initial = "ㄴ"
        if border.tense or (border.stem_end and current.final in TENSING_STEM_FINALS and following.initial != "ㅂ"):
            following.initial = TENSE_CONSONANTS.get(following.initial, following.initial)
        current.final, following.initial = _join_consonants(current, following, border)
    for i, current in enumerate(syllables):
        if i == len(syllables) - 1:
            current.final = CLOSED_FINALS[current.final]
        if current.vowel == "ㅕ" and current.initial in PALATAL_INITIALS:
            current.vowel = "ㅓ"


def _join_consonants(current: Syllable, following: Syllable, border: Border) -> tuple[str, str]:
    """Return (final, next initial) as they sound together."""
    final, initial = current.final, following.initial
    if initial == "ㅇ":
        return _before_vowel(final, following.vowel, border)
    if initial == "ㅎ":
        return _before_h(final, following, border)
    if final in FINALS_WITH_H and initial in (*ASPIRATED_CONSONANTS, "ㅅ"):  # 12.1, 12.2
        return FINALS_WITH_H[final], ASPIRATED_CONSONANTS.get(initial, "ㅆ")
    if final == "ㄺ" and initial == "ㄱ" and border.stem_end:  # 11: 맑게 [말께]
        return "ㄹ", "ㄲ"
    closed = "ㅂ" if final == "ㄼ" and _keeps_b(current, following) else CLOSED_FINALS[final]
    if (closed in NASALIZED_FINALS and final != "ㅎ") or final == "ㄽ":  # 23
        initial = TENSE_CONSONANTS.get(initial, initial)
    return _assimilate(closed, initial, border)


def _before_vowel(final: str, vowel: str, border: Border) -> tuple[str, str]:
    if border.space:
        return CLOSED_FINALS[final], "ㅇ"
    if border.word_boundary:
        return FINALS_BEFORE_VOWEL[CLOSED_FINALS[final]]
    if final in PALATALIZED_FINALS and vowel in PALATALIZING_VOWELS:
        return PALATALIZED_FINALS[final]
    return FINALS_BEFORE_VOWEL[final]


def _before_h(final: str, following: Syllable, border: Border) -> tuple[str, str]:
    """Apply 12.1. Across a space and before a particle the final is closed first: 값하다 [가파다], 꽃 한 [꼬 탄]."""
    suffix = following.vowel in PALATALIZING_VOWELS and following.final != "ㅇ"  # 히, 혀, 혔, but not the 형 of 맏형
    if final == "ㄷ" and suffix and not border.space:  # 17: 굳히다 [구치다]
        return "", "ㅊ"
    if (border.space or border.noun_end or final not in FINALS_BEFORE_H) and final not in FINALS_WITH_H:
        final = CLOSED_FINALS[final]
    if final in FINALS_BEFORE_H:
        return FINALS_BEFORE_H[final]
    return (FINALS_WITH_H[final] if final in FINALS_WITH_H else CLOSED_FINALS[final]), "ㅎ"


def _assimilate(closed: str, initial: str, border: Border) -> tuple[str, str]:
    """Apply articles 18 to 20, on nasals and l."""
    if closed in NASALIZED_FINALS and initial in ("ㄴ", "ㅁ", "ㄹ"):
        return NASALIZED_FINALS[closed], "ㄴ" if initial == "ㄹ" else initial
    if closed in ("ㅁ", "ㅇ") and initial == "ㄹ":
        return closed, "ㄴ"
    if closed == "ㄴ" and initial == "ㄹ":
        return ("ㄴ", "ㄴ") if border.no_lateralization else ("ㄹ", "ㄹ")
    if closed == "ㄹ" and initial == "ㄴ" and not border.object_particle:
        return "ㄹ", "ㄹ"
    return closed, initial


def _keeps_b(current: Syllable, following: Syllable) -> bool:
    """Return whether ㄼ is b (article 10): 밟다 is [밥따], 넓죽하다 [넙쭈카다], 넓둥글다 [넙뚱글다]."""
    if (current.initial, current.vowel) == ("ㅂ", "ㅏ"):
        return True
    return (
        (current.initial, current.vowel) == ("ㄴ", "ㅓ") and following.initial in "ㄷㅈㄸㅉ" and following.vowel == "ㅜ"
    )
