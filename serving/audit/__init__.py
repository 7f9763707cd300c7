"""One row per request, in SQL: who, what, with which version, how long, and what came of each sentence.

    rows.py      from the record of a request to a row. The text itself only where the settings say so
    spool.py     rows on disk until the database has them, bounded
    recorder.py  takes records without waiting, and writes them in a thread of its own

A row is on disk before it is sent to the database, and written once however often it is sent. So a kill or an outage
loses at most what came in within its last moment.
"""
