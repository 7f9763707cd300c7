"""The imports of the modules of this repository, read from their source."""

from __future__ import annotations

import ast
from functools import cache
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
PRODUCT = ("flows", "stages", "registry", "metrics", "gpt_sovits")
PACKAGES = (*PRODUCT, "starter")  # starter is the recipe of the starter base; users do not run it


@cache
def direct_imports(path: Path) -> set[Path]:
    """Return the files of this repository that `path` imports itself, inside functions too."""
    found = set()
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            names = [alias.name for alias in node.names]
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{path}: relative imports hide what is imported"
            names = [f"{node.module}.{alias.name}" for alias in node.names]
        else:
            continue
        for name in names:
            if name.split(".")[0] in PACKAGES:
                found |= _files(name)
    return found


def import_closure(path: Path) -> set[Path]:
    """Return `path` and every file of this repository that it imports, directly or indirectly."""
    seen, waiting = set(), [path, path.parent / "__init__.py"]
    while waiting:
        file = waiting.pop()
        if file not in seen:
            seen.add(file)
            waiting += direct_imports(file)
    return seen


def _files(name: str) -> set[Path]:
    """Return the files of the packages and the module of a dotted name, whose last part may be a name in the module."""
    parts, found = name.split("."), set()
    for n in range(1, len(parts) + 1):
        place = ROOT.joinpath(*parts[:n])
        if (place / "__init__.py").is_file():
            found.add(place / "__init__.py")
        elif place.with_suffix(".py").is_file():
            found.add(place.with_suffix(".py"))
    return found
