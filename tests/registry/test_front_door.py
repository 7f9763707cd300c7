"""`import registry`: the names that users call, without loading anything heavy."""

from __future__ import annotations

import subprocess
import sys

from imports import ROOT

import registry

HEAVY = ("mlflow", "torch", "sqlalchemy", "pydantic")


def test_importing_the_package_loads_nothing_heavy():
    code = f"import sys, registry; sys.exit(' '.join(name for name in {HEAVY} if name in sys.modules) or 0)"
    subprocess.run([sys.executable, "-c", code], check=True, cwd=ROOT)


def test_every_public_name_can_be_imported():
    from registry.releases.promotion import promote

    assert {"open_store", "gate_candidate", "promote", "rollback", "revoke", "audit"} <= set(registry.__all__)
    assert all(getattr(registry, name) is not None for name in registry.__all__)
    assert registry.promote is promote
