"""The command `vox say` of the command line: parse and call."""

from __future__ import annotations

from pathlib import Path

import click

from flows.project_group import ProjectCommand
from flows.voice_group import purpose_option
from registry.names import check_voice_name

FILE = click.Path(path_type=Path, dir_okay=False, resolve_path=True)
MAX_VERSION = 2**31 - 1  # MLflow keeps a version's number in 32 bits


@click.command(cls=ProjectCommand)
@click.argument("voice", callback=lambda _, __, name: check_voice_name(name))
@click.argument("text")
@click.option("-o", "--output", type=FILE, required=True, help="FLAC or WAV file to write.")
@click.option(
    "--version",
    type=click.IntRange(1, MAX_VERSION),
    metavar="N",
    help="Version to speak with.  [default: the champion]",
)
@click.option(
    "--seed", type=click.IntRange(min=0), default=0, show_default=True, help="Another seed gives another reading."
)
@click.option("--language", metavar="CODE", help="Language of TEXT, such as zh.  [default: the voice's own]")
@click.option("--preset", default="narration", show_default=True, metavar="NAME", help="How it speaks, for which use.")
@click.option("--subtitles", type=FILE, help="File to write the time of each word to: .srt, .vtt or .json.")
@purpose_option
def say(
    voice: str,
    text: str,
    *,
    output: Path,
    version: int | None,
    seed: int,
    language: str | None,
    preset: str,
    subtitles: Path | None,
    purpose: str | None,
) -> int:
    """Speak TEXT with the champion of VOICE.

    It speaks the languages in which the version was scored, with the presets that the gate passed.
    """
    from flows.commands.say import say_text

    return say_text(
        voice,
        text,
        output=output,
        version=version,
        seed=seed,
        language=language,
        purpose=purpose,
        preset=preset,
        subtitles=subtitles,
    )
