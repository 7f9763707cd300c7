"""Settings are compared with those that the stages ran with, whatever way they are written."""

from __future__ import annotations

from pathlib import Path

import pytest
from imports import ROOT
from ruamel.yaml import YAML

from stages.lineage import lineage
from stages.params import load_params
from stages.used_settings import find_other_settings

VALUES = load_params(ROOT / "params.yaml").model_dump(mode="json", by_alias=True)


def record(**params):
    return {"params": {"params.yaml": params}}


def test_the_settings_that_stages_ran_with_are_the_same():
    raw = YAML(typ="safe").load((ROOT / "params.yaml").read_text(encoding="utf-8"))
    ran = {f"{name}@anna": record(profile="starter", **{name: raw[name]}) for name in ("ingest", "align", "register")}
    assert list(find_other_settings(ran, VALUES)) == []
    assert list(find_other_settings({"segment@anna": record(segment=raw["segment"] | {"n_jobs": 1.0})}, VALUES)) == []


def test_each_difference_names_its_stage_key_and_values():
    changed = VALUES["align"] | {"max_cer": 0.2, "repair": ["trim"]}
    assert list(find_other_settings({"align@anna": record(align=changed, profile="v2")}, VALUES)) == [
        "align ran with align.max_cer 0.2, not 0.3",
        'align ran with align.repair ["trim"], not []',
        'align ran with profile "v2", not "starter"',
    ]


def test_a_single_key_and_a_preset_are_compared():
    ran = {"features@anna": {"params": {"params.yaml": {"features.reference_min_seconds": 2}}}}
    assert list(find_other_settings(ran, VALUES)) == ["features ran with features.reference_min_seconds 2.0, not 3.0"]
    slow = {"slow": {"settings": {"speed": 0.8}}}
    assert "presets.slow.settings.speed 0.8, not unset" in " ".join(
        find_other_settings({"evaluate@anna": record(presets=slow)}, VALUES)
    )


def test_values_that_the_types_of_today_refuse_count_as_they_are():
    old = {"segment@anna": record(segment={"longest": 12})}
    assert list(find_other_settings(old, {"segment": {"longest": 12.0}})) == []
    assert list(find_other_settings(old, {"segment": {"longest": 9}})) == ["segment ran with segment.longest 12, not 9"]


def test_the_data_card_does_not_count():
    assert not list(find_other_settings({"data_card@anna": record(profile="v2")}, VALUES))


def test_register_refuses_parameters_that_the_stages_did_not_run_with(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    manifest = tmp_path / "recordings.jsonl"
    manifest.write_text("")
    for seconds in (12.0, 9.0):
        entry = record(segment=VALUES["segment"] | {"max_clip_seconds": seconds})
        YAML().dump({"schema": "2.0", "stages": {"segment@anna": entry}}, Path("dvc.lock"))
        if seconds == 12.0:
            lineage("anna", tmp_path, load_params(ROOT / "params.yaml"))
    message = (
        r"params\.yaml has changed meanwhile: segment ran with segment\.max_clip_seconds 9\.0, not 12\.0; run again"
    )
    with pytest.raises(ValueError, match=message):
        lineage("anna", tmp_path, load_params(ROOT / "params.yaml"))
