"""A folder of more than a hundred audio files as people have them, made in code, each with what must become of it.

encoding.py   encodes a waveform with libsndfile and ffmpeg
headers.py    changes what a file says about itself
accepted.py   files that ingest must accept
refused.py    files that ingest must refuse, each with its reason
"""
