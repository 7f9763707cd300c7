"""HTTP in, speech out, over released voices.

    messages.py  what passes between the API and the engine
    errors.py    every error that a client can get: its type, status and what to do
    settings.py  the section `serve` of params.yaml

The process that speaks HTTP imports no torch. Only the processes of serving/engine do.
"""
