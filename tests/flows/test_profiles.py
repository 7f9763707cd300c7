"""`vox profile`: what a project knows of its voices in service."""

from __future__ import annotations

import json
import shutil

import pytest
from project import vox


@pytest.fixture(scope="module")
def shown(speaking) -> dict:
    done = vox(speaking, "profile", "show", "anna", "--json")
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)


def test_profile_has_every_preset_with_its_references_settings_figures_and_verdict(shown):
    assert (shown["voice"], shown["version"]) == ("anna", 1)
    narration, dialogue = shown["presets"]
    assert (narration["name"], dialogue["name"]) == ("narration", "dialogue")
    assert [clip["file"] for clip in narration["references"]] == ["reference.safetensors"]
    assert [(clip["file"], clip["clip_id"]) for clip in dialogue["references"]] == [
        ("presets/dialogue.safetensors", "clip_7")
    ]
    assert all(len(clip["sha256"]) == 64 and clip["seconds"] == 0.6 for clip in dialogue["references"])
    assert dialogue["settings"]["speed"] == 1.5 and narration["settings"]["speed"] == 1.0
    assert dialogue["outcome"] == narration["outcome"] == "pass" and dialogue["n_prompts"] == 12
    assert dialogue["figures"]["wer"] == pytest.approx(0.1)
    assert [check["slice"] for check in dialogue["thresholds"]] == ["preset dialogue"]


def test_history_has_the_figures_of_each_release_by_preset(shown):
    (release,) = shown["history"]
    assert (release["action"], release["version"], release["actor"]) == ("promote", 1, "tester")
    assert set(release["figures"]) == {"narration", "dialogue"}


def test_list_names_the_voices_in_service_and_show_tells_people_the_same(speaking):
    listed = vox(speaking, "profile", "list")
    assert listed.returncode == 0 and "anna" in listed.stdout and "narration, dialogue" in listed.stdout
    shown = vox(speaking, "profile", "show", "anna")
    assert shown.returncode == 0 and "dialogue: pass, 12 prompts" in shown.stdout and "0.6 s" in shown.stdout


def test_voice_without_champion_has_no_profile(speaking):
    done = vox(speaking, "profile", "show", "nobody")
    assert (done.returncode, done.stdout) == (1, "") and "nobody has no champion" in done.stderr


def test_changed_byte_of_a_preset_is_refused(speaking, tmp_path):
    root = shutil.copytree(speaking, tmp_path / "project", symlinks=True)
    (preset,) = (path for path in root.glob("mlartifacts/**/presets/dialogue.json"))
    preset.write_text(preset.read_text().replace('"speed": 1.5', '"speed": 2.5'))
    done = vox(root, "profile", "show", "anna")
    assert done.returncode == 2 and "presets/dialogue.json changed" in " ".join(done.stderr.split())
