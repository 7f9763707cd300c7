"""Marks a file: a manifest inside where the format can hold one, else a sidecar.

A mark is made once per delivered file, after encoding and after every cache: it names the request and the time, so two
marked files of the same speech differ. The sound in them does not.
"""

from __future__ import annotations

import hashlib
from datetime import UTC, datetime
from pathlib import Path

from serving.errors import CertificateEndedError
from serving.provenance.embedding import EMBEDDABLE, embed
from serving.provenance.errors import MarkingError
from serving.provenance.facts import ProvenanceFacts
from serving.provenance.identity import Identity
from serving.provenance.sidecars import make_sidecar


class Marker:
    """Marks files in the name of one identity. It can be used from several threads."""

    def __init__(self, identity: Identity) -> None:
        """Take who signs."""
        self.identity = identity

    @staticmethod
    def embeds(form: str) -> bool:
        """Return whether files of a format hold their mark themselves. Others get a sidecar."""
        return form in EMBEDDABLE

    def require_valid(self) -> None:
        """Refuse to sign with a certificate that does not count any more.

        Raises:
            CertificateEndedError: The signer's certificate has ended.
        """
        end = self.identity.chain[0].not_valid_after_utc
        if datetime.now(UTC) > end:
            raise CertificateEndedError(f"the certificate that signs marks ended on {end:%Y-%m-%d}", retry_after=60)

    def mark(self, file: Path, form: str, facts: ProvenanceFacts) -> bytes | None:
        """Mark a file.

        Args:
            file: Is replaced by the marked file, or left as it is where the format cannot hold a mark.
            form: Its format.
            facts: What the mark says.

        Returns:
            The sidecar, None where the mark is inside.

        Raises:
            MarkingError: It could not be marked, and must not be delivered.
            CertificateEndedError: The certificate has ended.
            OSError: The file cannot be read or replaced.
        """
        self.require_valid()
        if not self.embeds(form):
            with file.open("rb") as opened:
                sha256 = hashlib.file_digest(opened, "sha256").hexdigest()
            return self.sidecar(facts, sha256=sha256, n_bytes=file.stat().st_size)
        marked = file.with_name(f"{file.name}.marked")
        try:
            embed(file, marked, form, facts, self.identity)
            if marked.stat().st_size <= file.stat().st_size:
                raise MarkingError(f"the {form} file could not be marked: it did not grow")
            marked.replace(file)
        finally:
            marked.unlink(missing_ok=True)
        return None

    def sidecar(self, facts: ProvenanceFacts, *, sha256: str, n_bytes: int) -> bytes:
        """Return a sidecar for a file.

        Args:
            facts: What it says.
            sha256: Of the file, in hex.
            n_bytes: Size of the file.

        Raises:
            CertificateEndedError: The certificate has ended.
        """
        self.require_valid()
        return make_sidecar(facts, sha256=sha256, n_bytes=n_bytes, identity=self.identity)
