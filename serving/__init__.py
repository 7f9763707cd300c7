"""HTTP in, speech out, over released voices.

    messages.py  what passes between the API and the engine
    errors.py    every error that a client can get: its type, status and what to do
    cache.py     what was said before, in memory
    settings.py  the section `serve` of params.yaml
    database.py  keys, jobs and the audit in SQLite or PostgreSQL
    keys/        who may use which voices, lanes and purposes
    jobs/        speech that can wait, durably
    audit/       one row per request
    tables.py    the tables of the three, and migrations/ how they came to be

The process that speaks HTTP imports no torch. Only the processes of serving/engine do.
"""
