"""How long it takes to mark a file and to verify it, and how much a mark adds.

python -m benchmarks.provenance                # sounds of 10 s and 10 min in every format
python -m benchmarks.provenance --seconds 60
"""

from __future__ import annotations

import argparse
import statistics
import tempfile
import time
from datetime import UTC, datetime
from pathlib import Path

import numpy as np

from serving.encoding import FORMATS, Format, encode
from serving.provenance.facts import make_facts
from serving.provenance.identity import load_identity, load_trust
from serving.provenance.marking import Marker
from serving.provenance.verification import verify

RATE = 32_000
N_ROUNDS = 20


def measure(folder: Path, form: Format, seconds: float) -> tuple[float, float, int, int]:
    """Return milliseconds of CPU per mark and per verification (medians), bytes of the file and bytes that are added.

    Args:
        folder: For files, and for the certificate.
        form: Format of the file.
        seconds: Length of the sound.
    """
    noise = np.random.default_rng(0).normal(0, 2000, round(seconds * RATE))
    content = encode(form, noise.astype("<i2").tobytes(), RATE)
    marker, trust = Marker(load_identity(folder, {})), load_trust(folder, {})
    facts = make_facts(
        voice="sample",
        version=1,
        candidate_id="c" * 64,
        text_sha256="5" * 64,
        traceparent=None,
        created_at=datetime.now(UTC),
    )
    file = folder / f"sound.{form}"
    marking, verifying, n_added = [], [], 0
    for _ in range(N_ROUNDS):
        file.write_bytes(content)
        begin = time.process_time()
        sidecar = marker.mark(file, form, facts)
        middle = time.process_time()
        assert verify(file, trust=trust, sidecar=sidecar).deciding.status == "valid"
        marking.append(middle - begin)
        verifying.append(time.process_time() - middle)
        n_added = file.stat().st_size - len(content) + len(sidecar or b"")
    return 1000 * statistics.median(marking), 1000 * statistics.median(verifying), len(content), n_added


def main() -> None:
    """Print a table."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n", maxsplit=1)[0])
    parser.add_argument("--seconds", type=float, nargs="+", default=[10.0, 600.0], help="lengths of the sounds")
    print("| format | sound | file | mark adds | marking | verifying |\n|---|---|---|---|---|---|")
    with tempfile.TemporaryDirectory() as folder:
        for seconds in parser.parse_args().seconds:
            for form in FORMATS:
                marking, verifying, n_bytes, n_added = measure(Path(folder), form, seconds)
                row = (f"{seconds:g} s", f"{n_bytes / 1000:.0f} kB", f"{n_added} B", f"{marking:.1f} ms")
                print(f"| {form} | {' | '.join(row)} | {verifying:.1f} ms |")


if __name__ == "__main__":
    main()
