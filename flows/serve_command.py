"""The command `vox serve` of the command line: parse and call."""

from __future__ import annotations

import click

from flows.project_group import ProjectCommand
from registry.names import check_voice_name


@click.command(cls=ProjectCommand)
@click.argument("voices", nargs=-1, callback=lambda _, __, names: tuple(check_voice_name(name) for name in names))
@click.option("--host", metavar="ADDRESS", help="Address to listen on.  [default: serve.host of params.yaml]")
@click.option("--port", type=click.IntRange(0, 65535), help="Port, 0 for any free one.  [default: serve.port]")
@click.option("--unjudged-lane", is_flag=True, help="Offer real time also for voices that were not judged in it.")
def serve(voices: tuple[str, ...], *, host: str | None, port: int | None, unjudged_lane: bool) -> int:
    """Serve released voices over HTTP, with a page to try them.

    Without VOICES, all that have a champion. What serves follows promotions, rollbacks and revocations. OpenAI's
    clients work with it unchanged.

    Exit code: 0 when it was stopped and running requests have ended.
    """
    from flows.commands.serve import serve_voices

    return serve_voices(voices, host=host, port=port, unjudged_lane=unjudged_lane)
