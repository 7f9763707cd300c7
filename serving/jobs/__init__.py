"""Speech that can wait: durable jobs in the batch lane, on DBOS Transact (docs/decisions/018).

    records.py  a job, its items and its states
    store.py    jobs in our tables: submitted, claimed, recorded, finished, cancelled, deleted
    results.py  a folder of files by their sha256, each put once
    files.py    which of them belong to which item, and who deletes them
    speaking.py speaks one item into that folder
    tries.py    one try at an item, and what is recorded of it
    runner.py   speaks the items of a job, waits out what passes, and stops when the job is not its own any more
    durable.py  DBOS in this process: the queue, the heartbeat, and the jobs of dead nodes
    service.py  all of it together, as the API calls it
    routes.py   POST /v1/jobs, GET and DELETE /v1/jobs/{id}, and the sound of its items

DBOS holds the id of each job and decides who runs it. Texts, states and results are ours. An attempt may write only
while it is the newest of its job, so each item has one result, whoever was killed.
"""
