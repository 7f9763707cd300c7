"""Provenance as the API uses it: who signs, who is trusted, and the sidecars of what was streamed."""

from __future__ import annotations

import hashlib
import tempfile
import time
from collections import OrderedDict
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from cryptography import x509

from serving.caches.entries import ByteCache, pack, unpack
from serving.errors import CertificateEndedError, NotFoundError
from serving.provenance.facts import ProvenanceFacts
from serving.provenance.identity import load_identity, load_trust
from serving.provenance.marking import Marker
from serving.storage.scratch import full_disk_explained

MAX_STREAMS = 10_000  # of which a sidecar can be had. About 1 kB each


@dataclass(frozen=True, kw_only=True)
class StreamedFile:
    """What was streamed to a client, without the sound.

    Attributes:
        owner: Name of the caller, who may have the sidecar.
        facts: How it was made.
        sha256: Of all bytes that were sent, in hex.
        n_bytes: How many.
        until: When it is forgotten, by the monotonic clock.
    """

    owner: str
    facts: ProvenanceFacts
    sha256: str
    n_bytes: int
    until: float


class Provenance:
    """Marks files, and remembers streams so that their sidecars can be signed when somebody asks.

    Attributes:
        marker: Marks files.
        trust: Certificates that are trusted when marks are verified.
        is_marking: Whether what is delivered is marked.
    """

    def __init__(self, root: Path, *, seconds: float, is_marking: bool = True, shared: ByteCache | None = None) -> None:
        """Load the identity of a project. A development one is made where none is configured.

        Args:
            root: Folder of the project.
            seconds: How long the sidecar of a stream can be had.
            is_marking: Whether what is delivered is marked.
            shared: Where nodes give each other the sidecars of their streams. None: each has its own only.

        Raises:
            CertificateError: The configured certificate cannot be used.
        """
        self.is_marking = is_marking
        self.marker = Marker(load_identity(root))
        self.trust: tuple[x509.Certificate, ...] = load_trust(root)
        self._seconds, self._shared = seconds, shared
        self._streams: OrderedDict[str, StreamedFile] = OrderedDict()

    def mark_bytes(self, content: bytes, form: str, facts: ProvenanceFacts) -> tuple[bytes, bytes | None]:
        """Return a file with its mark inside, and its sidecar where the format cannot hold one.

        It blocks for some milliseconds.

        Args:
            content: The file.
            form: Its format.
            facts: What the mark says.

        Raises:
            MarkingError: It could not be marked.
            StorageFullError: The disk of temporary files is full.
        """
        if not self.marker.embeds(form):
            sha256 = hashlib.sha256(content).hexdigest()
            return content, self.marker.sidecar(facts, sha256=sha256, n_bytes=len(content))
        with full_disk_explained(), tempfile.TemporaryDirectory(prefix="voxfoundry-mark-") as folder:
            file = Path(folder) / "file"
            file.write_bytes(content)
            self.marker.mark(file, form, facts)
            return file.read_bytes(), None

    def remember(self, name: str, owner: str, facts: ProvenanceFacts, *, sha256: str, n_bytes: int) -> None:
        """Remember what was streamed. The oldest is forgotten first.

        Args:
            name: Id of the request.
            owner: Name of the caller.
            facts: How the sound was made.
            sha256: Of all bytes that were sent, in hex.
            n_bytes: How many.
        """
        now = time.monotonic()
        while self._streams and next(iter(self._streams.values())).until < now:
            self._streams.popitem(last=False)
        while len(self._streams) >= MAX_STREAMS:
            self._streams.popitem(last=False)
        self._streams[name] = StreamedFile(
            owner=owner, facts=facts, sha256=sha256, n_bytes=n_bytes, until=now + self._seconds
        )
        if self._shared is not None:  # signed here, because whoever can write there must not have anything signed
            with suppress(CertificateEndedError):  # the stream itself was delivered
                sidecar = self.marker.sidecar(facts, sha256=sha256, n_bytes=n_bytes)
                told = {"owner": owner, "until": time.time() + self._seconds}
                self._shared.put(f"sidecar/{name}", pack(told, sidecar))

    def sidecar_of(self, name: str, owner: str) -> bytes:
        """Return the sidecar of a stream.

        Args:
            name: Id of the request.
            owner: Name of the caller, whose request it must have been.

        Raises:
            NotFoundError: It is not known any more, or belongs to somebody else.
        """
        found = self._streams.get(name)
        if found is not None and found.owner == owner and found.until >= time.monotonic():
            return self.marker.sidecar(found.facts, sha256=found.sha256, n_bytes=found.n_bytes)
        sidecar = self._of_another_node(name, owner) if found is None else None
        if sidecar is None:
            raise NotFoundError(
                f"no sidecar of this request; it can be had for {self._seconds:g} s after the end of a stream"
            )
        return sidecar

    def _of_another_node(self, name: str, owner: str) -> bytes | None:
        content = self._shared.get(f"sidecar/{name}") if self._shared is not None else None
        if content is None:
            return None
        try:
            told, sidecar = unpack(content)
            is_theirs = told["owner"] == owner and told["until"] >= time.time()
        except (ValueError, KeyError, TypeError):  # of another version of this code
            return None
        return sidecar if is_theirs else None
