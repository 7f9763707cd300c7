"""Speech from text with one voice: a GPT, a SoVITS, one or several references and a preset.

    preset.py       how a voice speaks                 sentences.py   a text as sentences, each with its seed and bound
    reference.py    what is needed of a reference      synthesizer.py whole texts, in batches
    voice.py        a voice as a folder on disk        streaming.py   audio while it is made
    detection.py    whether a sentence was spoken      speech.py      what comes out, and what happened to each sentence

A voice that nothing was adapted to (zero-shot):

    reference = make_reference(waveform, sample_rate, "What is said in it.", "en", content_encoder, sovits)
    synthesizer = Synthesizer(gpt, sovits, reference, default_preset("en", reference.seconds_per_phoneme))
    speech = synthesizer.say("Good morning.", seed=1)
    for chunk in stream_chunks(synthesizer, "Good morning.", seed=1):  # gpt_sovits.synthesis.streaming
        play(chunk.waveform)

Released voices import `load_voice` from here.
"""

from gpt_sovits.synthesis.preset import Preset, default_preset
from gpt_sovits.synthesis.reference import Reference, make_reference
from gpt_sovits.synthesis.speech import SentenceReport, Speech, Timings
from gpt_sovits.synthesis.synthesizer import Synthesizer
from gpt_sovits.synthesis.voice import load_gpt, load_sovits, load_voice, save_voice

__all__ = [
    "Preset",
    "Reference",
    "SentenceReport",
    "Speech",
    "Synthesizer",
    "Timings",
    "default_preset",
    "load_gpt",
    "load_sovits",
    "load_voice",
    "make_reference",
    "save_voice",
]
