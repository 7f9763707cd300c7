"""The commands `vox profile ...`: parse and call."""

from __future__ import annotations

import click

from flows.project_group import ProjectGroup
from registry.names import check_voice_name

voice_argument = click.argument("voice", callback=lambda _, __, name: check_voice_name(name))
json_option = click.option("--json", "as_json", is_flag=True, help="Print JSON and nothing else on stdout.")


@click.group(cls=ProjectGroup)
def profile() -> None:
    """Show how the voices in service speak, and how good that is."""


@profile.command("list")
@json_option
def profile_list(*, as_json: bool) -> int:
    """List the voices in service with their presets and lanes.

    Exit code: 0 listed, 2 the records of a voice cannot be read.
    """
    from flows.commands.profiles import list_profiles

    return list_profiles(as_json=as_json)


@profile.command("show")
@voice_argument
@json_option
def profile_show(voice: str, *, as_json: bool) -> int:
    """Show the champion of VOICE: references, presets, figures, verdicts and history.

    Exit code: 0 shown, 1 the voice has no champion.
    """
    from flows.commands.profiles import show_profile

    return show_profile(voice, as_json=as_json)


@profile.command("compare")
@voice_argument
@click.option(
    "--versions", type=click.IntRange(1, 2**31 - 1), nargs=2, required=True, metavar="A B", help="Two versions."
)
@json_option
def profile_compare(voice: str, *, versions: tuple[int, int], as_json: bool) -> int:
    """Compare two versions of VOICE preset by preset, without a verdict."""
    from flows.commands.profiles import compare_profiles

    return compare_profiles(voice, versions, as_json=as_json)
