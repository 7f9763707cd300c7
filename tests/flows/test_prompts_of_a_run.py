"""`vox run` refuses too few prompts before the first stage. The gate would refuse them after the last one."""

from __future__ import annotations

import shutil

import pytest
from imports import PRODUCT, ROOT
from project import vox


@pytest.fixture
def root(tmp_path):
    for name in ("params.yaml", "dvc.yaml"):
        shutil.copy(ROOT / name, tmp_path)
    for name in (*PRODUCT, "benchmarks", "base_models/starter", "data/1_recordings/sample"):
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).symlink_to(ROOT / name)
    return tmp_path


def test_fewer_prompts_than_the_gate_needs_are_refused_before_the_first_stage(root):
    done = vox(root, "run", "sample", "--no-prefect", "-S", "gate.min_prompts=1000")
    assert done.returncode == 2, done.stdout + done.stderr
    said = " ".join(done.stderr.split())
    assert "benchmarks/prompts/en.yaml gives 10" in said and "prompts and gate.min_prompts is 1000" in said
    assert "python -m metrics.prompts lock" in said and "set gate.min_prompts to at most 10" in said
    assert not (root / "data/1_manifests").exists()


def test_preset_with_fewer_prompts_than_its_rules_need_is_refused_before_the_first_stage(root):
    rules = (
        "thresholds: [{metric: wer, at_most: 0.5, unit: errors per word, reason: x}], "
        "non_inferiority: [{metric: wer, margin: 0.05, unit: errors per word, reason: x}], min_prompts: 90"
    )
    text = (root / "params.yaml").read_text(encoding="utf-8")
    text = text.replace("\n  presets: {}\n", f"\n  presets: {{dialogue: {{{rules}}}}}\n")
    preset = "{dialogue: {categories: [short], settings: {}, reference_clips: {}}}"
    (root / "params.yaml").write_text(text.replace("\npresets: {}\n", f"\npresets: {preset}\n"), encoding="utf-8")
    done = vox(root, "run", "sample", "--no-prefect")
    said = " ".join(done.stderr.split())
    assert done.returncode == 2 and "the categories of the preset dialogue have 13 prompts in en" in said, said
    assert "gate.presets.dialogue.min_prompts is 90" in said and not (root / "data/1_manifests").exists()
