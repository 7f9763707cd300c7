"""Commands that work in the project's folder, wherever inside it they are given."""

from __future__ import annotations

import os
from pathlib import Path

import click


class ProjectCommand(click.Command):
    """A command that works in the folder with params.yaml and dvc.yaml, given anywhere inside it.

    The paths on the command line are made absolute before that, so they stay relative to where the user is.
    """

    def invoke(self, ctx: click.Context) -> object:
        """Change to the project's folder and run the command."""
        start = Path.cwd()
        for folder in (start, *start.parents):
            if (folder / "params.yaml").is_file() and (folder / "dvc.yaml").is_file():
                os.chdir(folder)
                return super().invoke(ctx)
        raise ValueError(f"{start} is not inside a Voxfoundry project (no params.yaml and dvc.yaml); change to one")


class ProjectGroup(click.Group):
    """A group whose commands and groups work in the project's folder."""

    command_class = ProjectCommand
    group_class = type  # a group inside has this class too
