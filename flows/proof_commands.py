"""The commands `vox verify` and `vox rebuild` of the command line: parse and call."""

from __future__ import annotations

from pathlib import Path

import click

from flows.project_group import ProjectCommand
from registry.names import check_voice_name

MAX_VERSION = 2**31 - 1  # MLflow keeps a version's number in 32 bits
FILE = click.Path(path_type=Path, dir_okay=False, resolve_path=True)

voice_argument = click.argument("voice", callback=lambda _, __, name: check_voice_name(name))
version_argument = click.argument("version", type=click.IntRange(1, MAX_VERSION), required=False)


@click.command(cls=ProjectCommand)
@voice_argument
@version_argument
@click.option("--statement", type=FILE, help="Write a signed in-toto statement here, if all of it is proven.")
@click.option("--json", "as_json", is_flag=True, help="Print JSON and nothing else on stdout.")
def verify(voice: str, version: int | None, *, statement: Path | None, as_json: bool) -> int:
    """Prove where a version of VOICE comes from.

    Walks from the recordings over clips, features, checkpoints and scores to the verdict and the release, and names
    the first broken link. Without VERSION it is the champion.

    Exit code: 0 proven, 1 broken, 2 could not be checked.
    """
    from flows.commands.verify import verify_voice

    return verify_voice(voice, version, statement=statement, as_json=as_json)


@click.command(cls=ProjectCommand)
@voice_argument
@version_argument
@click.option("--keep", is_flag=True, help="Keep the worktree until the next rebuild, to look at what differs.")
@click.option("--json", "as_json", is_flag=True, help="Print JSON and nothing else on stdout.")
def rebuild(voice: str, version: int | None, *, keep: bool, as_json: bool) -> int:
    """Compute a version of VOICE again and compare it with the registered one.

    Checks its commit out into a temporary git worktree, puts recordings and parameters there, fetches what is missing
    from the DVC remote, and runs every stage without the outputs of earlier runs. Project and registry stay as they
    are. Without VERSION it is the champion.

    Exit code: 0 the same, 1 different, 2 could not be rebuilt.
    """
    from flows.commands.rebuild import rebuild_voice

    return rebuild_voice(voice, version, keep=keep, as_json=as_json)
