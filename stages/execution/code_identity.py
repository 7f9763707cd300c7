"""Which code a result comes from: hashes that change with any module, data file or package that could change it.

DVC compares the modules under `deps` in dvc.yaml for the same reason. tests/write_deps.py finds those with
`import_closure`, so DVC and the result cache (cache.py) agree on the modules that a stage depends on. Of packages, DVC
sees the lock, which says what should be installed. These hashes hold the versions that are installed, so a package that
was upgraded by hand never answers with results of the one before it.
"""

from __future__ import annotations

import ast
import functools
import hashlib
import platform
import re
from collections.abc import Iterable
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
PACKAGES = ("stages", "registry", "metrics", "gpt_sovits")  # whose code makes results
LOCK = ROOT / "requirements.lock"
PIN = re.compile(r"^([\w.-]+)==", re.MULTILINE)  # a package in it
DATA_SUFFIXES = (".json", ".yaml", ".safetensors")


@functools.cache
def code_of(module: Path) -> str:
    """Return a hash of a module, all modules that it imports, the data files beside them and the installed packages.

    Args:
        module: source file of the module.

    Returns:
        64 hex digits.
    """
    modules = import_closure(module, PACKAGES)
    data = {file for folder in {path.parent for path in modules} for file in folder.iterdir() if _is_data(file)}
    return _hash_files(modules | data)


@functools.cache
def code_of_packages() -> str:
    """Return a hash of all modules of PACKAGES, their data files and the installed packages, 64 hex digits.

    Data files are the weights of ecapa_small too. A process that lives on keeps what it loaded, and its first hash.
    """
    files = (file for package in PACKAGES for file in (ROOT / package).rglob("*"))
    return _hash_files(file for file in files if file.suffix == ".py" or _is_data(file))


def import_closure(path: Path, packages: tuple[str, ...]) -> set[Path]:
    """Return `path` and every file of these packages that it imports, directly or indirectly, inside functions too."""
    seen, waiting = set(), [file for file in (path, path.parent / "__init__.py") if file.is_file()]
    while waiting:
        file = waiting.pop()
        if file not in seen:
            seen.add(file)
            waiting += direct_imports(file, packages)
    return seen


@functools.cache
def direct_imports(path: Path, packages: tuple[str, ...]) -> frozenset[Path]:
    """Return the files of these packages that `path` imports itself, inside functions too."""
    return frozenset(imported_files(path, ast.walk(ast.parse(path.read_text(encoding="utf-8"))), packages))


def imported_files(path: Path, nodes: Iterable[ast.AST], packages: tuple[str, ...]) -> set[Path]:
    """Return the files of these packages that the import statements among `nodes`, of the file `path`, import."""
    found = set()
    for node in nodes:
        if isinstance(node, ast.Import):
            names = [alias.name for alias in node.names]
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{path}: relative imports hide what is imported"
            names = [f"{node.module}.{alias.name}" for alias in node.names]
        else:
            continue
        for name in names:
            if name.split(".")[0] in packages:
                found |= _files(name)
    return found


@functools.cache
def _installed_packages() -> str:
    """Return the packages that the lock names with their installed versions. Those that are not installed are left out.

    Others, such as an editor's, change no result.
    """
    found = {}
    for name in PIN.findall(LOCK.read_text(encoding="utf-8")):
        try:
            found[name] = version(name)
        except PackageNotFoundError:  # of an extra, or of another system
            continue
    return " ".join(f"{name}=={installed}" for name, installed in sorted(found.items()))


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


def _is_data(file: Path) -> bool:
    return file.suffix in DATA_SUFFIXES and file.is_file()


def _hash_files(files: Iterable[Path]) -> str:
    """Return a hash of files with their paths, of the installed packages, and of what runs them."""
    whole = hashlib.sha256(f"{platform.python_version()} {platform.machine()}\n".encode())
    whole.update(f"{_installed_packages()}\n".encode())
    for file in sorted(files):
        name = file.relative_to(ROOT) if file.is_relative_to(ROOT) else file.name
        whole.update(f"{name} {hashlib.sha256(file.read_bytes()).hexdigest()}\n".encode())
    return whole.hexdigest()
