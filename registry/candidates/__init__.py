"""A voice with its scores as one MLflow model version, and what it scores later.

registration.py          register a voice with its scores, once, whole or not at all
candidate.py             find a candidate, and read its files back with their hashes checked
signed_registrations.py  the signed rows that say what was registered
artifacts.py             where the files are: in place, or a copy kept by its hash
fingerprint.py           the hashes that identify a candidate
voice_model.py           the voice as an MLflow model that speaks
smoke.py                 the smallest proof that a voice works: it speaks one sentence
rescoring.py             later scores of a registered version
drift.py                 what changed between two scorecards of the same version
"""
