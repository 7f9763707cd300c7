"""Verifies files of strangers in a process of its own, whose time and memory are bounded.

A file that breaks the parser ends that process and not the service, whose passwords that process does not have.

    python -m serving.provenance.isolation    # reads a request from stdin and prints the answer, both as JSON
"""

from __future__ import annotations

import asyncio
import base64
import json
import resource
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from cryptography import x509
from cryptography.hazmat.primitives import serialization

from serving.environment import without_secrets
from serving.errors import InternalError
from serving.provenance.verification import Layer, Verification, verify

CPU_SECONDS = 10
WALL_SECONDS = 30.0
MEMORY_BYTES = 2 << 30


async def verify_isolated(
    path: Path, *, sha256: str, trust: Sequence[x509.Certificate], sidecar: bytes | None
) -> dict[str, Any]:
    """Return what `verify` says of a file, as JSON. A file that it cannot take is invalid.

    Args:
        path: The file.
        sha256: Of the file, in hex.
        trust: Certificates that are trusted.
        sidecar: Its sidecar, None where it has none.

    Raises:
        InternalError: The process could not be started.
    """
    pem = b"".join(certificate.public_bytes(serialization.Encoding.PEM) for certificate in trust).decode()
    beside = base64.b64encode(sidecar).decode() if sidecar is not None else None
    asked = json.dumps({"path": str(path), "trust": pem, "sidecar": beside}).encode()
    pipe = asyncio.subprocess.PIPE
    try:
        process = await asyncio.create_subprocess_exec(
            *(sys.executable, "-P", "-m", __name__),
            stdin=pipe,
            stdout=pipe,
            stderr=asyncio.subprocess.DEVNULL,
            env=without_secrets(),
        )
    except OSError as error:
        raise InternalError("the process that verifies could not be started") from error
    try:
        async with asyncio.timeout(WALL_SECONDS):
            answer, _ = await process.communicate(asked)
        if process.returncode == 0:
            return json.loads(answer)
    except TimeoutError:
        pass
    finally:
        if process.returncode is None:
            process.kill()
            await process.wait()
    reason = "the file could not be read within the time and memory that a file may take"
    return Verification(sha256=sha256, layers=(Layer(layer="c2pa", status="invalid", reason=reason),)).to_json()


def main() -> None:
    """Verify the file of the request on stdin."""
    resource.setrlimit(resource.RLIMIT_CPU, (CPU_SECONDS, CPU_SECONDS))
    resource.setrlimit(resource.RLIMIT_AS, (MEMORY_BYTES, MEMORY_BYTES))
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    asked = json.load(sys.stdin)
    trust = x509.load_pem_x509_certificates(asked["trust"].encode()) if asked["trust"] else []
    sidecar = base64.b64decode(asked["sidecar"]) if asked["sidecar"] is not None else None
    json.dump(verify(Path(asked["path"]), trust=trust, sidecar=sidecar).to_json(), sys.stdout)


if __name__ == "__main__":
    main()
