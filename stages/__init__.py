"""One module per DVC stage, with the name it has in dvc.yaml: read, call, write."""

import os
import sys

from stages.running.outputs import die_with_parent, die_with_run

# Threads that wait must sleep, not spin: two spinning threads on a busy machine made training eight times slower.
# OpenMP reads this when torch is loaded, so it stands where every stage program passes first.
os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")

# Before a stage program (`python -m stages.segment`) imports anything heavy: a kill in those seconds counts too.
if sys.orig_argv[1:2] == ["-m"] and sys.orig_argv[2].startswith("stages."):
    die_with_parent()
    die_with_run()
