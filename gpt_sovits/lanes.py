"""The lanes in which a voice can be served: whole sentences, or sound while it is made. It needs no PyTorch.

batch     what Synthesizer.say speaks: a sentence that failed is spoken again. It is the voice itself.
realtime  what synthesis.streaming.stream speaks with the default options: the first attempt, played while it is made
"""

from __future__ import annotations

import hashlib
import json
from dataclasses import asdict

from gpt_sovits.synthesis.chunk_options import ChunkOptions

BATCH = "batch"
REALTIME = "realtime"
LANE_OPTIONS = {REALTIME: ChunkOptions()}  # what each lane besides batch is spoken with


def lane_sha256(lane: str) -> str:
    """Return the sha256 of the options that a lane besides batch is spoken with, by which a verdict knows them."""
    return hashlib.sha256(json.dumps(asdict(LANE_OPTIONS[lane]), sort_keys=True).encode()).hexdigest()
