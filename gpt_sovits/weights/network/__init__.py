"""Base models from where they are published, checked against a lock file.

    pull.py         a model of the table into base_models/
    download.py     one file over HTTP, resumed where an earlier attempt ended
    model_table.py  the table of models, and the lock file that pins their hashes
    models.yaml     the table

Everything else in gpt_sovits works without a network.
"""
