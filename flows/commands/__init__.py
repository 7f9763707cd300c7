"""What the commands of `vox` do and print. flows/cli.py parses their options and calls one function here.

    run.py       vox run
    gate.py      vox gate
    listen.py    vox listen
    review.py    vox review
    releases.py  vox promote, rollback, releases, audit
    rescore.py   vox rescore
    say.py       vox say
    weights.py   vox import, export, pull
    voices.py    vox voice add
    renewal.py   vox voice renew
    voice_check.py  vox voice check
    revocation.py   vox voice revoke
    doctor.py    vox doctor
    api_keys.py  vox api-keys
    server.py    vox server status, server stop
    verdicts.py  how run and gate print a verdict

Every function returns the exit code.
"""
