"""Where speech comes from, said by a signature: a C2PA manifest inside the file, or a signed statement beside it.

    facts.py         what is said: made by an AI, by which voice and version, when
    identity.py      the certificate that signs, and those that are trusted
    development.py   a certificate of its own making, for development
    certificates.py  chains and their trust, algorithms by key
    embedding.py     C2PA manifests in mp3, wav, flac and m4a
    sidecars.py      signed statements for formats that C2PA cannot mark, and for streams
    marking.py       marks a file
    verification.py  tells what a file says of itself, and whether that is true
    isolation.py     verifies files of strangers in a process of its own
    service.py       all of it as the API uses it, and the sidecars of streams for a bounded time
    routes.py        POST /v1/provenance/verify and GET /v1/provenance/{request_id}

Nothing here uses the network: no remote manifest, no revocation service, no timestamp authority.
"""
