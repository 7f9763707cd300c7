"""The prompt sets of a voice, by language."""

from __future__ import annotations

from pathlib import Path

import pytest
from imports import ROOT

from metrics.normalize import LANGUAGES
from metrics.prompt_sets import load_language, load_other_languages, prompts_of_lane
from metrics.prompts import load_prompts, write_lock

PROMPTS = ROOT / "benchmarks/prompts"


def write_set(folder: Path, name: str, language: str) -> None:
    folder.mkdir(exist_ok=True)
    path = folder / f"{name}.yaml"
    path.write_text(
        f"format: 1\nlanguage: {language}\nversion: 1\nseeds: [0]\nprompts:\n"
        "  - {id: a, category: short, text: Come in., normalized: come in}\n",
        encoding="utf-8",
    )
    write_lock(path)


@pytest.mark.parametrize("language", LANGUAGES)
def test_every_language_has_prompts_in_the_folder_of_the_project(language):
    assert load_language(PROMPTS, language).language == language


def test_the_own_language_is_not_said_twice_and_the_others_are_sorted():
    assert [each.language for each in load_other_languages(PROMPTS, "en", ["zh", "en", "ja"])] == ["ja", "zh"]


def test_the_whole_set_keeps_its_hash_and_a_part_has_another_one():
    whole = load_prompts(PROMPTS / "zh.yaml")
    (all_of_it,) = load_other_languages(PROMPTS, "en", ["zh"])
    (part,) = load_other_languages(PROMPTS, "en", ["zh"], 8)
    assert all_of_it == whole
    assert len(part.prompts) == 8 and part.sha256 != whole.sha256 and part.seeds == whole.seeds
    assert len({prompt.category for prompt in part.prompts}) == 8


def test_more_prompts_than_there_are_is_refused_with_the_key_and_the_language():
    with pytest.raises(ValueError, match=r"evaluate.n_other_language_prompts, language zh: cannot take 999 prompts"):
        load_other_languages(PROMPTS, "en", ["zh"], 999)


def test_lane_is_judged_by_the_first_seeds_and_by_all_prompts_or_some_of_each_category():
    own = load_prompts(PROMPTS / "en.yaml")
    whole, first = prompts_of_lane(own, "realtime", None, len(own.seeds)), prompts_of_lane(own, "realtime", None, 1)
    some = prompts_of_lane(own, "realtime", 8, 1)
    assert whole == own and (first.seeds, first.prompts) == (own.seeds[:1], own.prompts)
    assert len(some.prompts) == 8 and len({own.sha256, first.sha256, some.sha256}) == 3
    with pytest.raises(
        ValueError, match=r"evaluate\.lanes\.realtime\.n_seeds is 9, and the prompts in en have 3 seeds"
    ):
        prompts_of_lane(own, "realtime", None, 9)
    assert prompts_of_lane(own, "realtime", 999, 1) == first


def test_language_without_prompts_is_refused_with_those_that_there_are(tmp_path):
    write_set(tmp_path, "en", "en")
    with pytest.raises(ValueError, match=r"has no prompts in 'ko' \(ko.yaml\), it has: en; write and lock"):
        load_language(tmp_path, "ko")


def test_file_named_after_another_language_is_refused(tmp_path):
    write_set(tmp_path, "zh", "en")
    with pytest.raises(ValueError, match="named after 'zh', but its language is 'en'"):
        load_language(tmp_path, "zh")


def test_file_in_place_of_the_folder_is_refused_with_what_to_write():
    with pytest.raises(
        ValueError, match=r"en\.yaml is not a folder; evaluate\.prompts in params.yaml names the folder"
    ):
        load_language(PROMPTS / "en.yaml", "en")
