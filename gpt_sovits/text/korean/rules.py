"""The Standard Pronunciation of Korean (표준 발음법) as tables: final consonant and next initial -> what is heard.

A text is a list of syllables; between two of them stands a Border with what spelling alone does not say. Articles are
cited by number. Across a space consonants change each other as inside a word, but no final moves to the next word:
that is how g2pk2 does it, with whose output the voices of GPT-SoVITS were trained.
"""

import dataclasses

# article 9 to 11: what a final is when it is not followed by a vowel
CLOSED = {
    "": "", "ㄱ": "ㄱ", "ㄲ": "ㄱ", "ㅋ": "ㄱ", "ㄳ": "ㄱ", "ㄺ": "ㄱ", "ㄴ": "ㄴ", "ㄵ": "ㄴ", "ㄶ": "ㄴ",
    "ㄷ": "ㄷ", "ㅅ": "ㄷ", "ㅆ": "ㄷ", "ㅈ": "ㄷ", "ㅊ": "ㄷ", "ㅌ": "ㄷ", "ㅎ": "ㄷ", "ㄹ": "ㄹ", "ㄼ": "ㄹ",
    "ㄽ": "ㄹ", "ㄾ": "ㄹ", "ㅀ": "ㄹ", "ㅁ": "ㅁ", "ㄻ": "ㅁ", "ㅂ": "ㅂ", "ㅍ": "ㅂ", "ㄿ": "ㅂ", "ㅄ": "ㅂ",
    "ㅇ": "ㅇ",
}  # fmt: skip
# article 12.4, 13, 14: (what stays, what moves) before a vowel
OPENED = {final: ("", final) for final in "ㄱㄲㄴㄷㄹㅁㅂㅅㅆㅈㅊㅋㅌㅍ"} | {
    "ㄳ": ("ㄱ", "ㅆ"), "ㄵ": ("ㄴ", "ㅈ"), "ㄶ": ("", "ㄴ"), "ㄺ": ("ㄹ", "ㄱ"), "ㄻ": ("ㄹ", "ㅁ"),
    "ㄼ": ("ㄹ", "ㅂ"), "ㄽ": ("ㄹ", "ㅆ"), "ㄾ": ("ㄹ", "ㅌ"), "ㄿ": ("ㄹ", "ㅍ"), "ㅀ": ("", "ㄹ"),
    "ㅄ": ("ㅂ", "ㅆ"), "ㅎ": ("", "ㅇ"), "": ("", "ㅇ"), "ㅇ": ("ㅇ", "ㅇ"),
}  # fmt: skip
PALATAL = {"ㄷ": ("", "ㅈ"), "ㅌ": ("", "ㅊ"), "ㄾ": ("ㄹ", "ㅊ")}  # article 17, before i and yeo
TENSE = {"ㄱ": "ㄲ", "ㄷ": "ㄸ", "ㅂ": "ㅃ", "ㅅ": "ㅆ", "ㅈ": "ㅉ"}
ASPIRATED = {"ㄱ": "ㅋ", "ㄷ": "ㅌ", "ㅂ": "ㅍ", "ㅈ": "ㅊ"}
# article 12.1: (what stays, what is heard for the h) after a final
BEFORE_H = {"ㄱ": ("", "ㅋ"), "ㄺ": ("ㄹ", "ㅋ"), "ㄷ": ("", "ㅌ"), "ㅂ": ("", "ㅍ"), "ㄼ": ("ㄹ", "ㅍ")}
BEFORE_H |= {"ㅈ": ("", "ㅊ"), "ㄵ": ("ㄴ", "ㅊ")}
WITH_H = {"ㅎ": "", "ㄶ": "ㄴ", "ㅀ": "ㄹ"}  # finals with h, and what else they hold
NASAL = {"ㄱ": "ㅇ", "ㄷ": "ㄴ", "ㅂ": "ㅁ"}  # article 18
TENSE_STEMS = {"ㄴ", "ㄵ", "ㅁ", "ㄻ", "ㄼ", "ㄾ"}  # articles 24, 25
PALATALISING = {"ㅣ", "ㅕ"}
Y_VOWELS = set("ㅣㅑㅕㅛㅠㅖㅒ")
PLAIN_E = {"ㅈ", "ㅉ", "ㅊ"}  # article 5.1: 져 쪄 쳐 are 저 쩌 처


@dataclasses.dataclass
class Syllable:
    """One syllable: initial ("ㅇ" for none), vowel, final ("" for none)."""

    initial: str
    vowel: str
    final: str


@dataclasses.dataclass
class Border:
    """What stands between a syllable and the next, beyond their letters."""

    gap: bool = False  # a space
    stem: bool = False  # the end of a verb's stem, before its ending
    particle: bool = False  # the end of a noun, before a particle or 하다
    object_particle: bool = False  # after 을 or 를
    tense: bool = False  # the next consonant is tense (articles 26 to 28)
    inserted: bool = False  # an n comes in between (29)
    apart: bool = False  # the final is closed before the next word's vowel (15)
    unmerged: bool = False  # n and l do not become ll (20)


def pronounce(syllables: list[Syllable], borders: list[Border]) -> None:
    """Turn spelling into pronunciation, in place. borders[i] stands after syllables[i], one for each but the last."""
    for this in syllables:
        if this.vowel == "ㅢ" and this.initial != "ㅇ":  # 5.3, of spelling: 희망 [히망], but 문의 [무늬]
            this.vowel = "ㅣ"
    for this, following, border in zip(syllables, syllables[1:], borders, strict=False):
        if border.inserted and following.initial == "ㅇ" and following.vowel in Y_VOWELS:
            following.initial = "ㄴ"
        if border.tense or (border.stem and this.final in TENSE_STEMS and following.initial != "ㅂ"):
            following.initial = TENSE.get(following.initial, following.initial)
        this.final, following.initial = _meeting(this, following, border)
    for i, this in enumerate(syllables):
        if i == len(syllables) - 1:
            this.final = CLOSED[this.final]
        if this.vowel == "ㅕ" and this.initial in PLAIN_E:
            this.vowel = "ㅓ"


def _meeting(this: Syllable, following: Syllable, border: Border) -> tuple[str, str]:
    """(the final, the next initial) as they sound together."""
    final, initial = this.final, following.initial
    if initial == "ㅇ":
        return _before_vowel(final, following.vowel, border)
    if initial == "ㅎ":
        return _before_h(final, following, border)
    if final in WITH_H and initial in (*ASPIRATED, "ㅅ"):  # 12.1, 12.2
        return WITH_H[final], ASPIRATED.get(initial, "ㅆ")
    if final == "ㄺ" and initial == "ㄱ" and border.stem:  # 11: 맑게 [말께]
        return "ㄹ", "ㄲ"
    closed = "ㅂ" if final == "ㄼ" and _keeps_b(this, following) else CLOSED[final]
    if (closed in NASAL and final != "ㅎ") or final == "ㄽ":  # 23
        initial = TENSE.get(initial, initial)
    return _assimilated(closed, initial, border)


def _before_vowel(final: str, vowel: str, border: Border) -> tuple[str, str]:
    if border.gap:
        return CLOSED[final], "ㅇ"
    if border.apart:
        return OPENED[CLOSED[final]]
    if final in PALATAL and vowel in PALATALISING:
        return PALATAL[final]
    return OPENED[final]


def _before_h(final: str, following: Syllable, border: Border) -> tuple[str, str]:
    """12.1: across a space and before a particle the final is closed first: 값하다 [가파다], 꽃 한 [꼬 탄]."""
    suffix = following.vowel in PALATALISING and following.final != "ㅇ"  # 히, 혀, 혔; not the 형 of 맏형
    if final == "ㄷ" and suffix and not border.gap:  # 17: 굳히다 [구치다]
        return "", "ㅊ"
    if (border.gap or border.particle or final not in BEFORE_H) and final not in WITH_H:
        final = CLOSED[final]
    return BEFORE_H.get(final, (CLOSED[final] if final not in WITH_H else WITH_H[final], "ㅎ"))


def _assimilated(closed: str, initial: str, border: Border) -> tuple[str, str]:
    """18 to 20: nasals and l."""
    if closed in NASAL and initial in ("ㄴ", "ㅁ", "ㄹ"):
        return NASAL[closed], "ㄴ" if initial == "ㄹ" else initial
    if closed in ("ㅁ", "ㅇ") and initial == "ㄹ":
        return closed, "ㄴ"
    if closed == "ㄴ" and initial == "ㄹ":
        return ("ㄴ", "ㄴ") if border.unmerged else ("ㄹ", "ㄹ")
    if closed == "ㄹ" and initial == "ㄴ" and not border.object_particle:
        return "ㄹ", "ㄹ"
    return closed, initial


def _keeps_b(this: Syllable, following: Syllable) -> bool:
    """10: 밟다 is [밥따], 넓죽하다 [넙쭈카다], 넓둥글다 [넙뚱글다]."""
    if (this.initial, this.vowel) == ("ㅂ", "ㅏ"):
        return True
    return (this.initial, this.vowel) == ("ㄴ", "ㅓ") and following.initial in "ㄷㅈㄸㅉ" and following.vowel == "ㅜ"
