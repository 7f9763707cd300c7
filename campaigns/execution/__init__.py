"""A campaign from its accepted rows to delivered files, on the durable queue of serving/jobs.

    plan.py       a campaign and its rows as the tables have them, and their states
    sealing.py    personal data, encrypted
    submitting.py rows into the tables, so that a second submission changes only what differs
    claims.py     rows claimed, published and finished. Only the newest claim of a row may write
    control.py    pause, resume, cancel, retry, the end, and what is deleted after its time
    speaking.py   one row: spoken, checked, encoded, marked and put into the store
    queueing.py   slices in the durable queue: queued, handed back, forgotten
    slices.py     the rows of a slice, which DBOS gives to one node
    service.py    all of it together, as API and command line call it

A slice is about 32 rows, so DBOS has one row for 32 of ours. Rows are claimed one by one. A claim names the attempt at
the slice that holds it, and an attempt that is not the newest any more writes nothing.
"""
