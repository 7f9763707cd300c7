"""The judges: models that measure speech. Scores of different judges, or of different versions, are not compared.

asr.py                 ASR judges: what words are heard, and how one is loaded by its name
faster_whisper.py      the ASR judge faster-whisper, its weights, and its guards against invented words
languages.py           which languages an ASR judge hears, by its name
transcriber.py         the interface of the ASR judges
speaker.py             speaker judges: how similar two speakers sound
speaker_input.py       what every speaker judge does to a waveform first
ge2e.py                the speaker judge of the package Resemblyzer: a second opinion, and a teacher
mos.py                 the MOS judge: a predicted opinion of the sound
ecapa_small/           the speaker judge that was trained for this project, and its recipe
other_speakers/        the similarity that other speakers reach under a speaker judge
speechbrain_import.py  imports speechbrain without side effects
"""
