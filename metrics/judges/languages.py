"""Which languages an ASR judge hears, by its name, so that it can be asked before its weights are there."""

from __future__ import annotations

WHISPER = ("en", "zh", "ja", "ko")  # every multilingual size
WITH_CANTONESE = ("large-v3", "large-v3-turbo", "turbo")  # these have a token for it


def languages_heard(asr: str) -> tuple[str, ...] | None:
    """Return the ISO 639 codes that an ASR judge hears, of those that the project knows.

    Args:
        asr: name of the judge, see load_transcriber.

    Returns:
        The codes, or None for a name that says nothing. Then the judge itself refuses what it cannot hear.
    """
    if asr == "pocketsphinx":
        return ("en",)
    size = asr.removeprefix("faster-").removeprefix("whisper-")
    if size == asr:
        return None
    if size.endswith(".en") or size.startswith("distil-"):
        return ("en",)
    return (*WHISPER, "yue") if size in WITH_CANTONESE else WHISPER
