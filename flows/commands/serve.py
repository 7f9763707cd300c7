"""`vox serve`: released voices over HTTP."""

from __future__ import annotations

import asyncio
import logging

from campaigns.extension import with_campaigns
from flows.campaign_judges import project_judges
from flows.console import print_line
from registry.storage.store import open_store
from serving.run import run
from serving.settings import parse_settings
from stages.params import load_params


def serve_voices(voices: tuple[str, ...], *, host: str | None, port: int | None, unjudged_lane: bool) -> int:
    """Serve until a signal ends it.

    Args:
        voices: The voices, empty for those of params.yaml.
        host: Address to listen on, None for that of params.yaml.
        port: Port to listen on, None for that of params.yaml.
        unjudged_lane: Whether real time is offered for voices that were not judged in it.

    Raises:
        ValueError: The settings are wrong.
        OSError: The address cannot be used.
    """
    given = {"voices": voices or None, "host": host, "port": port, "allow_unjudged_lane": unjudged_lane or None}
    section = load_params().serve
    settings = parse_settings({**section, **{key: value for key, value in given.items() if value is not None}})
    logging.basicConfig(level=logging.WARNING, format="%(asctime)s %(levelname)s %(name)s %(message)s")
    logging.getLogger("serving").setLevel(logging.INFO)
    logging.getLogger("uvicorn").setLevel(logging.CRITICAL)  # the guard logs faults, without what clients wrote
    extensions = [with_campaigns(project_judges())]
    asyncio.run(run(settings, open_store(), say=print_line, extensions=extensions))
    print_line("stopped")
    return 0
