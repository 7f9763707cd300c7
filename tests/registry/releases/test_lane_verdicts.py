"""A voice is served in a lane besides batch only where a verdict about exactly this candidate passed it."""

from __future__ import annotations

import pytest
from release_helpers import (
    LINEAGE,
    TODAY,
    lane_scores,
    language_rules,
    policy,
    recordings_of,
    scorecard,
    write_scores,
    write_voice_folder,
)

from metrics.scores import LaneScores
from registry.candidates.fingerprint import CandidateError
from registry.candidates.registration import register_candidate
from registry.profiles.profile import read_voice_in_service
from registry.releases.alias import ReleaseRefused
from registry.releases.promotion import promote, rollback
from registry.releases.service import find_servable
from registry.storage.store import Store
from registry.verdicts.gating import gate_candidate
from registry.verdicts.store import SignedVerdict

RULES = policy(lanes={"realtime": language_rules()})
RETIRED = policy(retired=["lane realtime"])


@pytest.fixture
def released(store: Store) -> Store:
    """A store whose champion of anna, version 4, passed in the lane `realtime`."""
    gate(store, register(store, lane_scores()), first_release=True)
    release(store, 4, first_release=True)
    return store


def register(store: Store, *lanes: LaneScores) -> int:
    """Register a version of anna that was scored in these lanes, and return its number."""
    build = store.root / f"build-{len(list(store.root.glob('build-*')))}"
    voice = write_voice_folder(build / "voice", build.name)
    card = write_scores(build, scorecard(lanes=lanes))
    return register_candidate(store, "anna", voice_folder=voice, scorecard_path=card, lineage=LINEAGE).version


def gate(store: Store, version: int, rules=RULES, **changes: object) -> SignedVerdict:
    return gate_candidate(store, "anna", policy=rules, version=version, **changes)


def release(store: Store, version: int, rules=RULES, *, first_release: bool = False) -> None:
    promote(
        store,
        "anna",
        policy=rules,
        recordings_dir=recordings_of(store.root),
        smoke_texts={"en": "hello"},
        version=version,
        first_release=first_release,
        today=TODAY,
        actor="tester",
        smoke=lambda *_: None,
    )


def serve(store: Store, lane: str = "realtime", **request: object) -> int:
    return find_servable(
        store, "anna", recordings_dir=recordings_of(store.root), today=TODAY, lane=lane, **request
    ).version


def lanes(store: Store) -> tuple[str, ...]:
    return read_voice_in_service(store, "anna").lanes


def test_streamed_speech_worse_than_in_batch_is_released_and_not_served_in_real_time(store):
    version = register(store, lane_scores(wer=0.6))
    signed = gate(store, version, first_release=True)
    assert signed.verdict.outcome == "pass"
    release(store, version, first_release=True)
    assert (serve(store, "batch"), lanes(store)) == (version, ("batch",))
    with pytest.raises(ReleaseRefused, match="in the lane realtime is fail, so it is served in batch only"):
        serve(store)


def test_lane_of_the_champion_is_not_lost_without_a_word_in_the_policy(released):
    assert (serve(released), lanes(released)) == (4, ("batch", "realtime"))
    worse, unscored = register(released, lane_scores(wer=0.6)), register(released)
    for version in (worse, unscored):
        assert gate(released, version).verdict.outcome == "fail"
        with pytest.raises(ReleaseRefused, match="the champion is served in this lane and the candidate would not be"):
            release(released, version)
    assert gate(released, unscored, RETIRED).verdict.outcome == "pass"
    release(released, unscored, RETIRED)
    assert lanes(released) == ("batch",)
    # Nobody is served in the lane now, so a version that fails in it takes nothing away
    assert gate(released, worse).verdict.outcome == "pass"
    rollback(released, "anna", recordings_dir=recordings_of(released.root), today=TODAY, actor="tester")
    assert (serve(released), lanes(released)) == (4, ("batch", "realtime"))


def test_what_was_not_judged_in_the_lane_is_not_served_in_it(released):
    with pytest.raises(ReleaseRefused, match="in the lane realtime in 'en', not in 'zh'"):
        serve(released, language="zh")
    with pytest.raises(ReleaseRefused, match="'live' is not a lane; the lanes are batch, realtime"):
        serve(released, "live")
    version = register(released, lane_scores(settings_sha256="0" * 64))
    with pytest.raises(ReleaseRefused, match=f"version {version} has no verdict, so it is served in batch only"):
        serve(released, version=version)
    gate(released, version)
    with pytest.raises(ReleaseRefused, match="judged in the lane realtime with other options"):
        serve(released, version=version)
    assert serve(released, "batch", version=version) == version


def test_forged_scores_of_a_lane_are_found_by_counting_them_again(bare_store):
    bad = lane_scores(wer=0.6)
    forged = bad.model_copy(update={"rows": tuple(row.model_copy(update={"word_errors": 0}) for row in bad.rows)})
    with pytest.raises(CandidateError, match=r"p000 seed 0 \(word_errors 0, not 6\).*do not follow from the texts"):
        register(bare_store, forged)
