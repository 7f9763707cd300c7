"""Voices of several languages in one project: each keeps its own, and what a profile cannot make is refused."""

from __future__ import annotations

import shutil
from datetime import date
from pathlib import Path

import pytest
from imports import ROOT

from registry.consent.file import load_voice
from stages.align import align
from stages.ingest import ingest
from stages.params import load_params
from stages.profiles import PROFILES, require_heard, require_language, require_learned
from stages.segment import segment
from stages.tables import Clip, Recording, Reject, read_table, write_table

SAMPLE = ROOT / "data/1_recordings/sample"
PARAMS = load_params(ROOT / "params.yaml")
TODAY = date(2026, 6, 1)
# voice -> (language in voice.yaml, its ISO code, language in the list, what it says in sample_001)
VOICES = {
    "anna": ("en", "en", "EN", "The kettle is on the stove."),
    "mei": ("CN", "zh", "ALL_ZH", "水壶放在炉子上。"),
    "yuki": ("jp", "ja", "JP", "やかんはコンロの上にあります。"),
}


@pytest.fixture(scope="module")
def project(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Folders of an English, a Mandarin and a Japanese voice, ingested and segmented by the same params.yaml.

    All three play the same English recording, since neither stage listens to words.
    """
    root = tmp_path_factory.mktemp("project")
    for name, (language, _, code, text) in VOICES.items():
        folder = new_voice(root / "recordings" / name, language)
        shutil.copy(SAMPLE / "wavs/sample_001.flac", folder / "one.flac")
        (folder / "v.list").write_text(f"one.flac|{name}|{code}|{text}\n", encoding="utf-8")
        for stage in ("manifests", "clips", "aligned"):
            (root / stage / name).mkdir(parents=True)
        ingest(folder, root / "manifests" / name, PARAMS.ingest, TODAY)
        segment(folder, root / "manifests" / name, root / "clips" / name, PARAMS.segment)
    return root


def new_voice(folder: Path, language: str) -> Path:
    folder.mkdir(parents=True)
    record = (SAMPLE / "voice.yaml").read_text(encoding="utf-8").replace("name: sample", f"name: {folder.name}")
    (folder / "voice.yaml").write_text(record.replace("language: en", f"language: {language}"), encoding="utf-8")
    shutil.copy(SAMPLE / "consent.md", folder)
    return folder


@pytest.mark.parametrize("name", VOICES)
def test_the_manifest_has_the_voices_own_language_and_text(project: Path, name: str) -> None:
    _, code, _, text = VOICES[name]
    assert load_voice(project / "recordings" / name).language == code
    (row,) = read_table(project / "manifests" / name / "recordings.jsonl", Recording)
    assert (row.language, row.transcript) == (code, text)
    assert [row.path for row in read_table(project / "manifests" / name / "rejects.jsonl", Reject)] == []


def test_the_clips_do_not_depend_on_the_language(project: Path) -> None:
    tables = [read_table(project / "clips" / name / "clips.jsonl", Clip) for name in VOICES]
    assert tables[0] and tables[0] == tables[1] == tables[2]


@pytest.mark.parametrize("name", ["mei", "yuki"])
@pytest.mark.parametrize("asr", ["pocketsphinx", "faster-whisper-tiny.en"])
def test_align_refuses_at_once_what_its_recogniser_does_not_hear(project: Path, name: str, asr: str) -> None:
    with pytest.raises(ValueError, match=rf"the recogniser {asr} hears English \(en\) only; run `vox pull v2`"):
        align(project / "clips" / name, project / "manifests" / name, project / "aligned" / name, PARAMS.align, asr)


def test_a_manifest_of_two_languages_is_refused(project: Path, tmp_path: Path) -> None:
    (row,) = read_table(project / "manifests/mei/recordings.jsonl", Recording)
    other = row.model_copy(update={"recording_id": "0" * 12, "language": "ja"})
    manifest = tmp_path / "manifest"
    manifest.mkdir()
    write_table(manifest / "recordings.jsonl", [row, other])
    with pytest.raises(ValueError, match=r"recordings\.jsonl names 2 languages \(ja, zh\), and a voice has one"):
        align(project / "clips/mei", manifest, tmp_path, PARAMS.align, "pocketsphinx")


@pytest.mark.parametrize(
    ("language", "text", "n_characters", "length"),
    [
        ("zh", "水壶" * 100, 200, 600),
        ("yue", "水煲" * 100, 200, 600),
        ("ko", "주전" * 100, 200, 600),
        ("ja", "やか" * 100, 200, 400),
    ],
)
def test_a_text_nobody_can_say_so_fast_is_refused_in_every_script(
    tmp_path: Path, language: str, text: str, n_characters: int, length: int
) -> None:
    """In the 6 s of the recording, 200 letters can be said and 200 such characters cannot."""
    folder = new_voice(tmp_path / "voice", language)
    for number in (1, 2):
        shutil.copy(SAMPLE / f"wavs/sample_00{number}.flac", folder / f"{number}.flac")
    (folder / "1.txt").write_text(text, encoding="utf-8")
    (tmp_path / "out").mkdir()
    ingest(folder, tmp_path / "out", PARAMS.ingest, TODAY)
    (reject,) = read_table(tmp_path / "out/rejects.jsonl", Reject)
    assert f"{n_characters} characters, as long as {length} Latin letters, exceed ingest.max_chars" in reject.reason


@pytest.mark.parametrize("language", ["zh", "yue", "ja", "ko"])
def test_the_starter_profile_is_refused_for_other_languages_with_what_helps(language: str) -> None:
    with pytest.raises(
        ValueError,
        match=rf"mei speaks \w+ \({language}\), but with profile starter the base model starter learned English \(en\) "
        r"only and the recogniser \S+ hears English \(en\) only; run `vox pull v2`, `vox pull faster-whisper-large-v3`"
        r", `vox pull spkrec-ecapa-voxceleb` and `cp params\.official\.yaml params\.yaml`, which sets profile: v2",
    ):
        require_language("mei", language, "starter")


@pytest.mark.parametrize("profile", [name for name in PROFILES if name != "starter"])
@pytest.mark.parametrize("language", ["en", "zh", "yue", "ja", "ko"])
def test_an_official_profile_takes_every_language(profile: str, language: str) -> None:
    require_language("mei", language, profile)


def test_english_passes_every_check_of_the_starter_profile() -> None:
    profile = PROFILES["starter"]
    require_language("anna", "en", "starter")
    require_learned(profile.base, "en")
    require_heard(profile.asr, "en")


def test_features_of_a_language_that_the_base_never_learned_are_refused() -> None:
    with pytest.raises(ValueError, match=r"the clips are in Korean \(ko\), but the base model starter learned English"):
        require_learned("starter", "ko")
