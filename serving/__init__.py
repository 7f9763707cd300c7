"""HTTP in, speech out, over released voices.

    run.py          one process that serves, from its port to its last request
    api/            the routes, the page, health and metrics
    engine/         the processes that speak, and the client that gives them work
    releases/       which versions of which voices are served
    messages.py     what passes between the API and the engine
    engine_layer.py what stands between the two
    errors.py       every error that a client can get: its type, status and what to do
    encoding.py     sound in six formats
    caches/         what was said before, in memory, on the disk or in Redis
    storage/        finished speech, in a folder or in a bucket
    provenance/     marks that say that a machine spoke
    tracing/        spans for OpenTelemetry
    settings.py     the section `serve` of params.yaml
    environment.py  what the processes that it starts may know
    database.py     keys, jobs and the audit in SQLite or PostgreSQL
    keys/           who may use which voices, lanes and purposes
    jobs/           speech that can wait, durably
    audit/          one row per request
    tables.py       the tables of the last three, and migrations/ how they came to be
    extensions.py   how campaigns join a process that serves

The process that speaks HTTP imports no torch. Only the processes of serving/engine do.
"""
