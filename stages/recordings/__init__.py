"""The parts of the stage ingest.

files.py        lists the files of a voice and reads each into a row
inventory.py    finds the transcripts of each file, for ingest and `vox voice add`
transcripts/    reads transcripts in all layouts and encodings
measure.py      measures length, channels, level and clipping
sound/          measures what is heard: loudness, noise, bandwidth, rooms, music, fingerprints
duplicates.py   keeps one of the recordings that hold the same sound
findings.py     says what was found (pure)
channels.py     chooses the channel that the clips are cut from
decoding.py     decodes in blocks
containers.py   recognises audio formats, and finds files that were cut short
speech.py       finds the speech in a recording, for the stage segment
ogg.py          checks the pages of Ogg files
"""
