"""English text to ARPAbet symbols.

normalization.py    written to spoken English: the rules in order, capitals, addresses, symbols
abbreviations.py    titles, streets, companies, "no." and "vs"
roman_numerals.py   Roman numerals by their neighbours
numbers.py          dates, times, money, fractions, ranges and signs
identifiers.py      telephone numbers, codes, rooms, models, file names
units.py            units, and letters after numbers (5G, 10M)
numerals.py         numbers in words
phonemes.py         words to symbols: CMU dictionary, derived words, spelled letters
heteronyms.py       words with two pronunciations
letter_to_sound.py  rules for words that no dictionary explains
"""
