"""What is served follows the journal and the consent, and nothing else."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from engine_helpers import Project, speech_request
from release_helpers import recordings_of

from registry.releases.state import Release
from serving.errors import (
    ConsentError,
    LaneNotServedError,
    NotReadyError,
    RevokedError,
    ServingError,
    UnknownVersionError,
    VoiceDamagedError,
)
from serving.releases import follower as followers
from serving.releases.follower import Follower
from serving.releases.pairs import PairRefusedError, find_pair, has_judged_lane
from serving.releases.snapshots import read_snapshot
from serving.releases.table import LivePair, ReleaseTable

TODAY = datetime.now(UTC).date()


def following(project: Project, work: Callable[[Follower, ReleaseTable], Coroutine[Any, Any, None]], **changes) -> None:
    """Run a test on a follower that has looked once, with every champion live and those before them."""

    async def run() -> None:
        table = ReleaseTable(**({"allow_unjudged_lane": False} | changes))
        follower = Follower(project.store, table, seconds=0.05)
        await follower.look()
        for voice, snapshot in table.snapshots.items():
            for release in snapshot.past:
                table.add_loaded(live(project, voice, release))
        try:
            await work(follower, table)
        finally:
            await follower.close()

    asyncio.run(asyncio.wait_for(run(), 60))


def live(project: Project, voice: str, release: Release) -> LivePair:
    return LivePair(pair=find_pair(project.store, voice, release, TODAY), sample_rate=32_000)


def admit(table: ReleaseTable, **changes: object):
    request = speech_request(**changes)
    return table.admit(request, table.loaded[table.candidate_of(request.voice, request.version)])


def test_the_champion_and_former_champions_are_admitted_and_nothing_else(project: Project):
    async def test(follower: Follower, table: ReleaseTable) -> None:
        assert admit(table).live.pair.version == 2
        assert admit(table, version=1).live.pair.version == 1
        assert admit(table, voice="bob").live.pair.version == 1
        with pytest.raises(UnknownVersionError, match="anna has no released version 7; released versions: 1, 2"):
            admit(table, version=7)
        served = [(voice.voice, voice.version, voice.is_champion, voice.lanes) for voice in table.voices()]
        both = ("realtime", "batch")
        assert served == [("anna", 2, True, both), ("anna", 1, False, both), ("bob", 1, True, both)]

    following(project, test)


def test_a_look_that_finds_nothing_new_changes_nothing(project: Project):
    async def test(follower: Follower, table: ReleaseTable) -> None:
        await follower.look()  # the proofs that a consent names are followed from the second look on
        before = table.snapshots
        assert not await follower.look()
        assert table.snapshots is before

    following(project, test)


def test_a_rollback_is_live_at_the_next_look_because_the_version_before_is_warm(project: Project):
    async def test(follower: Follower, table: ReleaseTable) -> None:
        project.rollback("anna")
        assert await follower.look()
        assert table.champions["anna"].pair.version == 1
        project.rollback("anna", to=2)
        assert await follower.look()
        assert table.champions["anna"].pair.version == 2

    following(project, test)


def test_a_champion_that_is_not_loaded_yet_leaves_the_one_before_in_service(project: Project):
    async def test(follower: Follower, table: ReleaseTable) -> None:
        table.drop_loaded(table.snapshots["anna"].previous.candidate_id)
        project.rollback("anna")
        await follower.look()
        assert table.champions["anna"].pair.version == 2
        table.add_loaded(live(project, "anna", table.snapshots["anna"].champion))
        assert table.champions["anna"].pair.version == 1
        project.rollback("anna", to=2)

    following(project, test)


def test_nothing_is_admitted_before_a_pair_is_loaded(project: Project):
    async def test() -> None:
        table = ReleaseTable(allow_unjudged_lane=False)
        follower = Follower(project.store, table)
        await follower.look()
        with pytest.raises(NotReadyError):
            table.candidate_of("anna", None)
        await follower.close()

    asyncio.run(test())


@pytest.mark.parametrize(
    ("consent", "error"),
    [
        ({"valid_until": TODAY - timedelta(days=1)}, ConsentError),
        ({"granted_on": TODAY + timedelta(days=1)}, ConsentError),
        ({"revoked_on": TODAY}, RevokedError),
        ({"scope": {"languages": ["en"], "territories": None, "commercial": False}}, None),
    ],
)
def test_a_consent_that_changes_counts_for_new_requests_and_for_those_under_way(project: Project, consent, error):
    async def test(follower: Follower, table: ReleaseTable) -> None:
        under_way = admit(table, voice="bob")
        try:
            recordings_of(project.store.root, "bob", **consent)
            assert await follower.look()
            for use in (lambda: admit(table, voice="bob"), lambda: table.check_delivery(under_way)):
                if error is None:
                    use()
                else:
                    with pytest.raises(error) as refusal:
                        use()
                    assert str(project.store.root) not in str(refusal.value)
        finally:
            recordings_of(project.store.root, "bob")

    following(project, test)


def test_a_consent_ends_with_its_day_without_any_change_of_a_file(project: Project):
    async def test(follower: Follower, table: ReleaseTable) -> None:
        recordings_of(project.store.root, "bob", valid_until=TODAY)
        try:
            await follower.look()
            under_way = admit(table, voice="bob")
            table.today = lambda: TODAY + timedelta(days=1)
            for use in (lambda: admit(table, voice="bob"), lambda: table.check_delivery(under_way)):
                with pytest.raises(ConsentError, match=f"ended on {TODAY}"):
                    use()
            assert await follower.look()
        finally:
            recordings_of(project.store.root, "bob")

    following(project, test)


def test_a_purpose_is_one_of_the_consent(project: Project):
    async def test(follower: Follower, table: ReleaseTable) -> None:
        assert admit(table, purpose="testing")
        for purpose in ("advertising", "free text"):
            with pytest.raises(ConsentError):
                admit(table, purpose=purpose)

    following(project, test)


def test_a_preset_that_tries_again_is_real_time_only_where_that_is_allowed(project: Project):
    async def test(follower: Follower, table: ReleaseTable) -> None:
        pair = table.champions["anna"].pair
        retrying = pair.presets["narration"].model_copy(update={"max_retries": 2})
        object.__setattr__(pair, "presets", {"narration": retrying})
        assert not has_judged_lane(pair, "narration")
        assert admit(table, lane="batch")
        assert admit(table, lane="batch").is_lane_judged
        if table.allow_unjudged_lane:
            assert not admit(table).is_lane_judged and not table.voices()[0].has_judged_lane
        else:
            with pytest.raises(LaneNotServedError):
                admit(table)

    for allowed in (False, True):
        following(project, test, allow_unjudged_lane=allowed)


def test_a_lane_counts_as_judged_for_the_preset_that_speaks(project: Project):
    async def test(follower: Follower, table: ReleaseTable) -> None:
        pair = table.champions["anna"].pair
        plain = pair.presets["narration"]
        retrying = plain.model_copy(update={"max_retries": 2})
        for narration, dialogue in ((plain, retrying), (retrying, plain)):
            object.__setattr__(pair, "presets", {"narration": narration, "dialogue": dialogue})
            judged = {preset: admit(table, preset=preset).is_lane_judged for preset in pair.presets}
            assert judged == {"narration": narration is plain, "dialogue": dialogue is plain}

    following(project, test, allow_unjudged_lane=True)


def test_a_registry_that_is_away_changes_nothing_and_is_reported(project: Project):
    async def test(follower: Follower, table: ReleaseTable) -> None:
        database, before = project.store.root / "mlflow.db", table.snapshots
        away = database.rename(database.with_suffix(".away"))
        try:
            assert not await follower.look()
            assert (follower.is_reachable, table.snapshots) == (False, before)
            assert admit(table)
        finally:
            away.rename(database)
        await follower.look()
        assert follower.is_reachable

    following(project, test)


def test_a_voice_that_cannot_be_read_does_not_hide_what_happens_to_the_others(project: Project):
    async def test(follower: Follower, table: ReleaseTable) -> None:
        anchor = project.store.root / "releases/anna.json"
        kept = anchor.rename(anchor.with_suffix(".kept"))
        anchor.mkdir()
        recordings_of(project.store.root, "bob", valid_until=TODAY - timedelta(days=1))
        try:
            assert await follower.look()
            with pytest.raises(ConsentError):
                admit(table, voice="bob")
            with pytest.raises(VoiceDamagedError):
                admit(table)
        finally:
            anchor.rmdir()
            kept.rename(anchor)
            recordings_of(project.store.root, "bob")
        await follower.look()
        assert admit(table) and admit(table, voice="bob")

    following(project, test)


def test_a_broken_journal_admits_nothing_new_and_ends_what_began_if_it_stays_broken(project: Project):
    async def test(follower: Follower, table: ReleaseTable) -> None:
        under_way = admit(table)
        anchor = project.store.root / "releases/anna.json"
        kept = anchor.read_text(encoding="utf-8")
        anchor.write_text(kept.replace("anna", "amma"), encoding="utf-8")
        try:
            assert await follower.look()
            with pytest.raises(VoiceDamagedError):
                admit(table)
            table.check_delivery(under_way)  # a write may be in progress
            assert admit(table, voice="bob")
            assert await follower.look()
            with pytest.raises(VoiceDamagedError):
                table.check_delivery(under_way)
            assert not await follower.look()
        finally:
            anchor.write_text(kept, encoding="utf-8")
        await follower.look()
        assert admit(table)

    following(project, test)


def test_a_fault_that_passes_during_a_promotion_leaves_the_champion_in_service(project: Project):
    async def test(follower: Follower, table: ReleaseTable) -> None:
        anchor, before = project.store.root / "releases/anna.json", table.champions["anna"]
        kept = anchor.read_text(encoding="utf-8")
        anchor.write_text(kept.replace("anna", "amma"), encoding="utf-8")
        try:
            assert await follower.look()
        finally:
            anchor.write_text(kept, encoding="utf-8")
        table.drop_loaded(before.pair.candidate_id)  # as if the journal had released one that is not loaded yet
        await follower.look()
        assert table.champions["anna"] is before

    following(project, test)


def test_a_pair_whose_bytes_changed_is_refused(project: Project):
    async def test(follower: Follower, table: ReleaseTable) -> None:
        release = table.snapshots["bob"].champion
        weights = project.folder("bob", 1) / "sovits/model.safetensors"
        kept = weights.read_bytes()
        overwrite(weights, kept[:-1] + bytes([kept[-1] ^ 1]))
        try:
            with pytest.raises(PairRefusedError, match="not what was registered"):
                find_pair(project.store, "bob", release, TODAY)
        finally:
            overwrite(weights, kept)

    following(project, test)


def test_a_revocation_is_seen_at_the_next_look_and_binds(project: Project):
    """The last test of this file: bob has no release afterwards."""

    async def test(follower: Follower, table: ReleaseTable) -> None:
        under_way = admit(table, voice="bob")
        project.revoke("bob")
        assert await follower.look()
        for use in (lambda: admit(table, voice="bob"), lambda: table.check_delivery(under_way)):
            with pytest.raises(RevokedError):
                use()
        recordings_of(project.store.root, "bob", granted_on=date(2026, 1, 1))  # an older copy brings nothing back
        await follower.look()
        with pytest.raises(ServingError):
            admit(table, voice="bob")
        assert [voice.voice for voice in table.voices()] == ["anna", "anna"]

    following(project, test)


def overwrite(path: Path, data: bytes) -> None:
    path.chmod(0o644)
    path.write_bytes(data)


def revoke_bob_while_anna_has(project: Project, **consent: object) -> None:
    recordings_of(project.store.root, "anna", **consent)
    recordings_of(project.store.root, "bob", revoked_on=TODAY)


@pytest.fixture
def consents(project: Project):
    yield
    for voice in ("anna", "bob"):
        recordings_of(project.store.root, voice)


def test_a_proof_that_cannot_be_looked_at_hides_no_revocation_of_another_voice(project: Project, consents):
    async def test(follower: Follower, table: ReleaseTable) -> None:
        revoke_bob_while_anna_has(project, evidence="x" * 300, evidence_sha256="0" * 64)  # the name is too long
        await follower.look()
        with pytest.raises(RevokedError):
            admit(table, voice="bob")
        with pytest.raises(ConsentError):
            admit(table)

    following(project, test)


def test_a_fault_at_one_voice_hides_no_revocation_of_another(project: Project, consents, monkeypatch):
    def read(store, voice, today):
        if voice == "anna":
            raise KeyError(voice)
        return read_snapshot(store, voice, today)

    async def test(follower: Follower, table: ReleaseTable) -> None:
        monkeypatch.setattr(followers, "read_snapshot", read)
        revoke_bob_while_anna_has(project, speaker="another program")
        await follower.look()
        with pytest.raises(RevokedError):
            admit(table, voice="bob")
        assert admit(table).live.pair.version == 2
        assert not follower.is_reachable and "anna: KeyError" in follower.fault

    following(project, test)
