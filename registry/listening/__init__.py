"""Blind listening: people compare candidate and champion without knowing which is which, and vote.

trials.py         which utterances can be compared, and the next question to a listener
randomization.py  which side is A and what comes next, drawn by lot from a salt
blind_audio.py    two sounds that differ in nothing but the speech
votes.py          the votes: cast, signed, and counted for the gate
"""
