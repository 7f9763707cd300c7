from __future__ import annotations

import pytest
import torch

from starter.pack import draw, halved, hashes


def test_a_number_that_half_precision_cannot_hold_is_refused():
    assert halved({"a": torch.ones(2), "n": torch.tensor(3)})["n"].dtype == torch.int64
    with pytest.raises(ValueError, match=r"\['b'\]"):
        halved({"a": torch.ones(2), "b": torch.tensor([1e6])})


def test_every_file_has_its_hash(tmp_path):
    (tmp_path / "gpt").mkdir()
    (tmp_path / "gpt" / "config.json").write_text("{}")
    before = hashes(tmp_path)
    (tmp_path / "gpt" / "config.json").write_text("{ }")
    assert list(before) == ["gpt/config.json"] and hashes(tmp_path) != before


def test_curves_are_drawn_with_what_each_stage_has(tmp_path):
    rows = [{"step": 1, "loss": 2.0}, {"step": 2, "loss": 1.0, "alignment": 0.9}]
    draw({"gpt": rows, "joint": [{"step": 1, "held_out_latent": 0.3}]}, tmp_path / "curves.svg")
    assert "<svg" in (tmp_path / "curves.svg").read_text()
