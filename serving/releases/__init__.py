"""Which versions are served: the champions of the journal, and versions that once were champion.

    snapshots.py  what the registry says about a voice at one moment, and whether anything changed since
    pairs.py      one released version: its files, checked, and what its verdict allows
    table.py      what is served now, replaced whole; admission, and the check before delivery
    follower.py   keeps the snapshots of the table up to date

Nothing here imports torch. Loading the weights is the engine's part.
"""
