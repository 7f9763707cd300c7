"""Abuse of the release commands: races, kills and disasters. `python -m benchmarks.release_abuse`.

__main__.py   the command, which writes RELEASE_ABUSE.md
places.py     registries on SQLite, on PostgreSQL and behind an MLflow server, with a voice in every state
forks.py      calls in forked processes that can be killed
races.py      many processes promote different candidates at once
kills.py      SIGKILL at random instants
kill_states.py  what a registry says before and after a kill, and what must be true of it

The voices are of a few bytes and nothing is synthesised. The helpers of the tests make them.
"""

import sys
from pathlib import Path

sys.path.append(str(Path(__file__).resolve().parents[2] / "tests"))
