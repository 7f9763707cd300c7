"""The layers of the packages: imports go down and never up."""

from __future__ import annotations

import ast

import pytest
from imports import PACKAGES, ROOT, direct_imports

MAY_IMPORT = {
    "starter": {"starter", "metrics", "gpt_sovits"},  # nothing imports the recipe of the starter base
    "flows": {"flows", "stages", "campaigns", "serving", "registry", "metrics", "gpt_sovits"},
    "campaigns": {"campaigns", "serving", "registry", "metrics", "gpt_sovits"},
    "serving": {"serving", "registry", "metrics", "gpt_sovits"},
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
    for name in (
        "flows",
        "stages",
        "campaigns",
        "serving",
        "data",
        "registry",
        "tests",
        "benchmarks",
        "gpt_sovits",
        "metrics",
    ):
        assert (ROOT / name).is_dir(), name


def test_product_code_imports_from_modules_and_not_from_front_doors():
    """DVC's dependencies follow the imports, and a front door imports its modules lazily, so they would be missing."""
    through_doors = [
        f"{path.relative_to(ROOT)}:{node.lineno}"
        for package in PACKAGES
        for path in sorted((ROOT / package).rglob("*.py"))
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8")))
        if isinstance(node, ast.ImportFrom) and node.module and node.module.split(".")[0] in PACKAGES
        for name in node.names
        if (ROOT / node.module.replace(".", "/") / "__init__.py").is_file()
        and not (ROOT / node.module.replace(".", "/") / f"{name.name}.py").is_file()
        and not (ROOT / node.module.replace(".", "/") / name.name).is_dir()
        and "lazy" in (ROOT / node.module.replace(".", "/") / "__init__.py").read_text(encoding="utf-8")
        and path.name != "voice_model.py"  # MLflow copies it into each version, which outlives the modules
    ]
    assert not through_doors
