"""The imports of the modules of this repository, read from their source."""

from __future__ import annotations

from pathlib import Path

from stages.execution import code_identity

ROOT = Path(__file__).resolve().parent.parent
PRODUCT = ("flows", "stages", "campaigns", "serving", "registry", "metrics", "gpt_sovits")
PACKAGES = (*PRODUCT, "starter")  # starter is the recipe of the starter base; users do not run it


def direct_imports(path: Path) -> frozenset[Path]:
    """Return the files of this repository that `path` imports itself, inside functions too."""
    return code_identity.direct_imports(path, PACKAGES)


def import_closure(path: Path) -> set[Path]:
    """Return `path` and every file of this repository that it imports, directly or indirectly."""
    return code_identity.import_closure(path, PACKAGES)
