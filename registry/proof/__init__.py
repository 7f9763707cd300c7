"""Proof: from a release back to the recordings, link by link, and a signed statement about it.

    links.py          what a link is, and which one is the first that is broken
    release_links.py  scores -> registered candidate -> verdict -> release, from the registry alone
    provenance.py     the proof as an in-toto statement with SLSA provenance
    envelope.py       a statement in a signed DSSE envelope

The links from the recordings to the scores need DVC, so they are in `flows/proof`.
"""
