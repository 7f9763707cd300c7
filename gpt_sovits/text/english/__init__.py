"""English text to ARPAbet symbols.

normalization.py    written to spoken English: abbreviations, addresses, symbols
numbers.py          numbers, money, dates, times and units in words
phonemes.py         words to symbols: CMU dictionary, derived words, spelled letters
letter_to_sound.py  rules for words that no dictionary explains
"""
