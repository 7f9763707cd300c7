"""How the tables of serving came to be, step by step. Alembic runs what a database lacks at every start."""
