"""The rules of metrics/normalize.py. They are independent of the front end that the voice reads with.

english.py            words
english_units.py      units of measure: 20 mm, twenty millimeters
english_numerals.py   Roman numerals, days of a month, pairs such as 24/7
english_spellings.py  whisper's table of spellings, mended
chinese.py            Mandarin and Cantonese
japanese.py           Japanese
korean.py             Korean
characters.py         what the languages have in common whose unit is the character
han_numerals.py       Chinese and Japanese numerals as digits
"""
