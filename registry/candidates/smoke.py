"""The smallest proof that a voice works: it speaks one sentence."""

from __future__ import annotations

from pathlib import Path


class CannotSpeakError(RuntimeError):
    """A voice cannot be loaded, or what comes out of it is no sound."""


def speak_once(folder: Path, text: str) -> None:
    """Load a voice and speak one sentence. Raises CannotSpeakError."""
    import numpy as np

    from gpt_sovits.synthesis.voice import load_voice

    try:
        speech = load_voice(folder).say(text)
    except (OSError, ValueError, RuntimeError) as error:  # unreadable weights, a wrong preset, torch's own complaints
        raise CannotSpeakError(f"the voice in {folder} cannot speak ({error}); train or register it again") from error
    waveform = np.asarray(speech.waveform)
    if waveform.size == 0 or not np.isfinite(waveform).all() or not np.abs(waveform).max() > 0:
        raise CannotSpeakError(
            f"the voice in {folder} said nothing when asked for {text!r}; train or register it again"
        )
