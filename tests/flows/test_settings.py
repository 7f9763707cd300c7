"""`-S key=value`: the value is checked, comments stay, and either all settings are written or none."""

from __future__ import annotations

import shutil
from concurrent.futures import ThreadPoolExecutor

import pytest
from imports import ROOT

from flows.settings import PARAMS, apply_settings, list_voice
from stages.params import load_params


@pytest.fixture(autouse=True)
def _in_a_project(tmp_path, monkeypatch):
    shutil.copy(ROOT / "params.yaml", tmp_path)
    monkeypatch.chdir(tmp_path)


def test_setting_changes_its_line_only():
    before = (ROOT / "params.yaml").read_text(encoding="utf-8")
    changes = apply_settings(["segment.max_clip_seconds=9", "adapt_gpt.frozen=[ar_text_embedding, h.layers.0]"])
    assert [change.split(": ")[1] for change in changes] == ["segment.max_clip_seconds", "adapt_gpt.frozen"]
    params = load_params()
    assert params.segment.max_clip_seconds == 9
    assert params.adapt_gpt.frozen == ("ar_text_embedding", "h.layers.0")
    after = PARAMS.read_text(encoding="utf-8")
    changed = [line for line, old in zip(after.splitlines(), before.splitlines(), strict=True) if line != old]
    assert [line.strip() for line in changed] == ["max_clip_seconds: 9", "frozen: [ar_text_embedding, h.layers.0]"]


def test_same_value_changes_nothing():
    assert apply_settings([f"segment.max_clip_seconds={load_params().segment.max_clip_seconds}"]) == []


@pytest.mark.parametrize(
    ("setting", "message"),
    [
        ("segment.max_clip=9", "no key segment.max_clip"),
        ("segment", "key=value"),
        ("segment.vad_threshold=3", "vad_threshold"),
        ("gate.confidence=2", "confidence"),
        ("profile=v9", "profile"),
        ("profile=[", "-S profile=.: the value is not valid YAML"),
        ("profile=*a", "not valid YAML.*undefined alias"),
        ("profile=!!x 1", "not valid YAML"),
        ("profile=!x 1", "not valid YAML"),
        ("profile=&a [*a]", "profile"),
    ],
)
def test_wrong_setting_is_refused_and_file_stays(setting, message):
    before = PARAMS.read_text(encoding="utf-8")
    with pytest.raises(ValueError, match=message):
        apply_settings(["align.max_cer=0.3", setting])
    assert PARAMS.read_text(encoding="utf-8") == before


def test_settings_of_commands_that_run_at_the_same_time_are_all_kept():
    settings = ["segment.max_clip_seconds=9", "align.max_cer=0.25", "gate.confidence=0.9", "ingest.n_jobs=2"]
    with ThreadPoolExecutor(len(settings) + 1) as pool:
        listed = pool.submit(list_voice, "anna")
        changed = list(pool.map(lambda setting: apply_settings([setting]), settings))
        listed.result()
    assert [len(lines) for lines in changed] == [1] * len(settings)
    params = load_params()
    assert (params.segment.max_clip_seconds, params.align.max_cer, params.ingest.n_jobs) == (9, 0.25, 2)
    assert params.gate["confidence"] == 0.9
    assert params.voices == ("sample", "anna")
    assert not [path for path in PARAMS.absolute().parent.iterdir() if path.name.endswith(".partial")]


def test_a_file_that_is_not_yaml_is_named():
    PARAMS.write_text("voices: [", encoding="utf-8")
    with pytest.raises(ValueError, match=r"params\.yaml is not valid YAML"):
        apply_settings([])


def test_voice_is_listed_once():
    list_voice("anna")
    list_voice("anna")
    assert load_params().voices == ("sample", "anna")
