"""The 732 symbols of GPT-SoVITS v2, v2Pro and v2ProPlus. The id of a symbol is its position in SYMBOLS.

Checkpoints depend on the order, which grew with upstream: first one sorted set for Chinese, Japanese and English (the
whole table of v1), then the Japanese pitch marks, then Korean, then Cantonese, each sorted by code point.
Source: GPT-SoVITS, github.com/RVC-Boss/GPT-SoVITS text/symbols2.py (rebuilt here from its parts).
"""

# ruff: noqa: SIM905 - tables of short symbols read better as text
from itertools import product

PAD = "_"
UNKNOWN = "UNK"
PUNCTUATION = ("!", "?", "…", ",", ".", "-")
PAUSES = ("SP", "SP2", "SP3")

ENGLISH_VOWELS = "AA AE AH AO AW AY EH ER EY IH IY OW OY UH UW".split()  # with a stress: 0 none, 1 primary, 2 secondary
ENGLISH_CONSONANTS = "B CH D DH F G HH JH K L M N NG P R S SH T TH V W Y Z ZH".split()
ENGLISH_STRESSLESS = ["ER", "IH"]  # in the table, never produced
ENGLISH = [v + s for v, s in product(ENGLISH_VOWELS, "012")] + ENGLISH_CONSONANTS + ENGLISH_STRESSLESS

MANDARIN_INITIALS = "b p m f d t n l g k h j q x zh ch sh r z c s y w AA EE OO".split()  # capitals: no onset
MANDARIN_FINALS = (
    "a ai an ang ao e ei en eng er o ong ou u ua uai uan uang ui un uo v van ve vn "
    "i ia ian iang iao ie in ing iong iu "
    "i0 ir "  # the i of "si" and of "shi"
    "E En"  # the e of "ye" and of "yan"
).split()
MANDARIN = MANDARIN_INITIALS + [final + tone for final, tone in product(MANDARIN_FINALS, "12345")]

JAPANESE_VOWELS = "a i u e o I U".split()  # capitals: devoiced
JAPANESE_CONSONANTS = "b by ch cl d dy f g gy h hy j k ky m my n N ny p py r ry s sh t ts v w y z".split()
JAPANESE = JAPANESE_VOWELS + JAPANESE_CONSONANTS
JAPANESE_PITCH = ["[", "]"]  # rise, fall

KOREAN = list("ㄱㄲㄴㄷㄸㄹㅁㅂㅃㅅㅆㅇㅈㅉㅊㅋㅌㅍㅎㅏㅐㅓㅔㅗㅜㅡㅣ空停")  # the last two: space, unknown

# Jyutping after a Y that keeps it apart from pinyin. The table also holds rhymes without a tone and codas with one
CANTONESE_INITIALS = "b p m f d t n l g k ng gw kw h w z c s j".split()
CANTONESE_RHYMES = (
    "aa aai aau aam aan aang aap aat aak a ai au am an ang ap at ak "
    "e ei eng ek i iu im in ing ip it ik o oi ou on ong ot ok "
    "oe oeng oek eoi eon eot u ui un ung ut uk yu yun yut"
).split()
CANTONESE_TONELESS = "a aa ai ak au e o oi ok on ou uk".split()
CANTONESE_CODAS = "g k m n p t".split()
CANTONESE = [
    "Y" + part
    for part in (
        *CANTONESE_INITIALS,
        *CANTONESE_TONELESS,
        *(rhyme + tone for rhyme, tone in product([*CANTONESE_RHYMES, *CANTONESE_CODAS], "123456")),
    )
]

SYMBOLS: tuple[str, ...] = (
    *sorted({PAD, UNKNOWN, *PUNCTUATION, *PAUSES, *MANDARIN, *JAPANESE, *ENGLISH}),
    *JAPANESE_PITCH,
    *sorted(KOREAN),
    *sorted(set(CANTONESE)),
)
SYMBOL_IDS: dict[str, int] = {symbol: i for i, symbol in enumerate(SYMBOLS)}
