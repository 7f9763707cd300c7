"""The proof of a version from its recordings on: what needs git and DVC.

data.py         find what a stage read or wrote by its hash, in the workspace or in DVC's cache
commit.py       what git has of the registered commit
stage_links.py  recordings -> clips -> features -> checkpoints -> scores
prove.py        all links of a version
statement.py    the signed statement about a proven version
rebuild.py      a version computed again, and each output compared
worktree.py     its commit, recordings and parameters in a temporary git worktree
fetch.py        data that only the DVC remote has
packages.py     installed packages that are not those of the commit
"""
