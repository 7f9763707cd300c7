"""The repository holds what the recipe made."""

from __future__ import annotations

import hashlib
import json

import pytest
from ruamel.yaml import YAML

from gpt_sovits.weights.base import load_base
from gpt_sovits.weights.places import BASES_FOLDER
from starter.pack import LARGEST_BYTES, NAME, STAGES, draw_curves, hash_files
from starter.settings import HOME

PARAMS = "params.yaml"


def test_the_weights_in_the_repository_have_the_recorded_hashes():
    written = json.loads((HOME / "weights.json").read_text(encoding="utf-8"))
    assert {path: digest for path, digest in hash_files(BASES_FOLDER / NAME).items() if path in written} == written
    assert set(hash_files(BASES_FOLDER / NAME)) - set(written) <= {"MODEL_CARD.md", "base.json"}


@pytest.mark.skipif(not (HOME / "dvc.lock").exists(), reason="the stages ran one by one, without a lock, see README.md")
def test_the_recorded_run_used_the_settings_in_the_repository():
    """DVC recorded in dvc.lock the settings of that run and the hash of weights.json."""
    lock = YAML(typ="safe").load((HOME / "dvc.lock").read_text(encoding="utf-8"))["stages"]
    settings = YAML(typ="safe").load((HOME / "params.yaml").read_text(encoding="utf-8"))
    used = {key: value for stage in lock.values() for key, value in stage.get("params", {}).get(PARAMS, {}).items()}
    assert used == settings
    (written,) = [out for out in lock["pack"]["outs"] if out["path"] == "weights.json"]
    assert written["md5"] == hashlib.md5((HOME / "weights.json").read_bytes()).hexdigest()


def test_the_repository_holds_the_curve_of_every_stage():
    for stage, names in STAGES.items():
        lines = (HOME / "curves" / f"{stage}.jsonl").read_text(encoding="utf-8").splitlines()
        last = json.loads(lines[-1])
        assert set(names) <= set(last), stage


def test_the_starter_base_is_small_and_complete_and_has_the_symbols_of_the_official_models():
    base = load_base(NAME)
    base.require_adaptable()
    assert sum(path.stat().st_size for path in (BASES_FOLDER / NAME).rglob("*")) <= LARGEST_BYTES
    assert base.gpt_config.phoneme_vocab_size == base.sovits_config.n_symbols == 732
    base.build_gpt()
    base.build_sovits()
    base.build_discriminator()
    base.build_content_encoder()


def test_every_file_has_its_hash(tmp_path):
    (tmp_path / "gpt").mkdir()
    (tmp_path / "gpt" / "config.json").write_text("{}")
    before = hash_files(tmp_path)
    (tmp_path / "gpt" / "config.json").write_text("{ }")
    assert list(before) == ["gpt/config.json"] and hash_files(tmp_path) != before


def test_curves_are_drawn_with_what_each_stage_has(tmp_path):
    rows = [{"step": 1, "loss": 2.0}, {"step": 2, "loss": 1.0, "alignment": 0.9}]
    draw_curves({"gpt": rows, "joint": [{"step": 1, "held_out_latent": 0.3}]}, tmp_path / "curves.svg")
    assert "<svg" in (tmp_path / "curves.svg").read_text()
