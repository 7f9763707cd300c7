"""Speech from text with one voice: a GPT, a SoVITS, one or several references and a preset.

    preset.py       how a voice speaks: pace, sampling, retries
    preset_files.py the presets of a voice as files
    reference.py    what the models need of a reference clip
    fit.py          whether models, references and preset fit each other
    pieces.py       a text as pieces, and how long it takes, without torch
    sentences.py    a text as sentences, each with its seed and length bound
    batching.py     which sentences share a batch
    synthesizer.py  whole texts to speech, in batches
    streaming.py    audio while it is made
    chunk_options.py how a sentence is cut into chunks
    onset.py        the silence before the first sound, which a stream leaves out
    word_times.py   when each word is said
    words.py        a word and when it is spoken, without torch
    subtitles.py    words and times as SRT, VTT or JSON
    detection.py    whether a sentence was spoken
    speech.py       the result: sound, one report per sentence, timings
    voice.py        a voice as a folder on disk

The names for users are in `gpt_sovits`.
"""

import lazy_loader as lazy

# Voices that were registered by version 0.1 carry a script that imports load_voice from here
__getattr__, __dir__, __all__ = lazy.attach(__name__, submod_attrs={"voice": ["load_voice"]})
