"""`vox say`: speak a text with a released voice."""

from __future__ import annotations

import tempfile
from contextlib import suppress
from io import BytesIO
from pathlib import Path
from typing import TYPE_CHECKING

import stages  # noqa: F401 - sets how OpenMP's threads wait, before torch is loaded
from flows.console import print_line
from flows.released_voice import find_voice
from gpt_sovits.preset_names import DEFAULT_PRESET
from gpt_sovits.text.languages import language_code

if TYPE_CHECKING:
    from gpt_sovits.synthesis.preset import Preset
    from gpt_sovits.synthesis.speech import Speech
    from gpt_sovits.synthesis.subtitles import SubtitleFormat
    from gpt_sovits.synthesis.synthesizer import Synthesizer
    from gpt_sovits.synthesis.words import Word

FORMATS = {".flac": "FLAC", ".wav": "WAV"}  # by the file name's ending
MAX_TEXT_SHOWN = 60  # characters of a sentence in a message


def say_text(
    voice: str,
    text: str,
    *,
    output: Path,
    version: int | None,
    seed: int,
    language: str | None = None,
    purpose: str | None = None,
    preset: str = DEFAULT_PRESET,
    subtitles: Path | None = None,
) -> int:
    """Speak a text into a file.

    Args:
        voice: The voice.
        text: What to say.
        output: The FLAC or WAV file to write.
        version: The version to speak with, None for the champion.
        seed: Another seed gives another reading.
        language: ISO 639 code of the text, or its code in a `.list` file. None: the voice's own.
        purpose: What it is said for, which the speaker must have allowed. None if nobody declared it.
        preset: The preset to speak with, which the version's verdict must have passed.
        subtitles: Where to write when each word is said: a .srt, .vtt or .json file.

    Raises:
        ValueError: The version was not scored in the language, so it was not judged in it. The preset likewise. Or it
            cannot tell when its words are said, or a file cannot be written.
        ReleaseRefused: The version may not speak, or its verdict did not pass the preset.
    """
    form = FORMATS.get(output.suffix.lower())
    if form is None:
        raise ValueError(f"-o {output.name}: end the name in {' or '.join(FORMATS)}")
    subtitle_form = _subtitle_form(subtitles) if subtitles is not None else None
    for option, file in (("-o", output), ("--subtitles", subtitles)):  # before it speaks, which takes time
        if file is not None:
            _check_folder(file, option=option)
    code = language_code(language) if language is not None else None
    released = find_voice(voice, version, purpose=purpose, language=code, preset=preset)
    import soundfile

    from gpt_sovits.synthesis.voice import load_voice  # torch, which takes a second: after everything that can fail

    synthesizer = load_voice(released.folder, preset=preset)
    spoken_language = _check_language(synthesizer.preset, code, name=preset)
    speech, words = _speak(synthesizer, text, seed=seed, language=spoken_language, with_words=subtitles is not None)
    if subtitles is not None and subtitle_form is not None:
        _write(subtitles, _subtitle_text(words, form=subtitle_form).encode(), option="--subtitles")
    sound = BytesIO()  # not the file: of a full disk, soundfile says only "System error"
    soundfile.write(sound, speech.waveform, speech.sample_rate, format=form, subtype="PCM_16")
    _write(output, sound.getvalue(), option="-o")
    with_preset = "" if preset == DEFAULT_PRESET else f" with preset {preset}"
    seconds = len(speech.waveform) / speech.sample_rate
    print_line(f"{output}: {seconds:.1f} s, {voice} version {released.version}{with_preset}")
    for sentence in speech.failures:
        outcome = sentence.outcome.replace("_", " ")
        print_line(f"{outcome}: {sentence.text[:MAX_TEXT_SHOWN]!r}, after {sentence.n_retries} retries")
    return 0


def _speak(
    synthesizer: Synthesizer, text: str, *, seed: int, language: str, with_words: bool
) -> tuple[Speech, list[tuple[Word, ...]]]:
    """Return the speech, and the words of each sentence with their times if somebody asks for them."""
    if not with_words:
        return synthesizer.say(text, seed, language), []
    from gpt_sovits.synthesis.word_times import say_with_words

    return say_with_words(synthesizer, text, seed, language)


def _check_folder(file: Path, *, option: str) -> None:
    """Raise ValueError where a file cannot be written, as far as this shows before there is something to write."""
    if not file.parent.is_dir():
        raise ValueError(f"{option} {file}: the folder {file.parent} does not exist; make it first")
    try:
        with tempfile.TemporaryFile(dir=file.parent):
            pass
    except OSError as error:
        raise ValueError(
            f"{option} {file}: the folder {file.parent} cannot be written ({error.strerror}); name a file in another"
        ) from error


def _write(file: Path, content: bytes, *, option: str) -> None:
    """Write a file as a whole or not at all. Raises ValueError where it cannot be written."""
    partial = file.with_name(f".{file.name}.partial")
    try:
        partial.write_bytes(content)
        partial.replace(file)
    except OSError as error:
        raise ValueError(
            f"{option} {file}: {len(content)} bytes cannot be written ({error.strerror}); free space, or name a file "
            "elsewhere, and run the same command again"
        ) from error
    finally:
        with suppress(OSError):
            partial.unlink(missing_ok=True)


def _subtitle_text(words: list[tuple[Word, ...]], *, form: SubtitleFormat) -> str:
    from gpt_sovits.synthesis.subtitles import write_subtitles

    return write_subtitles(words, form)


def _subtitle_form(file: Path) -> SubtitleFormat:
    """Return what to write into a file, by the ending of its name."""
    from gpt_sovits.synthesis.subtitles import SUBTITLE_FORMATS

    for form in SUBTITLE_FORMATS:
        if file.suffix.lower() == f".{form}":
            return form
    raise ValueError(f"--subtitles {file.name}: end the name in {', '.join(f'.{form}' for form in SUBTITLE_FORMATS)}")


def _check_language(preset: Preset, code: str | None, *, name: str) -> str:
    """Return a language in which the voice was scored with a preset. None stands for its own."""
    if name != DEFAULT_PRESET and code not in (None, preset.language):
        raise ValueError(
            f"the preset {name} was scored in {preset.language!r} only, and what was not scored is not served; leave "
            "out --language or --preset"
        )
    return preset.check_language(code)
