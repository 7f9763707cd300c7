"""W3C trace context: a request belongs to the trace of its caller, or begins one."""

from __future__ import annotations

import re
import secrets

TRACEPARENT = re.compile(r"00-(?!0{32})([0-9a-f]{32})-(?!0{16})([0-9a-f]{16})-([0-9a-f]{2})")
SAMPLED = 1  # bit of the flags


def continue_trace(traceparent: str | None) -> str:
    """Return the trace context of a request: a new span in the caller's trace, or a new trace.

    Args:
        traceparent: The caller's header. One that is not valid counts as none, as the standard says.
    """
    match = TRACEPARENT.fullmatch(traceparent or "")
    trace_id, flags = (match[1], match[3]) if match else (secrets.token_hex(16), "00")
    return f"00-{trace_id}-{secrets.token_hex(8)}-{flags}"


def is_sampled(traceparent: str | None) -> bool:
    """Return whether a trace is to be recorded."""
    match = TRACEPARENT.fullmatch(traceparent or "")
    return match is not None and bool(int(match[3], 16) & SAMPLED)
