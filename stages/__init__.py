"""One module per DVC stage, with the name it has in dvc.yaml: read, call, write."""

import os

# Threads that wait must sleep, not spin: two spinning threads on a busy machine made training eight times slower.
# OpenMP reads this when torch is loaded, so it stands where every stage program passes first.
os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")
