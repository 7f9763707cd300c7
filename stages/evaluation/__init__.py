"""The parts of the stage evaluate.

inputs.py      loads what the stages before it wrote
utterances.py  makes the utterances to score: synthesised prompts, held-out recordings, their resynthesis
scoring.py     scores utterances under the judges, one row per utterance
selection.py   chooses the checkpoint pair and the interpolation weight (pure)
trials.py      synthesises and scores prompts for the selection
lanes.py       speaks and scores the prompts in lanes besides batch
second_opinions.py  asks judges that gate nothing
outputs.py     writes the tables, the metrics and the report
rescoring.py   scores a registered voice again
"""
