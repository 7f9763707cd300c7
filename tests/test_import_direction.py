"""The layers of the packages: imports go down and never up."""

from __future__ import annotations

import pytest
from imports import PACKAGES, ROOT, direct_imports

MAY_IMPORT = {
    "starter": {"starter", "metrics", "gpt_sovits"},  # nothing imports the recipe of the starter base
    "flows": {"flows", "stages", "registry", "metrics", "gpt_sovits"},
    "stages": {"stages", "registry", "metrics", "gpt_sovits"},
    "registry": {"registry", "metrics", "gpt_sovits"},
    "metrics": {"metrics"},
    "gpt_sovits": {"gpt_sovits"},
}


@pytest.mark.parametrize("package", PACKAGES)
def test_package_imports_only_from_its_layer_or_below(package):
    wrong = [
        f"{path.relative_to(ROOT)} imports {imported.relative_to(ROOT)}"
        for path in sorted((ROOT / package).rglob("*.py"))
        for imported in sorted(direct_imports(path))
        if imported.relative_to(ROOT).parts[0] not in MAY_IMPORT[package]
    ]
    assert not wrong


def test_every_required_folder_exists():
    for name in ("flows", "stages", "data", "registry", "tests", "benchmarks", "gpt_sovits", "metrics"):
        assert (ROOT / name).is_dir(), name
