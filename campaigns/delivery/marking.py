"""The mark of a file: that an AI made it, with which voice, and under which trace id."""

from __future__ import annotations

import hashlib
from datetime import datetime
from pathlib import Path

from serving.messages import SpeechRequest, Started
from serving.provenance.facts import make_facts
from serving.provenance.marking import Marker


class AssetMarker:
    """Marks the files of campaigns."""

    def __init__(self, marker: Marker) -> None:
        """Take who marks."""
        self._marker = marker

    def require_valid(self) -> None:
        """Refuse to go on with a certificate that has ended.

        Raises:
            CertificateEndedError: It has ended.
        """
        self._marker.require_valid()

    def __call__(
        self, file: Path, form: str, request: SpeechRequest, started: Started, created_at: datetime
    ) -> bytes | None:
        """Mark a file in its place, or return the mark that goes beside it.

        Args:
            file: The encoded file.
            form: Its format.
            request: What was spoken.
            started: By which version.
            created_at: When.

        Raises:
            MarkingError: It could not be marked, and must not be delivered.
        """
        facts = make_facts(
            voice=request.voice,
            version=started.version,
            candidate_id=started.candidate_id,
            text_sha256=hashlib.sha256(request.text.encode()).hexdigest(),
            traceparent=request.traceparent,
            created_at=created_at,
        )
        return self._marker.mark(file, form, facts)
