"""What a score is: word errors, speaker similarity, failures of speech, and the judges that measure them.

    wer.py                   counts word and character errors
    normalize.py             brings reference and hypothesis to one form, per language    normalizers/
    failures.py              finds failures of speech by name
    sound.py                 measures the samples: level, silence, clipping, pitch, noise
    scores.py                rows, scorecards, and the figures pooled from them
    second_opinions.py       tells whether two ASR judges agree on a voice
    prompts.py               loads and locks the fixed prompts
    judges/                  the ASR judges, the speaker judges and the MOS judge
    forced_alignment.py      finds when each word of a known text is spoken
    audio.py                 prepares a waveform for measuring
    pocketsphinx_decoder.py  the decoder of the ASR judge pocketsphinx and of forced alignment
    errors.py                the errors of this package

This package knows nothing of the models that it measures: it imports none of gpt_sovits, stages, flows and registry.

The names in `__all__` are for users. They are imported from their modules at their first use.
"""

import lazy_loader

__getattr__, __dir__, __all__ = lazy_loader.attach(
    __name__,
    submod_attrs={
        "errors": ["JudgeUnavailableError", "MetricsError"],
        "failures": ["FAILURES", "speech_failures"],
        "forced_alignment": ["force_align"],
        "judges.asr": ["load_transcriber"],
        "judges.mos": ["load_mos_judge"],
        "judges.speaker": ["cosine", "load_speaker_judge"],
        "normalize": ["normalize_text"],
        "prompts": ["load_prompts"],
        "scores": ["Scorecard", "load_scorecard", "pooled"],
        "sound": ["measure_sound"],
        "wer": ["character_errors", "word_errors"],
    },
)
