"""Prefect flows and the `vox` command line: order and decisions, without retries or tensors.

The command line:

    cli.py               the commands of `vox`: parse, call, print
    voice_group.py       the commands `vox voice ...`
    commands/            one module per command or family of commands
    project_group.py     commands work in the project's folder
    console.py           lines and tables on the terminal, whole lines elsewhere
    errors.py            the errors that a command explains in a sentence
    guard.py             an error becomes a sentence and an exit code

The pipeline:

    train_and_release.py  recordings to a gated release, step by step
    gate_and_promote.py   the steps after the stages: gate, promote, report
    evaluate_champion.py  score the champion again and look for drift
    dvc_stages.py         ask DVC what is stale and reproduce one stage
    stage_records.py      take back what DVC recorded of inputs that changed during a stage
    dvc_remote.py         the DVC remote through which machines share outputs
    dvc_locks.py          remove killed processes from DVC's list of locks
    run_view.py           progress of a run on the terminal or in a log

What they use:

    prefect_engine.py     the pipeline's steps as tasks of a Prefect flow
    deployments.py        the flows that a Prefect worker runs, see prefect.yaml
    worker_project.py     the project folder of a worker
    prefect_server.py     one Prefect server per project, in the background
    listening_server.py   the page of `vox listen` (listening_page.html) and its votes
    review_page/          the page of `vox review` and its decisions
    consent_terms.py      what a user says about a consent
    statements.py         check a spoken statement of consent
    erasure.py            delete the data of a revoked voice
    delivered_speech.py   delete what a revoked voice has spoken in jobs and campaigns
    dvc_objects.py        delete a voice's objects from DVC's cache
    released_voice.py     the folder of a champion or of another version
    settings.py           changes of params.yaml that keep its comments
    paths.py              folders of a project
"""
