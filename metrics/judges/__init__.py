"""The judges: models that measure speech. Scores of different judges, or of different versions, are not compared.

asr.py                 ASR judges: what words are heard
speaker.py             speaker judges: how similar two speakers sound
mos.py                 the MOS judge: a predicted opinion of the sound
ecapa_small/           the speaker judge that was trained for this project, and its recipe
other_speakers/        the similarity that other speakers reach under a speaker judge
speechbrain_import.py  imports speechbrain without side effects
"""
