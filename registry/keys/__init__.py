"""Keys: who may sign what, and the signatures under every record of the registry.

ed25519.py      private and public keys in files, signatures and their check
permissions.py  refuse files that other users of the machine could change
roles.py        the roles, and the role that each kind of record needs
trust.py        `trusted_keys.yaml`: whose signature counts, in which role, from when and until when
signing.py      sign with this machine's key, if the trust file lets it
changes.py      trust, rotate and revoke: the edits of the trust file
"""
