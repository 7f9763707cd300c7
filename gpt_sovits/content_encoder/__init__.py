"""What is said in a recording, whoever says it: content features, 50 per second.

encoder.py          build, load and ask a content encoder of any kind
whisper.py          a frozen Whisper encoder with a head of phone posteriors
melody.py           the pitch of each frame, relative to its speaker
whisper_weights.py  the weights of Whisper's encoder from their package
"""
