"""Places where a long computation can be paused, so that a more urgent one in the same thread goes first.

`pause_point` stands between the steps of decoding and between the layers of the networks. It does nothing until a
scheduler says what to do there, as serving/engine does. A pause changes no sample: every computation keeps its state in
its own objects, and draws from its own random streams.
"""

from __future__ import annotations

from collections.abc import Callable

_on_pause: Callable[[], None] | None = None


def pause_point() -> None:
    """Let the scheduler of this process do something else, where there is one."""
    if _on_pause is not None:
        _on_pause()


def set_pause(on_pause: Callable[[], None] | None) -> None:
    """Say what happens at every pause point of this process. None: nothing."""
    global _on_pause
    _on_pause = on_pause
