"""Japanese text to phonemes with pitch.

normalization.py  written to spoken Japanese: money, dates, times, units, addresses
phonemes.py       Open JTalk's labels to symbols
"""
