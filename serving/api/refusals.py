"""The audit of requests that were refused before anything was asked of the engine: no key, no right, a wrong body.

What a key holder tried has a row each. Requests without a valid key are anybody's, who could fill the disk with rows.
So UNKNOWN_ROWS_PER_MINUTE of them have one, and the metrics count all.
"""

from __future__ import annotations

import time
from collections import deque
from datetime import UTC, datetime, timedelta
from typing import Any, Literal

from gpt_sovits.preset_names import DEFAULT_PRESET
from serving.api.bodies import Manner
from serving.messages import RequestRecord, SpeechRequest

UNKNOWN_ROWS_PER_MINUTE = 60
NOBODY = "-"
ROUTES: dict[str, Literal["speech", "stream", "job"]] = {
    "/v1/audio/speech": "speech",
    "/v1/audio/speech/stream": "stream",
    "/v1/jobs": "job",
}


class Refusals:
    """Makes the records of refused requests."""

    def __init__(self) -> None:
        """Begin without any."""
        self._unknown: deque[float] = deque(maxlen=UNKNOWN_ROWS_PER_MINUTE)

    def record_of(self, scope: dict[str, Any], seconds: float) -> RequestRecord | None:
        """Return the record of a request that has ended, None where it needs none or has one.

        Args:
            scope: Of the request.
            seconds: How long it took.
        """
        state, route = scope["state"], ROUTES.get(scope["path"])
        is_asking = scope["type"] == "websocket" or scope.get("method") == "POST"
        if route is None or not is_asking or not state["error_type"] or state.get("is_recorded"):
            return None
        caller = state.get("caller")
        if caller is None and not self._has_room():
            return None
        return RequestRecord(
            request=_request(state),
            route=route,
            caller=caller.name if caller is not None else NOBODY,
            format=getattr(state.get("asked"), "response_format", NOBODY),
            started_at=datetime.now(UTC) - timedelta(seconds=seconds),
            started=None,
            sentences=(),
            finished=None,
            status=state["status"],
            error_type=state["error_type"],
            client_left=state["error_type"] == "client_left",
            first_audio_seconds=None,
            total_seconds=seconds,
            n_bytes=0,
        )

    def _has_room(self) -> bool:
        now = time.monotonic()
        if len(self._unknown) == UNKNOWN_ROWS_PER_MINUTE and now - self._unknown[0] < 60.0:
            return False
        self._unknown.append(now)
        return True


def _request(state: dict[str, Any]) -> SpeechRequest:
    """Return what was asked for, as far as the body could be read."""
    asked = state.get("asked")
    known = asked if isinstance(asked, Manner) else None
    text = getattr(asked, "input", "")
    return SpeechRequest(
        request_id=state["request_id"],
        text=text if isinstance(text, str) else "\n".join(text),
        voice=known.voice if known else NOBODY,
        version=known.version if known else None,
        preset=known.preset if known else DEFAULT_PRESET,
        language=known.language if known else None,
        purpose=known.purpose if known else None,
        seed=known.seed if known else 0,
        lane=(known.lane if known else None) or "batch",
        traceparent=state["traceparent"],
    )
