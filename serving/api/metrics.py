"""What Prometheus reads. No label holds a text, a key or a name that only a client wrote."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram
from prometheus_client.core import GaugeMetricFamily, Metric
from prometheus_client.registry import Collector

from serving.messages import Health, RequestRecord

FIRST_AUDIO_BUCKETS = (0.025, 0.05, 0.075, 0.1, 0.15, 0.2, 0.3, 0.5, 0.75, 1, 2, 5, 10, 30)
DURATION_BUCKETS = (0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60, 120, 300, 600)


class Metrics:
    """The metrics of one API process, in a registry of their own."""

    def __init__(self) -> None:
        self.registry = CollectorRegistry()
        own = {"registry": self.registry}
        self.answers = Counter(
            "voxfoundry_answers_total",
            "Answers by route, status and type of error.",
            ("route", "status", "error"),
            **own,
        )
        self.first_audio = Histogram(
            "voxfoundry_first_audio_seconds",
            "From a request to its first sound on the way to the client.",
            ("lane",),
            buckets=FIRST_AUDIO_BUCKETS,
            **own,
        )
        self.duration = Histogram(
            "voxfoundry_request_seconds", "From a request to its end.", ("lane",), buckets=DURATION_BUCKETS, **own
        )
        self.audio = Counter("voxfoundry_audio_seconds_total", "Seconds of speech.", ("voice", "lane"), **own)
        self.work = Counter("voxfoundry_work_seconds_total", "Seconds of work by part.", ("part", "lane"), **own)
        self.sentences = Counter(
            "voxfoundry_sentences_total", "Sentences by outcome.", ("voice", "lane", "outcome"), **own
        )
        self.cached = Counter(
            "voxfoundry_cached_total", "What was not spoken again: request, sentence.", ("what", "lane"), **own
        )
        self.left = Counter("voxfoundry_clients_left_total", "Requests whose client went away.", ("lane",), **own)
        self.unrecorded = Counter("voxfoundry_unrecorded_total", "Requests that the audit could not keep.", **own)
        self.certificate_end = Gauge(
            "voxfoundry_certificate_end_timestamp_seconds",
            "When the certificate ends that signs marks. Infinite where nothing is marked.",
            **own,
        )
        self.certificate_end.set(math.inf)
        self.open = Gauge("voxfoundry_open_requests", "Requests and web sockets that are being answered.", **own)

    def watch(self, health: Callable[[], Health]) -> None:
        """Show the engine's state too, read when Prometheus asks."""
        self.registry.register(_EngineState(health))

    def record(self, record: RequestRecord) -> None:
        """Count a request that has ended."""
        lane = record.request.lane
        self.duration.labels(lane).observe(record.total_seconds)
        if record.first_audio_seconds is not None:
            self.first_audio.labels(lane).observe(record.first_audio_seconds)
        if record.client_left:
            self.left.labels(lane).inc()
        self.count_speech(record)

    def count_speech(self, record: RequestRecord) -> None:
        """Count what was spoken for a request, or for an item of a job."""
        lane = record.request.lane
        if record.started is None:
            return  # the name of the voice may be anything
        for sentence in record.sentences:
            self.sentences.labels(record.request.voice, lane, sentence.outcome).inc()
            if sentence.is_cached and not record.started.is_cached:
                self.cached.labels("sentence", lane).inc()
        if record.started.is_cached:
            self.cached.labels("request", lane).inc()
        if record.finished is not None:
            self.audio.labels(record.request.voice, lane).inc(record.finished.seconds_of_audio)
            for part, seconds in record.finished.seconds.items():
                self.work.labels(part, lane).inc(seconds)


class _EngineState(Collector):
    """Reads the engine's state when Prometheus asks."""

    def __init__(self, health: Callable[[], Health]) -> None:
        self._health = health

    def describe(self) -> list[Metric]:
        return []  # nothing is read while the registry is built

    def collect(self) -> Iterator[Metric]:
        health = self._health()
        figures = {
            "ready": ("Whether a request can be spoken now.", float(health.ready)),
            "backlog_seconds": ("Seconds of speech that were admitted and are not spoken yet.", health.backlog_seconds),
            "registry_reachable": ("0 while only what is loaded is served.", float(health.registry_reachable)),
            "failed_loads": ("Releases that could not be loaded since the start.", float(health.n_failed_loads)),
        }
        for name, (text, value) in figures.items():
            yield GaugeMetricFamily(f"voxfoundry_{name}", text, value)
        columns = {
            "resident_bytes": "Memory of a worker.",
            "restarts": "How often a worker was replaced.",
            "running": "Requests that a worker speaks.",
            "ready": "Whether a worker is warm.",
        }
        families = {
            name: GaugeMetricFamily(f"voxfoundry_worker_{name}", text, labels=("worker",))
            for name, text in columns.items()
        }
        for worker in health.workers:
            families["resident_bytes"].add_metric([worker.name], worker.resident_bytes)
            families["restarts"].add_metric([worker.name], worker.n_restarts)
            families["running"].add_metric([worker.name], worker.n_running)
            families["ready"].add_metric([worker.name], worker.state == "ready")
        yield from families.values()
