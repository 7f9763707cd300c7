"""`vox server`: the project's Prefect server."""

from __future__ import annotations

from flows.console import print_line
from flows.prefect_server import running_server, stop_server

NOT_RUNNING = 1  # exit code


def show_status() -> int:
    """Print where the server answers. Return 0 if it runs, 1 if not."""
    url = running_server()
    print_line(f"running at {url.removesuffix('/api')}" if url else "not running; `vox run` starts one")
    return 0 if url else NOT_RUNNING


def stop() -> int:
    """Stop the server."""
    print_line("stopped" if stop_server() else "it was not running")
    return 0
