"""Mandarin and Cantonese text to symbols, each character with its own.

normalization.py     written to spoken Chinese, for both languages
numbers.py           Chinese numerals
identifiers.py       codes, rooms, trains, models: digits one by one
units.py             units, and the nouns that take 两
mandarin.py          Mandarin characters to words, pinyin and symbols
mandarin_words.py    tables: readings in context, neutral tones, surnames, erhua
mandarin_sandhi.py   tones in connected speech
pinyin_symbols.py    a pinyin syllable to its two symbols
cantonese.py         Cantonese characters to Jyutping and symbols
jyutping_symbols.py  a Jyutping syllable to its two symbols
"""
