"""What is said in a voice's recordings, in the layouts and encodings that people have.

reader.py       all transcripts of a folder: which file has which layout, and which audio each row means
checks.py       stops a run that would use the recogniser's text instead of one that the user gave
audio_names.py  from a name to an audio file; folders.py tells which folders speak against one
delimited.py    tables as text: LJSpeech, VCTK, `.list`, CSV, TSV; columns.py and fields.py tell their columns apart
json_texts.py   JSON Lines, JSON, Whisper's JSON
pieces.py       joins the pieces of one recording
timed.py        SubRip, WebVTT, TextGrid and label tracks
stamps.py       lines with times in front of them; clock.py knows how times are written
spoken.py       what of a text is spoken
rows.py         what the readers return
"""
