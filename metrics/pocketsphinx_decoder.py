"""The pocketsphinx decoder of the ASR judge and of forced alignment: its settings and its version.

The acoustic model, dictionary and language model are in pocketsphinx's wheel.
"""

from __future__ import annotations

import hashlib
from functools import cache
from importlib.metadata import version
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pocketsphinx import Decoder

SAMPLE_RATE = 16_000  # of the en-us acoustic model


@cache
def model_folder() -> Path:
    """Return the folder of the en-us model inside the wheel."""
    import pocketsphinx

    return Path(pocketsphinx.get_model_path("en-us"))


@cache
def sphinx_version() -> str:
    """Return the package version and a hash over all files of the model, so that another model is another judge."""
    folder, digest = model_folder(), hashlib.sha256()
    for path in sorted(p for p in folder.rglob("*") if p.is_file()):
        digest.update(path.relative_to(folder).as_posix().encode())
        digest.update(path.read_bytes())
    return f"{version('pocketsphinx')} en-us {digest.hexdigest()[:12]}"


def new_decoder(*, with_language_model: bool, silence_probability: float | None = None) -> Decoder:
    """Create a decoder at SAMPLE_RATE that prints nothing.

    Args:
        with_language_model: whether it recognises speech. Without a language model it can only align a text.
        silence_probability: of a pause between two words, above 0 and at most 1. None takes pocketsphinx's 0.005.
    """
    import pocketsphinx

    # loglevel: it writes each empty hypothesis to stderr as an error
    settings = {"samprate": SAMPLE_RATE, "loglevel": "FATAL"}
    if silence_probability is not None:
        settings["silprob"] = silence_probability
    return pocketsphinx.Decoder(**settings) if with_language_model else pocketsphinx.Decoder(lm=None, **settings)
