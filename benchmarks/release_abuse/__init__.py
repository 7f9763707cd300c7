"""Abuse of the release commands: races, kills, forged inputs and disasters. `python -m benchmarks.release_abuse`.

__main__.py   the command, which writes RELEASE_ABUSE.md
tables.py     its tables, row by row
places.py     registries on SQLite, on PostgreSQL and behind an MLflow server, with a voice in every state
forks.py      calls in forked processes that can be killed
races.py      many processes promote different candidates at once
kills.py      SIGKILL at random instants
kill_states.py  what a registry says before and after a kill, and what must be true of it
disasters.py  full disks, clocks that were set back, older copies of every store
outages.py    a database that stops, an artifact store that fails
forgeries.py  forged inputs, then the commands, then the forgery is undone and the commands are given again
forged_scene.py  the project that is forged
forged_*.py   the forgers
undone.py     takes back what a forger changed, and nothing else

The voices are of a few bytes and nothing is synthesised. The helpers of the tests make them.
"""

import sys
from pathlib import Path

sys.path.append(str(Path(__file__).resolve().parents[2] / "tests"))
