"""Japanese text to phonemes with pitch.

normalization.py  written to spoken Japanese: money, dates, times, units, addresses
readings.py       readings in context that Open JTalk's dictionary lacks
phonemes.py       Open JTalk's labels to symbols
"""
