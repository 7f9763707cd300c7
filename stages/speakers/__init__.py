"""Whether the clips of a voice are of one speaker, and whether each is said once.

voices.py     the centre of a voice and the speakers besides it, from embeddings (pure)
clip_twins.py which clips hold the same sound, and which of them stay (pure)
hearing.py    hears a clip in a worker process
screening.py  does both for the stage align
statement.py  hears a spoken statement of consent
"""
