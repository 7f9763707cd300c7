"""Korean text to the letters that are pronounced.

normalization.py  written to spoken Korean: dates, money, units, addresses, Latin letters
numbers.py        Sino-Korean and native numerals, counters
phonemes.py       words to symbols, with the grammar that decides some sounds
rules.py          the Standard Pronunciation as tables
words.py          words whose pronunciation does not follow from their letters
"""
