"""The commands `vox keys ...` and `vox approve` of the command line: parse and call."""

from __future__ import annotations

from pathlib import Path

import click

from flows.project_group import ProjectCommand, ProjectGroup

ROLES = ("engineer", "release_manager", "privacy_officer")  # of registry.keys.roles, which is imported where it is used
FILE = click.Path(path_type=Path, dir_okay=False, resolve_path=True)


def absolute_if_file(key: str) -> str:
    """Return the absolute path of a file, because the command changes to the project's folder, or digits as given."""
    return str(Path(key).resolve()) if Path(key).is_file() else key


@click.group(cls=ProjectGroup)
def keys() -> None:
    """Say whose signatures count, and in which role."""


@keys.command("create")
@click.option("--output", type=FILE, help="Write a key for another machine here.  [default: this machine's own]")
def keys_create(output: Path | None) -> int:
    """Make a private key and print its public key.

    This machine's own key is made at first use anyway, and an existing one stays. A key for CI goes into a file with
    --output, and from there into the secrets of the CI system.
    """
    from flows.commands.keys import create

    return create(output)


@keys.command("trust")
@click.argument("name")
@click.argument("key", type=absolute_if_file, required=False)
@click.option("--role", "roles", type=click.Choice(ROLES), multiple=True, help="What it may sign. Give each role once.")
@click.option("--from", "since", metavar="WHEN", help="First moment that counts.  [default: now]")
def keys_trust(name: str, key: str | None, *, roles: tuple[str, ...], since: str | None) -> int:
    """Trust a key of NAME in these roles, instead of the roles it had.

    KEY is a PEM file or a public key of 64 hex digits, default this machine's own. The first call writes
    trusted_keys.yaml with the own key, with all roles unless others are given.
    """
    from flows.commands.keys import trust

    return trust(name, key, roles=roles, since=since)


@keys.command("list")
@click.option("--json", "as_json", is_flag=True, help="Print JSON and nothing else on stdout.")
def keys_list(*, as_json: bool) -> int:
    """List the trusted keys with their roles and dates."""
    from flows.commands.keys import show

    return show(as_json=as_json)


@keys.command("rotate")
def keys_rotate() -> int:
    """Replace this machine's key by a new one in the same roles.

    What the old key signed stays valid. The old private key is removed.
    """
    from flows.commands.keys import rotate

    return rotate()


@keys.command("revoke")
@click.argument("who")
@click.option("--on", "since", metavar="WHEN", help="First moment that does not count.  [default: now]")
def keys_revoke(who: str, *, since: str | None) -> int:
    """Revoke the keys of WHO.

    WHO is a name, or the first eight or more digits of a key. What was signed before stays valid. Of a key that was
    stolen, give the moment of the theft: what it signed since then does not count.

    Exit code: 0 revoked, 1 a champion that was released with a stolen key could not be put back.
    """
    from flows.commands.keys import revoke

    return revoke(who, since=since)


@click.command(cls=ProjectCommand)
@click.argument("voice")
@click.option("--version", type=int, metavar="N", help="Version to approve.  [default: the newest]")
def approve(voice: str, *, version: int | None) -> int:
    """Approve that a version of VOICE may be promoted on its verdict.

    `releases.approvals` of params.yaml says how many release managers have to. The approval is about exactly this
    verdict: after another one, it has to be given again.

    Exit code: 0 approved now or already, 1 refused.
    """
    from flows.commands.approve import approve_voice

    return approve_voice(voice, version)
