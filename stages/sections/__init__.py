"""The sections of params.yaml as frozen types. stages/params.py puts them together.

section.py     what every section refuses
data.py        ingest, segment, align and features: from recordings to training data
training.py    adapt_sovits and adapt_gpt
evaluation.py  evaluate and register: how the voice speaks, is scored and is registered
presets.py     presets: how the voice speaks for other uses
consent.py     consent: what follows from a revocation
"""
