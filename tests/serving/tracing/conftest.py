"""Fixtures of these tests."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from otlp_receiver import Collector, collector
from serving_projects import project, serving_template  # noqa: F401 - fixtures

from serving.tracing.spans import export_spans


class Tracing:
    """Spans that are exported to a collector until they are asked for."""

    def __init__(self, to: Collector) -> None:
        self._to, self._end = to, export_spans({"OTEL_EXPORTER_OTLP_ENDPOINT": to.endpoint})

    def spans(self) -> list:
        """Stop, and return what has arrived."""
        self._end()
        return self._to.spans()

    @property
    def collector(self) -> Collector:
        return self._to


@pytest.fixture
def tracing(monkeypatch) -> Iterator[Tracing]:
    with collector() as to:
        monkeypatch.setenv("OTEL_EXPORTER_OTLP_ENDPOINT", to.endpoint)
        tracing = Tracing(to)
        yield tracing
        tracing._end()
