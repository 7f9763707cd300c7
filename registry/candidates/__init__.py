"""A voice with its scores as one MLflow model version, and what it scores later.

candidate.py    register a candidate, find one, and read its files back with their hashes checked
fingerprint.py  the hashes that identify a candidate
voice_model.py  the voice as an MLflow model that speaks
smoke.py        the smallest proof that a voice works: it speaks one sentence
rescoring.py    later scores of a registered version
drift.py        what changed between two scorecards of the same version
"""
