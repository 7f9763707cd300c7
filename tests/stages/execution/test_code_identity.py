"""The hash of the code changes with the packages that are installed, whatever the lock says."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest
from imports import ROOT

from stages.execution import code_identity

HASH = "from stages.execution.code_identity import code_of_packages; print(code_of_packages())"


def code_with(folder: Path, packages: dict[str, str]) -> str:
    """Return the hash of the code where these versions are installed."""
    for name, version in packages.items():
        metadata = folder / f"{name}-{version}.dist-info/METADATA"
        metadata.parent.mkdir(parents=True)
        metadata.write_text(f"Metadata-Version: 2.1\nName: {name}\nVersion: {version}\n")
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join([str(folder), str(ROOT)])}
    done = subprocess.run(
        [sys.executable, "-c", HASH], env=environment, cwd=folder, check=True, capture_output=True, text=True
    )
    return done.stdout.strip()


def test_other_weights_beside_the_code_are_other_code(tmp_path: Path) -> None:
    (tmp_path / "judges").mkdir()
    found = set()
    for content in (b"old", b"new"):
        (tmp_path / "judges/weights.safetensors").write_bytes(content)
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(code_identity, "ROOT", tmp_path)
            patch.setattr(code_identity, "PACKAGES", ("judges",))
            found.add(code_identity.code_of_packages.__wrapped__())
    assert len(found) == 2


def test_a_package_that_was_upgraded_by_hand_gives_other_results(tmp_path: Path) -> None:
    folders = [tmp_path / name for name in ("plain", "upgraded", "other")]
    for folder in folders:
        folder.mkdir()
    plain = code_with(folders[0], {})
    assert len(plain) == 64
    assert code_with(folders[1], {"pyloudnorm": "99.0"}) != plain
    assert code_with(folders[2], {"an_editor": "99.0"}) == plain  # no module of ours can import it
