"""Where the registry keeps what it knows: MLflow, and the database of the journals.

store.py          the addresses of MLflow and of the database
database.py       transactions, snapshots and the lock between releases
chain.py          append-only tables in which every row vouches for the rows before it
records.py        the journal of each voice: append, read and find signed rows
record.py         one row: what its signature covers, and why it is not genuine or has no effect
record_tables.py  the tables of the journals
checkpoints.py    rows from which reading begins
anchor.py         the newest row of a voice, kept outside the database
identity.py       the id of the database, which every signature covers
model_registry.py aliases, versions and tags in MLflow, without importing mlflow where that is possible
model_version.py  what a way to MLflow's model registry answers
mlflow_sql.py     the way through MLflow's database
mlflow_rest.py    the way through an MLflow server
mlflow_calls.py   the way through MLflow's own client, for what the other two do not understand
masking.py        what no message may show: secrets and control characters
mlflow_tables.py  MLflow's own tables in a SQLite file, all or none
"""
