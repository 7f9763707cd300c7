"""The processes that speak, and the client through which the API uses them.

In the process of the API, without torch:

    client.py     EngineClient: speaks requests, follows the releases, says how it is
    pricing.py    how long a text takes, from its phonemes
    capacity.py   what is admitted, and when to come back
    running.py    one admitted request: its events, and how it ends
    loading.py    which pairs the workers hold: loaded beside the old ones, checked, unloaded
    pool.py       starts the workers, restarts them when they die, replaces them when they grow
    process.py    one worker as the API sees it
    frames.py     what passes between API and worker: JSON and sound, nothing is unpickled

In a worker:

    worker.py     the program of a worker: reads frames, and runs the scheduler
    scheduler.py  who speaks next: the stream whose listener runs dry first, then the batch
    streams.py    the real-time lane: one text as a stream
    batches.py    the batch lane: sentences of several requests together
    pairs.py      the loaded pairs, and their first sentence
"""
