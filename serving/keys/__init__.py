"""Bearer keys of the clients: who may use which voices, in which lanes, for which purposes, and how often.

    bearer.py         what a key looks like, and the hash that is kept of it
    store.py          make, list and revoke keys in the database
    authorization.py  from the header Authorization to a caller, in memory

They have nothing to do with registry/keys, whose keys sign the journal.
"""
