"""The command `vox provenance ...` of the command line: parse and call."""

from __future__ import annotations

from pathlib import Path

import click

from flows.project_group import ProjectGroup

PRESENT_FILE = click.Path(path_type=Path, exists=True, dir_okay=False, resolve_path=True)


@click.group(cls=ProjectGroup)
def provenance() -> None:
    """Tell where speech comes from."""


@provenance.command("verify")
@click.argument("file", type=PRESENT_FILE)
@click.option("--sidecar", type=PRESENT_FILE, help="Its sidecar.  [default: FILE.provenance.json, where it is]")
@click.option("--json", "as_json", is_flag=True, help="Print JSON and nothing else on stdout.")
def provenance_verify(file: Path, *, sidecar: Path | None, as_json: bool) -> int:
    """Tell what the mark of FILE says, and whether it holds. Nothing is sent to anybody.

    Exit code: 0 valid, 1 invalid, no mark, or a signer that nobody here trusts.
    """
    from flows.commands.provenance import verify_file

    return verify_file(file, sidecar=sidecar, as_json=as_json)
