"""A verdict as JSON, and the published schema of that JSON.

python -m registry.verdicts.verdict_file > registry/verdicts/verdict.schema.json
"""

from __future__ import annotations

import json
import sys
from typing import Literal

from pydantic import BaseModel, ConfigDict, Field

from registry.gate.decision import Outcome
from registry.storage.record import Stamp
from registry.verdicts.store import SignedVerdict
from registry.verdicts.verdict import Verdict


class VerdictFile(BaseModel):
    """What `vox gate --json` writes."""

    model_config = ConfigDict(extra="forbid", allow_inf_nan=False)

    outcome: Outcome
    exit_code: Literal[0, 1, 3]
    verdict: Verdict = Field(description="in canonical JSON it is what sha256 covers")
    sha256: str = Field(pattern="^[0-9a-f]{64}$")
    row: Stamp = Field(description="the signed row of the voice's journal that holds the sha256")


def json_schema() -> str:
    """Return the JSON schema of what `to_json` writes, as verdict.schema.json holds it."""
    return json.dumps(VerdictFile.model_json_schema(), indent=2, sort_keys=True, ensure_ascii=False) + "\n"


def to_json(signed: SignedVerdict) -> str:
    """Return the verdict with its hash and signature as JSON."""
    verdict = signed.verdict
    file = VerdictFile(
        outcome=verdict.outcome,
        exit_code=verdict.exit_code,
        verdict=verdict,
        sha256=signed.sha256,
        row=signed.stamp,
    )
    data = file.model_dump(mode="json")
    return json.dumps(data, indent=2, sort_keys=True, ensure_ascii=False, allow_nan=False) + "\n"


if __name__ == "__main__":
    sys.stdout.write(json_schema())
