"""Korean to phonemes: normalization, the Standard Pronunciation, then the letters of each syllable.

Grammar decides some sounds (신을 신고 [신꼬], 할 것 [할 껃]), so mecab-ko analyses the words. The package
python-mecab-ko-dic contains its dictionary, so nothing is downloaded. GPT-SoVITS uses g2pk2, which uses the same
analyser. Its conventions hold here: a space is 空, consonants change each other across it, and 의 is never 에.
"""

import functools
import itertools
import re

from gpt_sovits.text.korean.normalization import FINALS, INITIALS, PAUSE_MARKS, VOWELS, name_letters, spoken_form
from gpt_sovits.text.korean.rules import Border, Syllable, pronounce
from gpt_sovits.text.korean.words import BORDER_SIGNS, WORDS

SPACE = "空"
VOWEL_PARTS = {  # the table has eight vowels, the others are written as two
    "ㅘ": "ㅗㅏ", "ㅙ": "ㅗㅐ", "ㅚ": "ㅗㅣ", "ㅝ": "ㅜㅓ", "ㅞ": "ㅜㅔ", "ㅟ": "ㅜㅣ", "ㅢ": "ㅡㅣ",
    "ㅑ": "ㅣㅏ", "ㅒ": "ㅣㅐ", "ㅕ": "ㅣㅓ", "ㅖ": "ㅣㅔ", "ㅛ": "ㅣㅗ", "ㅠ": "ㅣㅜ",
}  # fmt: skip
# article 16: before a vowel, the names of letters have other finals than their spelling
LETTER_NAMES = {
    "디귿": "디긋",
    "지읒": "지읏",
    "치읓": "치읏",
    "키읔": "키윽",
    "티읕": "티읏",
    "피읖": "피읍",
    "히읗": "히읏",
}
LETTER_NAME = re.compile(f"({'|'.join(LETTER_NAMES)})(?=[아-잏])")
N_INSERTION_PARTS = {"역", "잎", "엿", "윷"}  # as the last part of a compound noun (article 29)
SUFFIXES_TENSE_AFTER_L = {"적", "성", "점", "증", "장", "자"}  # 기술적 [기술쩍], 현실성 [현실썽]
PIECE = re.compile(rf"[{re.escape(PAUSE_MARKS)}]|[^{re.escape(PAUSE_MARKS)}]+")


def text_to_phonemes(text: str) -> tuple[list[str], str]:
    """Turn a Korean text into symbols.

    Args:
        text: Korean. Chinese characters are read if the dictionary has the word, and Latin letters are named.

    Returns:
        The symbols of the table (pauses are ! ? … , . and -, a space is 空), and the spoken form that they stand for.

    Raises:
        ValueError: If the text contains letters of a script that Korean does not use. Dropping them would lose words.
    """
    spoken = name_letters(spoken_form(text))
    symbols: list[str] = []
    for piece in PIECE.findall(spoken):
        symbols += [piece] if piece in PAUSE_MARKS else _clause(piece)
    if symbols:  # in a longer text, the spaces around this piece separate it from words of another language
        symbols = [SPACE] * text[0].isspace() + symbols + [SPACE] * text[-1].isspace()
    return symbols, spoken


def _clause(piece: str) -> list[str]:
    """Return the symbols of words without punctuation. A space at either end is kept."""
    text = piece.strip()
    before, after = piece.startswith(" "), piece.endswith(" ") and text != ""
    return [SPACE] * before + (_pronounce_words(text) if text else []) + [SPACE] * after


def _pronounce_words(text: str) -> list[str]:
    text = LETTER_NAME.sub(lambda m: LETTER_NAMES[m[1]], text)
    words = _morphemes(text)
    text = _replace_hanja(text, words)
    foreign = sorted({c for c in text if not "가" <= c <= "힣" and c != " "})
    if foreign:
        raise ValueError(f"cannot speak {''.join(foreign[:10])!r} as Korean; write such words in Hangul")
    places = [i for i, c in enumerate(text) if c != " "]
    borders = {i: Border(space=text[i + 1 : i + 2] == " ") for i in places}
    _mark_grammar(text, words, borders)
    _mark_listed_words(text, words, borders)
    syllables = {i: _decompose(text[i]) for i in places}
    pronounce(list(syllables.values()), list(borders.values()))
    return [symbol for i, c in enumerate(text) for symbol in ([SPACE] if c == " " else _split_letters(syllables[i]))]


@functools.cache
def _analyser():
    import mecab

    return mecab.MeCab()


def _morphemes(text: str) -> list:
    """Return mecab's morphemes in order. `span` is the position of each."""
    return _analyser().parse(text)


def _replace_hanja(text: str, words: list) -> str:
    """Replace Chinese characters by their readings in Hangul, one for one."""
    for word in words:
        reading = word.feature.reading or ""
        if len(reading) == len(word.surface) and re.search("[\u3400-\u9fff\uf900-\ufaff]", word.surface):
            text = text[: word.span.start] + reading + text[word.span.end :]
    return text


def _mark_grammar(text: str, words: list, borders: dict[int, Border]) -> None:
    """Mark stems before endings, nouns before particles, and endings in ㄹ that make the next consonant tense."""
    for word, following in zip(words, [*words[1:], None], strict=True):
        last = word.span.end - 1
        tag, next_tag = word.feature.pos, following.feature.pos if following else ""
        adjacent = following is not None and following.span.start == word.span.end
        if tag in ("VV", "VA", "VX") and next_tag.startswith("E") and adjacent:
            borders[last].stem_end = True
        if tag.startswith(("N", "M")) and adjacent:
            borders[last].noun_end = next_tag.startswith(("J", "X"))
            if next_tag.startswith("NN"):
                _mark_compound(borders[last], following.surface)
            if (
                next_tag == "XSN"
                and following.surface in SUFFIXES_TENSE_AFTER_L
                and _decompose(text[last]).final == "ㄹ"
            ):
                borders[last].tense = True
        if word.surface in ("을", "를") and tag == "JKO":
            borders[last].object_particle = True
        _mark_l_endings(word, borders)
        _mark_parts(word, borders)


def _mark_compound(border: Border, second: str) -> None:
    """Mark the border between two nouns in one word (articles 15, 29)."""
    border.word_boundary = _decompose(second[0]).vowel in "ㅏㅓㅗㅜㅟ" if "가" <= second[0] <= "힣" else False
    border.n_insertion = second in N_INSERTION_PARTS


def _morpheme_parts(word) -> list[tuple[str, str]]:
    """Return the parts of a morpheme, [(form, tag)], or the morpheme itself if the dictionary does not give any."""
    expression = word.feature.expression
    if not expression:
        return [(word.surface, word.feature.pos)]
    return [tuple(part.split("/")[:2]) for part in expression.split("+")]


def _mark_parts(word, borders: dict[int, Border]) -> None:
    """Mark the borders inside a compound noun."""
    parts = _morpheme_parts(word)
    if word.feature.type != "Compound" or "".join(form for form, _ in parts) != word.surface:
        return
    place = word.span.start
    for (form, _), (second, _) in itertools.pairwise(parts):
        place += len(form)
        _mark_compound(borders[place - 1], second)


def _mark_l_endings(word, borders: dict[int, Border]) -> None:
    """Apply article 27 after -(으)ㄹ, which is a whole ending (할 것) or the start of a longer one (할게, 먹을수록)."""
    form, tag = _morpheme_parts(word)[-1]
    if not tag.startswith("E") or form[0] not in "ᆯㄹ을":
        return
    place = word.span.end - len(form)
    if len(form) > 1 or tag == "ETM":
        borders[place].tense = True


@functools.cache
def _listed_words() -> tuple[re.Pattern[str], dict[str, str]]:
    """Return a pattern of all listed words, the longest first, and each word with its signs."""
    words_with_signs = {re.sub(r"[*+|-]", "", word): word for word in WORDS}
    return re.compile("|".join(sorted(words_with_signs, key=len, reverse=True))), words_with_signs


def _mark_listed_words(text: str, words: list, borders: dict[int, Border]) -> None:
    """Mark listed words that begin with a morpheme, except noun and particle in two syllables (주가 as 주 with 가)."""
    pattern, words_with_signs = _listed_words()
    starts = {word.span.start for word in words}
    particles = {word.span.start for word in words if word.feature.pos.startswith("J")}
    place = 0
    while m := pattern.search(text, place):
        if m.start() not in starts or (len(m[0]) == 2 and m.start() + 1 in particles):
            place = m.start() + 1
            continue
        place, i = m.end(), m.start() - 1
        for c in words_with_signs[m[0]]:
            if c in BORDER_SIGNS:
                setattr(borders[i], BORDER_SIGNS[c], True)
            else:
                i += 1


def _decompose(character: str) -> Syllable:
    order = ord(character) - 0xAC00
    return Syllable(INITIALS[order // 588], VOWELS[order // 28 % 21], FINALS[order % 28])


def _split_letters(syllable: Syllable) -> list[str]:
    return [*syllable.initial, *VOWEL_PARTS.get(syllable.vowel, syllable.vowel), *syllable.final]
