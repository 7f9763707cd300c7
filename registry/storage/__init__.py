"""Where the registry keeps what it knows: MLflow, the database of the journals, and the signing keys.

store.py          the addresses of MLflow and of the database
database.py       transactions, snapshots and the lock between releases
chain.py          append-only tables in which every row vouches for the rows before it
signing.py        Ed25519 signatures and the keys that are trusted
mlflow_tables.py  MLflow's own tables in a SQLite file, all or none
"""
