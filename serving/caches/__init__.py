"""What was spoken before, so that it is not spoken again: whole requests, and sentences of the batch lane.

    requests.py   whole requests, in the process of the API: CachingEngine
    sentences.py  sentences, in the workers: whatever decides the samples of a sentence is its key
    layers.py     memory first, then what lasts longer; how a cache is opened from the section `serve.cache`
    memory.py     the memory of one process
    disk.py       a folder, which the processes of one machine share
    remote.py     a Redis server, which several nodes share
    code.py       the code that made the sound, which is a part of every key
    entries.py    bytes with a hash before them, so that what is damaged counts as missing

A cache may lose anything at any time. It never says something else than what was put in, and it never fails a request.
"""
