"""`make deps`: update the modules under `deps` in dvc.yaml to what each stage imports."""

from __future__ import annotations

import re

from imports import ROOT, import_closure

STAGE = re.compile(r"(?m)^  (?P<name>\w+):\n(?:    .*\n|\n)*?    deps:\n(?P<deps>(?:      - .*\n)+)")


def with_deps(text: str) -> str:
    """Return dvc.yaml with the modules of every stage: data in its old order, then everything else by name."""

    def update_deps(match: re.Match[str]) -> str:
        old = [line.removeprefix("      - ") for line in match["deps"].splitlines()]
        data = [path for path in old if path.startswith("data/")]
        stage = ROOT / "stages" / f"{match['name']}.py"
        modules = {str(path.relative_to(ROOT)) for path in import_closure(stage)}
        others = {path for path in old if not path.startswith("data/") and not path.endswith(".py")} | modules
        deps = "".join(f"      - {path}\n" for path in [*data, *sorted(others)])
        return match[0].removesuffix(match["deps"]) + deps

    return STAGE.sub(update_deps, text)


if __name__ == "__main__":
    path = ROOT / "dvc.yaml"
    path.write_text(with_deps(path.read_text(encoding="utf-8")), encoding="utf-8")
