"""Whether an asset is good enough to be delivered, heard by the judges of metrics/.

sampling.py  which assets are heard
judging.py   the process that hears them, as the process that speaks sees it
process.py   the process itself, which has torch and Whisper
"""
