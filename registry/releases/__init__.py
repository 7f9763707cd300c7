"""Releases: which version of a voice is champion, and the signed record of how it became that.

    promotion.py     promote, roll back, revoke and recover: what a release manager does
    requirements.py  what has to be true before a release, and every reason against it
    alias.py         the one place that moves the alias `champion`
    journal.py       the release journal, and the release state that follows from its rows
    audit.py         prove that journal, verdicts and MLflow agree

The invariant: every alias move lies between two signed journal rows. The first, `started`, is written before the alias
moves. The second, `done` or `undone`, is written after the alias was read back. So a process killed at any point leaves
at most one `started` row without an end, and the next release finds it and finishes or undoes the move (recovery).
"""
