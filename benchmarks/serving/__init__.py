"""How soon `vox serve` sounds, and what it keeps under load, releases and kills. `python -m benchmarks.serving`.

__main__.py   the command, which writes the tables
listening.py  a listener: when it hears the first sound, and where its playback stops
speed.py      first sound, gaps and refusals of a service that runs already
project.py    a project with two released voices of the starter base, and a version that waits for its promotion
service.py    `vox serve` in that project: start, look at its processes, kill
pairs.py      what each released pair says alone, in this process
work.py       CPU time until a stream sounds, and the silence that it leaves out
voices.py     requests for two voices at once: none in the wrong voice, none with other samples
releases.py   a promotion and a rollback under streams
memory.py     thousands of requests: memory and open files
kills.py      kill -9 of workers, API and database while jobs are spoken
"""

import sys
from pathlib import Path

sys.path.append(str(Path(__file__).resolve().parents[2] / "tests"))
