"""Spans of OpenTelemetry, which cost nothing while nothing is exported.

`export_spans` begins to send them by OTLP over HTTP where OTEL_EXPORTER_OTLP_ENDPOINT or
OTEL_EXPORTER_OTLP_TRACES_ENDPOINT is set. The other variables of OpenTelemetry's SDK count too, such as
OTEL_SERVICE_NAME, OTEL_EXPORTER_OTLP_HEADERS and OTEL_TRACES_SAMPLER.
"""

from __future__ import annotations

import logging
import os
import threading
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from typing import Any, Literal

from opentelemetry import trace
from opentelemetry.sdk.resources import Resource
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import BatchSpanProcessor, SpanExporter
from opentelemetry.trace import NonRecordingSpan, SpanContext, SpanKind, Status, StatusCode, TraceFlags

from serving.errors import ServingError
from serving.tracing.context import TRACEPARENT, continue_trace

ENDPOINTS = ("OTEL_EXPORTER_OTLP_ENDPOINT", "OTEL_EXPORTER_OTLP_TRACES_ENDPOINT")
FLUSH_SECONDS = 3.0  # a collector that is away does not hold up the end of the service
LOG = logging.getLogger(__name__)
Attribute = str | bool | int | float
_tracers: list[trace.Tracer] = []  # of the exporter, at most one


class Span:
    """A span, or nothing where none is recorded.

    Attributes:
        traceparent: The trace context of what happens inside.
    """

    def __init__(self, span: trace.Span | None, traceparent: str) -> None:
        """Take what is recorded."""
        self._span, self.traceparent = span, traceparent

    def note(self, **attributes: Attribute | None) -> None:
        """Note names and numbers as voxfoundry.NAME. None is left out."""
        if self._span is not None:
            for name, value in attributes.items():
                if value is not None:
                    self._span.set_attribute(name.replace("__", ".") if "__" in name else f"voxfoundry.{name}", value)

    def fail(self, error_type: str) -> None:
        """Note that it failed, with the type of the error only."""
        if self._span is not None:
            self._span.set_status(Status(StatusCode.ERROR))
            self._span.set_attribute("error.type", error_type)

    def rename(self, name: str) -> None:
        """Give it a name that was not known at its begin."""
        if self._span is not None:
            self._span.update_name(name)

    def end(self) -> None:
        """End it now."""
        if self._span is not None:
            self._span.end()


def is_recording() -> bool:
    """Return whether spans are sent anywhere."""
    return bool(_tracers)


def begin_span(name: str, parent: str | None, *, kind: Literal["server", "internal"] = "internal") -> Span:
    """Begin a span. Whoever calls it ends it.

    Args:
        name: What is done.
        parent: Trace context of whoever asks for it. One that is not valid begins a trace.
        kind: server: it answers a request.
    """
    if not _tracers:
        return Span(None, continue_trace(parent))
    span = _tracers[0].start_span(name, context=_context(parent), kind=SpanKind[kind.upper()])
    context = span.get_span_context()
    return Span(span, f"00-{context.trace_id:032x}-{context.span_id:016x}-{int(context.trace_flags):02x}")


@contextmanager
def span(name: str, parent: str | None) -> Iterator[Span]:
    """Record a span around some work, with the type of the error that ends it.

    Args:
        name: What is done.
        parent: Trace context of whoever asks for it.
    """
    if not _tracers:
        yield Span(None, parent or "")
        return
    begun = begin_span(name, parent)
    try:
        yield begun
    except ServingError as error:
        begun.fail(error.type)
        raise
    except Exception as error:
        begun.fail(type(error).__name__)
        raise
    finally:
        begun.end()


def record_span(name: str, parent: str | None, begin: int, end: int, **attributes: Attribute) -> None:
    """Record a span of work that was done already.

    Args:
        name: What was done.
        parent: Trace context of whoever asked for it.
        begin: When it began, in nanoseconds since 1970.
        end: When it ended.
        attributes: Names and numbers.
    """
    if _tracers:
        recorded = _tracers[0].start_span(name, context=_context(parent), start_time=begin)
        for key, value in attributes.items():
            recorded.set_attribute(f"voxfoundry.{key}", value)
        recorded.end(end)


def export_spans(environ: Mapping[str, str] = os.environ) -> Callable[[], None]:
    """Begin to export the spans of this process where a collector is named. Return what ends it.

    Args:
        environ: The settings of the process.
    """
    if not any(environ.get(name, "").strip() for name in ENDPOINTS):
        return lambda: None
    try:
        from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
    except ModuleNotFoundError:
        LOG.warning("%s is set, but spans cannot be sent; pip install 'voxfoundry[otlp]'", " or ".join(ENDPOINTS))
        return lambda: None
    return send_spans(OTLPSpanExporter())


def send_spans(exporter: SpanExporter) -> Callable[[], None]:
    """Begin to send spans. Return what sends the last ones and ends it.

    Args:
        exporter: Sends them.
    """
    resource = Resource.create({} if os.environ.get("OTEL_SERVICE_NAME") else {"service.name": "voxfoundry"})
    provider = TracerProvider(resource=resource, shutdown_on_exit=False)
    provider.add_span_processor(BatchSpanProcessor(exporter))
    _tracers[:] = [provider.get_tracer("voxfoundry")]

    def end() -> None:
        _tracers.clear()
        ending = threading.Thread(target=provider.shutdown, name="send-last-spans", daemon=True)
        ending.start()
        ending.join(FLUSH_SECONDS)

    return end


def _context(parent: str | None) -> Any:
    match = TRACEPARENT.fullmatch(parent or "")
    if match is None:
        return trace.set_span_in_context(trace.INVALID_SPAN)
    ids = SpanContext(int(match[1], 16), int(match[2], 16), is_remote=True, trace_flags=TraceFlags(int(match[3], 16)))
    return trace.set_span_in_context(NonRecordingSpan(ids))
