"""What streamed and whole answers share: headers, the last event, and the mark of what was sent."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from typing import Any

from serving.api.bodies import SentenceInfo, StreamFormat
from serving.api.streams import Utterance
from serving.encoding import MEDIA_TYPES, Format, output_rate
from serving.provenance.facts import ProvenanceFacts, make_facts
from serving.provenance.marking import Marker

TOKENS_PER_SECOND = 25  # semantic tokens of the models, which OpenAI's clients see as output_tokens
MEDIA_TYPES_OF: dict[StreamFormat, str] = {"sse": "text/event-stream", "json": "application/json"}


@dataclass(frozen=True)
class Output:
    """How the sound is sent.

    Attributes:
        form: Format of the sound.
        rate: Samples per second, None for the default.
        stream: The sound alone or events while it is made, or a file or JSON at the end.
    """

    form: Format
    rate: int | None
    stream: StreamFormat

    @property
    def is_whole(self) -> bool:
        """Return whether nothing is sent before all is spoken."""
        return self.stream in ("file", "json")


def headers_of(utterance: Utterance, output: Output) -> list[tuple[bytes, bytes]]:
    """Return the headers of an answer whose request was admitted."""
    started, request = utterance.started, utterance.request
    assert started is not None
    headers = {
        "content-type": MEDIA_TYPES_OF.get(output.stream, MEDIA_TYPES[output.form]),
        "x-voice": request.voice,
        "x-voice-version": str(started.version),
        "x-candidate-id": started.candidate_id,
        "x-preset": started.preset,
        "x-lane": request.lane,
        "x-sample-rate": str(output_rate(output.form, started.sample_rate, output.rate)),
        "x-expected-seconds": f"{started.expected_seconds:.2f}",
        "x-cache": "hit" if started.is_cached else "miss",
        "x-accel-buffering": "no",  # proxies pass on what arrives
        **_provenance_headers(utterance, output),
    }
    if not started.is_lane_judged:
        headers["x-lane-judged"] = "false"
    return [(name.encode(), value.encode("latin-1", "replace")) for name, value in headers.items()]


def last_event(utterance: Utterance) -> dict[str, Any]:
    """Return what is said at the end of an answer, which counts like OpenAI's."""
    finished = utterance.finished
    assert finished is not None and utterance.started is not None
    n_in, n_out = len(utterance.request.text), round(finished.seconds_of_audio * TOKENS_PER_SECOND)
    return {
        "type": "speech.audio.done",
        "usage": {"input_tokens": n_in, "output_tokens": n_out, "total_tokens": n_in + n_out},
        "version": utterance.started.version,
        "candidate_id": utterance.started.candidate_id,
        "seconds_of_audio": finished.seconds_of_audio,
        "seconds": finished.seconds,
        "sentences": [SentenceInfo.of(sentence).model_dump() for sentence in utterance.sentences],
    }


def facts_of(utterance: Utterance) -> ProvenanceFacts:
    """Return how the speech of an answer was made."""
    started, request = utterance.started, utterance.request
    assert started is not None
    return make_facts(
        voice=request.voice,
        version=started.version,
        candidate_id=started.candidate_id,
        text_sha256=hashlib.sha256(request.text.encode()).hexdigest(),
        traceparent=request.traceparent,
        created_at=utterance.started_at,
    )


def remember(utterance: Utterance, name: str, *, sha256: str, n_bytes: int) -> None:
    """Keep what the sidecar of an answer needs.

    Args:
        utterance: What was answered.
        name: Under which the sidecar is found.
        sha256: Of the whole sound as it was sent, in hex.
        n_bytes: How much that was.
    """
    provenance = utterance.service.provenance
    if provenance is not None and provenance.is_marking:
        provenance.remember(name, utterance.caller.name, facts_of(utterance), sha256=sha256, n_bytes=n_bytes)


def _provenance_headers(utterance: Utterance, output: Output) -> dict[str, str]:
    """Return where the mark is: inside, in a sidecar, or nowhere."""
    provenance = utterance.service.provenance
    if provenance is None or not provenance.is_marking:
        return {"x-provenance": "none"}
    if output.is_whole and Marker.embeds(output.form):
        return {"x-provenance": "c2pa"}
    return {"x-provenance": "sidecar", "x-provenance-url": f"/v1/provenance/{utterance.request.request_id}"}
