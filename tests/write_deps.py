"""`make deps`: update `deps` in dvc.yaml to the modules that each stage imports and the weights that they load."""

from __future__ import annotations

import re

from imports import ROOT, import_closure

STAGE = re.compile(r"(?m)^  (?P<name>\w+):\n(?:    .*\n|\n)*?    deps:\n(?P<deps>(?:      - .*\n)+)")

# Files that a module loads besides code: a stage that imports it depends on them too. Weights that `vox pull` brings
# are not here, because DVC has no deps that may be missing.
WEIGHTS = {
    "metrics/judges/ecapa_small/model.py": (
        "metrics/judges/ecapa_small/config.json",
        "metrics/judges/ecapa_small/weights.safetensors",
    )
}


def modules_of(stage: str) -> set[str]:
    """Return the modules that a stage imports, as dvc.yaml names them."""
    return {str(path.relative_to(ROOT)) for path in import_closure(ROOT / "stages" / f"{stage}.py")}


def weights_of(stage: str) -> set[str]:
    """Return the files of weights in the repository that the modules of a stage load."""
    return {file for module in modules_of(stage) for file in WEIGHTS.get(module, ())}


def with_deps(text: str) -> str:
    """Return dvc.yaml with the modules of every stage: data in its old order, then everything else by name."""

    def update_deps(match: re.Match[str]) -> str:
        old = [line.removeprefix("      - ") for line in match["deps"].splitlines()]
        data = [path for path in old if path.startswith("data/")]
        others = {path for path in old if not path.startswith("data/") and not path.endswith(".py")}
        others |= modules_of(match["name"]) | weights_of(match["name"])
        deps = "".join(f"      - {path}\n" for path in [*data, *sorted(others)])
        return match[0].removesuffix(match["deps"]) + deps

    return STAGE.sub(update_deps, text)


if __name__ == "__main__":
    path = ROOT / "dvc.yaml"
    path.write_text(with_deps(path.read_text(encoding="utf-8")), encoding="utf-8")
