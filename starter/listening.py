"""A page on which a person is heard: recordings, and the same prompts before and after the adaptation.

The audio is inside the page as Ogg Vorbis, a few hundred kilobytes in all, so that the page can be moved.
"""

from __future__ import annotations

import base64
import html
import io
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import soundfile

STYLE = (
    "body{font:15px/1.5 system-ui,sans-serif;max-width:60rem;margin:2rem auto;padding:0 1rem}"
    "table{border-collapse:collapse;width:100%}td,th{text-align:left;padding:.3rem .6rem;border-bottom:1px solid #ddd}"
    "audio{height:2rem;width:14rem}"
)


@dataclass(frozen=True, eq=False)
class Sound:
    """A waveform, (n_samples,) float32 in [-1, 1], and its sample rate in Hz."""

    waveform: np.ndarray
    sample_rate: int


@dataclass(frozen=True, eq=False)
class SpokenPrompt:
    """A prompt as the base and as the adapted voice say it."""

    text: str
    before: Sound
    after: Sound


def load_sound(path: Path) -> Sound:
    """Load an audio file."""
    return Sound(*soundfile.read(path, dtype="float32"))


def _audio(sound: Sound) -> str:
    buffer = io.BytesIO()
    soundfile.write(buffer, sound.waveform, sound.sample_rate, format="OGG", subtype="VORBIS")
    data = base64.b64encode(buffer.getvalue()).decode("ascii")
    return f'<audio controls preload="none" src="data:audio/ogg;base64,{data}"></audio>'


def render_page(title: str, note: str, recordings: Sequence[Sound], prompts: Sequence[SpokenPrompt]) -> str:
    """Return the page as HTML.

    Args:
        title: Who speaks.
        note: The figures, in a sentence.
        recordings: Of the person.
        prompts: Spoken before and after.
    """
    heard = "".join(f"<p>{_audio(one)}</p>" for one in recordings)
    rows = "".join(
        f"<tr><td>{html.escape(one.text)}</td><td>{_audio(one.before)}</td><td>{_audio(one.after)}</td></tr>"
        for one in prompts
    )
    return (
        f'<!doctype html><html lang="en"><meta charset="utf-8"><title>{html.escape(title)}</title>'
        f"<style>{STYLE}</style><h1>{html.escape(title)}</h1><p>{html.escape(note)}</p>"
        f"<h2>Recordings that were held out</h2>{heard}"
        "<h2>Prompts</h2><table><tr><th>text</th><th>before adaptation</th><th>after adaptation</th></tr>"
        f"{rows}</table></html>\n"
    )
