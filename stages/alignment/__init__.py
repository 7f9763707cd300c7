"""The parts of the stage align.

clip_texts.py       finds the texts of one recording's clips
cross_attention.py  does that in the languages that the ASR aligns
disagreements.py    asks the sound about words that were heard otherwise
error_rates.py      compares a text, as written and as spoken, with what was heard (pure)
outcomes.py         rejects clips by that, and writes what became of them
equal_blocks.py     finds the equal passages of two long texts (pure)
anchoring.py        finds the clips of English words by what the ASR heard (pure)
borders.py          asks the sound about unheard words at the border of two clips (pure)
unheard_edges.py    takes words beside an unsaid passage into the clip that has them (pure)
repairs.py          takes the word heard, or cuts a clip to the words that agree
heard_places.py     finds the clip of each token by what the ASR heard (pure)
matching.py         assigns English words to clips, and clips to the held-out split (pure)
transcribe.py       transcribes and aligns in worker processes
noise.py            removes noise before forced alignment, and ends words before pauses (pure)
written_tokens.py   cuts a transcript into words or characters (pure)
"""
