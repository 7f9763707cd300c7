"""The parts of the stage align.

clip_texts.py  finds the texts of one recording's clips
matching.py    assigns words to clips, and clips to the held-out split (pure)
transcribe.py  transcribes and aligns in worker processes
"""
