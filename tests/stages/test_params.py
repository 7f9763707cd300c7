"""params.yaml as types: every fault is named with the value seen."""

from __future__ import annotations

from itertools import pairwise
from typing import get_args

import pytest
from imports import ROOT
from ruamel.yaml import YAML

from gpt_sovits.text.frontend import phonemize
from stages.params import Params, load_params, parse_params
from stages.profiles import PROFILES


@pytest.fixture
def raw():
    return YAML(typ="safe").load((ROOT / "params.yaml").read_text(encoding="utf-8"))


def test_every_key_is_described_in_a_sentence():
    for name, field in Params.model_fields.items():
        keys = getattr(field.annotation, "model_fields", {}).items() or [(name, field)]
        for key, inner in keys:
            assert inner.description and inner.description.endswith("."), f"{name}.{key}"


def test_unknown_key_is_refused_by_name(raw):
    raw["segment"]["max_clip_secnods"] = 3
    with pytest.raises(ValueError, match=r"segment\.max_clip_secnods"):
        parse_params(raw, "params.yaml")


def test_a_file_of_before_with_align_language_is_told_where_the_language_is_now(raw):
    raw["align"]["language"] = "en"
    with pytest.raises(ValueError, match=r"language = 'en' belongs to the voice now: remove the key.*voice\.yaml"):
        parse_params(raw, "params.yaml")


def test_missing_key_is_refused_by_name(raw):
    del raw["adapt_gpt"]["seed"]
    with pytest.raises(ValueError, match=r"adapt_gpt\.seed"):
        parse_params(raw, "params.yaml")


def test_all_faults_are_reported_together(raw):
    raw["segment"]["vad_threshold"] = 2
    raw["align"]["max_cer"] = float("nan")
    with pytest.raises(ValueError, match=r"segment.vad_threshold.*2.*align.max_cer"):
        parse_params(raw, "params.yaml")


def test_exponent_without_a_dot_is_a_number_as_dvc_reads_it(raw):
    raw["adapt_gpt"]["learning_rate"] = "1e-4"  # what PyYAML and ruamel make of `1e-4`
    assert parse_params(raw, "params.yaml").adapt_gpt.learning_rate == 1e-4


def test_combination_is_checked_where_the_values_meet(raw):
    raw["segment"]["max_clip_seconds"] = 1.5
    with pytest.raises(ValueError, match="at least twice"):
        parse_params(raw, "params.yaml")


def test_settings_of_the_starter_base_are_refused_for_an_official_one_and_the_other_way_round(raw):
    with pytest.raises(ValueError, match=r"profile v2 takes settings for official base models.*params\.official\.yaml"):
        parse_params(raw | {"profile": "v2"}, "params.yaml")
    official = YAML(typ="safe").load((ROOT / "params.official.yaml").read_text(encoding="utf-8"))
    assert parse_params(official, "params.official.yaml").profile == "v2"
    with pytest.raises(ValueError, match="settings_for: starter"):
        parse_params(official | {"profile": "starter"}, "params.yaml")


def test_both_settings_files_have_the_same_keys(raw):
    official = YAML(typ="safe").load((ROOT / "params.official.yaml").read_text(encoding="utf-8"))

    def keys(settings):  # the keys of `presets` are names that a team chooses
        return {name: set(v) if isinstance(v, dict) and name != "presets" else None for name, v in settings.items()}

    assert keys(official) == keys(raw)


@pytest.mark.parametrize("voice", ["../x", "a/b", ".hidden", ""])
def test_voice_that_is_not_a_folder_name_is_refused(raw, voice):
    raw["voices"] = [voice]
    with pytest.raises(ValueError, match="voices"):
        parse_params(raw, "params.yaml")


def test_parameters_cannot_be_changed():
    with pytest.raises(ValueError, match="frozen"):
        load_params(ROOT / "params.yaml").segment.sample_rate = 1


def test_broken_yaml_is_an_error_of_one_sentence(tmp_path):
    path = tmp_path / "params.yaml"
    path.write_text("voices: [sample\nprofile: x")
    with pytest.raises(ValueError, match="not valid YAML"):
        load_params(path)


def test_aliases_that_hold_more_values_than_memory_does_are_refused_at_once(tmp_path):
    """The text of the last of these lists would have 4 billion characters."""
    levels = ["a: &a [x,x,x,x,x,x,x,x,x]"]
    levels += [f"{name}: &{name} [{','.join(['*' + before] * 9)}]" for before, name in pairwise("abcdefghi")]
    path = tmp_path / "params.yaml"
    path.write_text("\n".join(levels), encoding="utf-8")
    with pytest.raises(ValueError, match="i: Extra inputs are not permitted") as error:
        load_params(path)
    assert len(str(error.value)) < 3000


@pytest.mark.parametrize("content", [b"\xff\xfe\x00\x01", b"[" * 5000, b"a: 2026-02-31", b"!!python/name:os.system"])
def test_file_that_is_not_yaml_is_named(tmp_path, content):
    path = tmp_path / "params.yaml"
    path.write_bytes(content)
    with pytest.raises(ValueError, match=f"{path}: not valid YAML"):
        load_params(path)


def test_every_profile_has_its_base_and_judges():
    assert set(get_args(Params.model_fields["profile"].annotation)) == PROFILES.keys()


@pytest.mark.parametrize("name", ["x; touch pwned #", "../sample", "", ".hidden", "a b", "$(id)"])
def test_voice_whose_name_a_shell_could_take_for_a_command_is_refused(raw, name):
    raw["voices"] = ["sample", name]
    with pytest.raises(ValueError, match=r"voices: .*letters, digits"):
        parse_params(raw, "params.yaml")


@pytest.mark.parametrize(("section", "key"), [("register", "smoke_text"), ("adapt_gpt", "max_phonemes_per_second")])
def test_a_setting_by_language_needs_every_language(raw, section, key):
    del raw[section][key]["yue"]
    with pytest.raises(ValueError, match=rf"{section}\.{key}: .*{key} takes .* each of en, zh, yue, ja, ko"):
        parse_params(raw, "params.yaml")


@pytest.mark.parametrize("file", ["params.yaml", "params.official.yaml"])
def test_every_smoke_text_can_be_read_in_its_language(file):
    for language, text in load_params(ROOT / file).register_.smoke_text.items():
        assert phonemize(text, language).ids
