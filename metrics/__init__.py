"""What a score is: word errors, speaker similarity, failures of speech; pure functions and the judges.

Knows nothing of the models it judges: no import of gpt_sovits, stages, flows or registry.
"""
