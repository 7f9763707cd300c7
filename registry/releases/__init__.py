"""Releases: which version of a voice is champion, and the signed record of how it became that.

    promotion.py     promote, roll back, revoke and recover: what a release manager does
    requirements.py  what has to be true before a release, and every reason against it
    alias.py         the one place that moves the alias `champion`
    recovery.py      finish or undo what a killed release left behind
    repeated_rollback.py  a rollback that is given again does not go back twice
    journal.py       the release rows in the journal of a voice
    state.py         what the rows say: champion, rollback stack, revocation
    service.py       the one door to a voice that may speak
    preset_verdicts.py  whether a version may speak with a preset
    lane_verdicts.py    whether a version may be served in a lane besides batch
    taken_back.py    why a verdict does not bring a release back that was taken back
    approvals.py     release managers agree that a version may be promoted
    unproven.py      what an audit cannot prove, and what it would take
    audit.py         prove that journal, verdicts and MLflow agree

The invariant: every alias move lies between two signed journal rows. The first, `started`, is written before the alias
moves. The second, `done` or `undone`, is written after the alias was read back. So a process killed at any point leaves
at most one `started` row without an end, and the next release finds it and finishes or undoes the move (recovery).
"""
