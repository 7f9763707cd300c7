"""Verdicts: decisions of the gate about registered candidates, signed and stored.

    gating.py       take a registered candidate through the gate against the current champion
    verdict.py      the Verdict, and the exit codes of its outcomes
    store.py        signed verdicts in the database
verdict_file.py a verdict as JSON, and the JSON schema (verdict.schema.json)
    markdown.py     a verdict as the summary of a CI job
    junit.py        a verdict as JUnit XML
"""

from __future__ import annotations

import lazy_loader

__getattr__, __dir__, __all__ = lazy_loader.attach(
    __name__,
    submod_attrs={
        "gating": ["current_verdict", "gate_candidate"],
        "store": ["SignedVerdict", "newest_verdict"],
        "verdict": ["Verdict"],
    },
)
