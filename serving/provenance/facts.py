"""What a mark says of a file. The text itself is never in it, only its hash."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from importlib import metadata
from typing import Any

from serving.provenance.errors import MarkUnreadableError

AI_GENERATED = "http://cv.iptc.org/newscodes/digitalsourcetype/trainedAlgorithmicMedia"  # IPTC's word, as C2PA has it
PRODUCT = "voxfoundry"
MAX_CHARACTERS = 200  # of a value that is read


@dataclass(frozen=True, kw_only=True)
class ProvenanceFacts:
    """How the speech of a file was made.

    Attributes:
        voice: Name of the voice.
        version: Version of its model.
        candidate_id: Id of the candidate that the journal released.
        text_sha256: Of the text that was spoken, in hex.
        trace_id: W3C trace id of the request, None where it had none.
        created_at: When it was made, in UTC, as ISO 8601 with seconds.
        software: Name and version of the program.
        digital_source_type: How the media was made, in IPTC's vocabulary.
    """

    voice: str
    version: int
    candidate_id: str
    text_sha256: str
    trace_id: str | None
    created_at: str
    software: str
    digital_source_type: str = AI_GENERATED

    def to_json(self) -> dict[str, Any]:
        """Return the facts as JSON."""
        return asdict(self)

    @classmethod
    def from_json(cls, raw: object) -> ProvenanceFacts:
        """Return the facts that a mark holds.

        Raises:
            MarkUnreadableError: They are not those of this product.
        """
        names = set(cls.__dataclass_fields__)
        if not isinstance(raw, dict) or set(raw) != names:
            raise MarkUnreadableError("the mark does not hold the facts that voxfoundry writes")
        for name, value in raw.items():
            is_right = value is None if name == "trace_id" and value is None else isinstance(value, str)
            is_right = type(value) is int if name == "version" else is_right
            if not is_right or len(str(value)) > MAX_CHARACTERS:
                raise MarkUnreadableError(f"the mark has a wrong value for {name}")
        return cls(**raw)


def make_facts(
    *,
    voice: str,
    version: int,
    candidate_id: str,
    text_sha256: str,
    traceparent: str | None,
    created_at: datetime,
) -> ProvenanceFacts:
    """Return the facts about some speech.

    Args:
        voice: Name of the voice.
        version: Version of its model.
        candidate_id: Of the version.
        text_sha256: Of the text, in hex.
        traceparent: W3C trace context of the request.
        created_at: When it was made.
    """
    return ProvenanceFacts(
        voice=voice,
        version=version,
        candidate_id=candidate_id,
        text_sha256=text_sha256,
        trace_id=traceparent.split("-")[1] if traceparent else None,
        created_at=created_at.astimezone(UTC).isoformat(timespec="seconds").replace("+00:00", "Z"),
        software=f"{PRODUCT}/{product_version()}",
    )


def product_version() -> str:
    """Return the version of this product."""
    try:
        return metadata.version(PRODUCT)
    except metadata.PackageNotFoundError:
        return "0"
