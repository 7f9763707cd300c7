"""The smallest proof that a voice works: it speaks one sentence."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from registry.errors import RegistryError


class CannotSpeakError(RegistryError, RuntimeError):
    """A voice cannot be loaded, or what comes out of it is not a sound."""


def speak_once(folder: Path, texts: Mapping[str, str]) -> None:
    """Load a voice and speak one sentence in its language.

    Args:
        folder: The voice.
        texts: A sentence for each language by its ISO 639 code.

    Raises:
        CannotSpeakError: The voice cannot be loaded, `texts` has no sentence in its language, or its waveform is empty,
            silent or not finite.
    """
    import numpy as np

    from gpt_sovits.synthesis.voice import load_voice
    from gpt_sovits.text.languages import language_code

    try:
        synthesizer = load_voice(folder)
        language = language_code(synthesizer.preset.language)
        if language not in texts:
            raise ValueError(f"register.smoke_text has no sentence in {language!r}; add one")
        text = texts[language]
        speech = synthesizer.say(text)
    except (OSError, ValueError, RuntimeError) as error:  # unreadable weights, a wrong preset, torch's own complaints
        raise CannotSpeakError(f"the voice in {folder} cannot speak ({error}); train or register it again") from error
    waveform = np.asarray(speech.waveform)
    if waveform.size == 0 or not np.isfinite(waveform).all() or not np.abs(waveform).max() > 0:
        raise CannotSpeakError(f"the voice in {folder} said nothing instead of {text!r}; train or register it again")
