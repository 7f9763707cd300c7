"""The parts of the stage ingest.

files.py        lists the files of a voice and reads each into a row
transcripts.py  reads metadata.csv, .txt and .list files
measure.py      measures length, level, clipping and noise floor
containers.py   finds audio files that were cut short
"""
