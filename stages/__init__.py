"""The stages of the pipeline, each a program with the name it has in dvc.yaml: it reads, calls and writes.

ingest.py        measures the recordings of a voice and finds their transcripts   recordings/
segment.py       cuts the recordings into clips at silence                        cutting.py
align.py         gives every clip its checked text                                alignment/
data_card.py     says what the recordings are worth                               card/
features.py      extracts what the models are trained on                          clip_features.py
adapt_sovits.py  fine-tunes the base SoVITS                                       adaptation.py
adapt_gpt.py     fine-tunes the base GPT                                          adaptation.py
evaluate.py      chooses the best checkpoint pair and scores it                   evaluation/
register.py      registers the pair as a candidate for release                    lineage.py

params.py    params.yaml as frozen types                  sections/
profiles.py  the base models and judges of each profile
judges.py    whether the judges that a run needs are there
capabilities.py  whether the base model and the machine can do what params.yaml says
used_settings.py  whether settings are those that the stages ran with
tables.py    the rows that pass from stage to stage
errors.py    the errors of this package
corrections/  what a person decided about clips, which ingest, segment and align obey
execution/   processes, workers, cache, locks, outputs and progress of a stage's program
"""

import os
import sys

from stages.execution.processes import die_with_parent, die_with_run

# Threads that wait must sleep, not spin: two spinning threads on a busy machine made training eight times slower.
# OpenMP reads this when torch is loaded, so it stands here, where every stage program passes first.
os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")

# This runs before a stage program (`python -m stages.segment`) imports anything heavy, so that a kill in those seconds
# ends it too.
if sys.orig_argv[1:2] == ["-m"] and sys.orig_argv[2].startswith("stages."):
    die_with_parent()
    die_with_run()
