"""GPT-SoVITS: few-shot voice cloning, from text and a short recording to speech.

    text/               texts to phonemes, in five languages
    gpt/                the GPT: phonemes to semantic tokens
    sovits/             the SoVITS: semantic tokens to a waveform
    synthesis/          texts to speech with one voice, whole or as a stream
    adaptation/         fine-tuning of both models on one speaker
    content_encoder/    HuBERT or Whisper: recordings to content features
    weights/            checkpoints, base models, official files in and out
    audio.py            audio files in, resampling
    slicer.py           recordings cut at silence
    speaker_encoder.py  ERes2NetV2: recordings to speaker embeddings
    bert.py             BERT features of a text
    preset_names.py     what the name of a preset may be
    lanes.py            the lanes in which a voice can be served
    determinism.py      seeds, and calls that repeat to the bit
    precision.py        weights in fewer bits
    pausing.py          where a computation can be paused for a more urgent one
    errors.py           the base class of all errors

A trained voice speaks:

    voice = load_voice(Path("data/6_scores/anna/voice"))
    speech = voice.say("Good morning.", seed=1)
    for chunk in stream(voice, "Long texts sound early.", seed=1):
        play(chunk.waveform)

A voice that nothing was adapted to (zero-shot):

    base = load_base("starter")
    sovits = base.build_sovits()
    reference = make_reference(
        waveform, sample_rate, "What the clip says.", "en", base.build_content_encoder(), sovits
    )
    preset = default_preset("en", reference.seconds_per_phoneme)
    voice = Synthesizer(base.build_gpt(), sovits, reference, preset)

Stable are the names in `__all__`: they change only with a line in CHANGELOG.md. All other names may change at any time.
They are imported when they are first used, so that `import gpt_sovits` alone does not load PyTorch. The package knows
nothing of DVC, Prefect or MLflow.
"""

import lazy_loader as lazy

__getattr__, __dir__, __all__ = lazy.attach(
    __name__,
    submod_attrs={
        "errors": ["GptSovitsError"],
        "synthesis.preset": ["Preset", "default_preset"],
        "synthesis.reference": ["Reference", "make_reference"],
        "synthesis.speech": ["Speech"],
        "synthesis.streaming": ["stream"],
        "synthesis.synthesizer": ["Synthesizer"],
        "synthesis.voice": ["load_voice"],
        "weights.base": ["load_base"],
        "weights.upstream.exporting": ["export_pair"],
        "weights.upstream.importing": ["import_pair"],
    },
)
