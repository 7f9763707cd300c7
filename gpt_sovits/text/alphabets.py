"""Ranges of characters by script, each as the inside of a regular expression's brackets."""

HAN = "\u3400-\u9fff\uf900-\ufaff\U00020000-\U0003ffff〇々"
KANA = "\u3041-\u3096\u3099-\u309f\u30a1-\u30fa\u30fc-\u30ff\u31f0-\u31ff"  # without the middle dot: punctuation
HANGUL = "\uac00-\ud7a3"
JAMO = "\u1100-\u11ff\u3131-\u318e"
LATIN = "A-Za-zÀ-ÖØ-öø-ɏḀ-ỿ"  # without the phonetic alphabet: nobody can say [eɪ]

# private-use characters that stand for words of the lexicon: of the main language, and English ones
MAIN_PLACEHOLDERS, ENGLISH_PLACEHOLDERS = "\ue000-\uefff", "\uf000-\uf8ff"
