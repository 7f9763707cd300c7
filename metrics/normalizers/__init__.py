"""The rules of metrics/normalize.py. They are independent of the front end that the voice reads with.

english.py       words
chinese.py       Mandarin and Cantonese
japanese.py      Japanese
korean.py        Korean
characters.py    what the languages have in common whose unit is the character
han_numerals.py  Chinese and Japanese numerals as digits
"""
