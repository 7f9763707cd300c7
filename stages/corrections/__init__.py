"""What a person decided about single clips: the rows of corrections.jsonl, and how the stages obey them.

rows.py       one decision per row, and which rows an undo takes back
file.py       reads the file of a voice, and appends rows to it
decisions.py  folds the rows into one decision per clip (pure)
fixed_clips.py  cuts a recording around the clips that were decided on (pure)
obeying.py    applies the decisions to the clips of the stage align

Every row names its recording by the hash of the bytes and its clip by the seconds in the recording. The stage segment
keeps the clips that were decided on exactly as they were heard, whatever its settings, so a decision is never lost
when the rest of the recording is cut in another way.
"""
