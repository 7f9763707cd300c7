"""A preset is served only where a verdict about exactly this candidate passed it."""

from __future__ import annotations

import json

import pytest
import torch
from release_helpers import (
    LINEAGE,
    TODAY,
    language_rules,
    policy,
    preset_scores,
    recordings_of,
    scorecard,
    write_scores,
    write_voice_folder,
)
from safetensors.torch import save_file

from gpt_sovits.synthesis.preset_files import preset_sha256
from registry.candidates.fingerprint import CandidateError
from registry.candidates.registration import register_candidate
from registry.profiles.profile import read_profile, read_voice_in_service
from registry.releases.alias import ReleaseRefused
from registry.releases.journal import append
from registry.releases.promotion import promote, revoke, rollback
from registry.releases.service import find_servable
from registry.releases.state import Entry
from registry.storage.store import Store
from registry.verdicts.gating import gate_candidate

RULES = policy(presets={"dialogue": language_rules()})


@pytest.fixture
def released(store: Store) -> Store:
    """A store whose champion of anna, version 4, passed with the preset `dialogue`."""
    release(store, register(store, 1.0), first_release=True)
    return store


def register(store: Store, speed: float, **scores: object) -> int:
    """Register a version of anna whose preset `dialogue` has this speed, and return its number."""
    build = store.root / f"build-{speed}"
    voice = write_voice_folder(build / "voice")
    save_file({"spectrogram": torch.zeros(5, 100)}, voice / "reference.safetensors")
    (voice / "presets").mkdir()
    (voice / "presets/dialogue.json").write_text(json.dumps({"speed": speed}))
    part = preset_scores(settings_sha256=preset_sha256(voice, "dialogue"), **scores)
    card = write_scores(build, scorecard(presets=[part], reference_clip="clip_3"))
    return register_candidate(store, "anna", voice_folder=voice, scorecard_path=card, lineage=LINEAGE).version


def serve(store: Store, version: int | None = None, preset: str = "dialogue") -> int:
    recordings = recordings_of(store.root)
    return find_servable(store, "anna", version=version, recordings_dir=recordings, today=TODAY, preset=preset).version


def release(store: Store, version: int, *, first_release: bool = False) -> None:
    gate_candidate(store, "anna", policy=RULES, version=version, first_release=first_release)
    promote(
        store,
        "anna",
        policy=RULES,
        recordings_dir=recordings_of(store.root),
        smoke_texts={"en": "hello"},
        version=version,
        first_release=first_release,
        today=TODAY,
        actor="tester",
        smoke=lambda *_: None,
    )


def test_changed_preset_needs_a_verdict_of_its_own_and_is_not_served_where_that_fails(released):
    assert serve(released) == 4
    version = register(released, 1.2, wer=0.6)
    with pytest.raises(ReleaseRefused, match="anna version 5 has no verdict, so it may not speak with the preset"):
        serve(released, version)
    gate_candidate(released, "anna", policy=RULES, version=version)
    with pytest.raises(ReleaseRefused, match="the verdict on anna version 5 with the preset dialogue is fail"):
        serve(released, version)
    with pytest.raises(ReleaseRefused, match=r"version 5 is not promoted: .*fail"):
        release(released, version)
    assert serve(released) == 4


def test_later_verdict_that_fails_does_not_take_the_preset_of_the_champion_out_of_service(released):
    version = register(released, 1.2)
    release(released, version)
    gate_candidate(released, "anna", policy=policy(presets={}), version=version)  # without rules: inconclusive
    assert serve(released) == version
    with pytest.raises(ReleaseRefused, match="with the preset dialogue is inconclusive"):
        serve(released, version)


def test_rollback_serves_the_preset_of_the_former_champion_by_its_verdict(released):
    release(released, register(released, 1.2))
    rollback(released, "anna", recordings_dir=recordings_of(released.root), today=TODAY, actor="tester")
    assert serve(released) == 4
    profile = read_profile(released, "anna")
    assert [(one.action, one.version) for one in profile.history] == [("promote", 4), ("promote", 5), ("rollback", 4)]
    assert all(one.figures["dialogue"]["wer"] == pytest.approx(0.1) for one in profile.history)
    assert [clip.clip_id for preset in profile.presets for clip in preset.references] == ["clip_3", "clip_3"]


def test_end_of_a_release_that_nobody_started_is_not_in_the_history(released):
    entry = Entry("promote", "done", 4, None, 7, "c" * 64, None, None, "mallory", refers_to=1)
    append(released, "anna", entry, last_seen=find_last(released))
    assert [one.version for one in read_profile(released, "anna").history] == [4]
    assert serve(released) == 4


def find_last(store: Store) -> int:
    from registry.releases.journal import read_journal

    return read_journal(store, "anna").state.last_row


def test_revoked_voice_is_in_service_with_no_preset(released):
    recordings = recordings_of(released.root)
    assert read_voice_in_service(released, "anna").presets == ("narration", "dialogue")
    revoke(released, "anna", recordings_dir=recordings, today=TODAY, actor="tester")
    assert read_voice_in_service(released, "anna") is None
    with pytest.raises(ReleaseRefused, match="no champion"):
        read_profile(released, "anna")


@pytest.mark.parametrize(
    ("file", "message"),
    [
        ("narration.json", "narration is the default preset and cannot be a further one"),
        ("Big Name.json", "'Big Name' is not the name of a preset"),
        ("short.json", "the preset short is not the one that was scored"),
    ],
)
def test_preset_file_that_was_not_scored_is_not_registered(bare_store, tmp_path, file, message):
    voice = write_voice_folder(tmp_path / "voice")
    (voice / "presets").mkdir()
    (voice / "presets" / file).write_text("{}")
    scores = write_scores(tmp_path, scorecard())
    with pytest.raises(CandidateError, match=message):
        register_candidate(bare_store, "anna", voice_folder=voice, scorecard_path=scores, lineage=LINEAGE)
