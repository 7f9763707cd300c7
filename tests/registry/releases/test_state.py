"""The release state: what a voice's rows say about champion, rollback and revocation."""

from __future__ import annotations

import pytest

from registry.releases.state import (
    MAX_RELEASES,
    Release,
    ReleaseState,
    Row,
    read_state,
    state_after,
)


def release_rows(moves: list[tuple], state: str = "done", first: int = 1, **changes: object) -> list[Row]:
    """Return the two rows of each release. A move is (action, version): candidate c1 is version 1."""
    rows, before = [], None
    for action, version in moves:
        values = {
            "utc": "2026-06-01T00:00:00.000+00:00",
            "action": action,
            "from_version": before,
            "from_candidate_id": before and f"c{before}",
            "to_version": version,
            "candidate_id": version and f"c{version}",
            "verdict_sha256": None,
            "consent_sha256": "old",
            "actor": "tester",
            "note": "",
            "revoked_on": "2026-06-01" if action == "revoke" else None,
        } | changes
        number = first + len(rows)
        rows.append(Row(number=number, state="started", refers_to=None, **values))
        rows.append(Row(number=number + 1, state=state, refers_to=number, **values))
        before = version
    return rows


@pytest.mark.parametrize(
    ("moves", "stack", "past"),
    [
        ([("promote", 1)], [1], [1]),
        ([("promote", 1), ("promote", 2), ("promote", 3)], [1, 2, 3], [1, 2, 3]),
        ([("promote", 1), ("promote", 2), ("promote", 3), ("rollback", 2)], [1, 2], [1, 3, 2]),
        ([("promote", 1), ("promote", 2), ("promote", 3), ("rollback", 2), ("rollback", 1)], [1], [3, 2, 1]),
        ([("promote", 1), ("promote", 2), ("promote", 3), ("rollback", 1)], [1], [2, 3, 1]),
        ([("promote", 1), ("promote", 2), ("rollback", 1), ("promote", 3)], [1, 3], [2, 1, 3]),
        ([("promote", 1), ("promote", 2), ("rollback", 1), ("rollback", 2)], [1, 2], [1, 2]),
        ([("promote", 1), ("promote", 2), ("promote", 1), ("promote", 3), ("rollback", 1)], [1, 2, 1], [2, 3, 1]),
        ([("promote", 1), ("revoke", None)], [], []),
        ([("promote", 1), ("promote", 2), ("revoke", None), ("promote", 1)], [1], [1]),
    ],
)
def test_release_state_follows_promotions_and_rollbacks(moves, stack, past):
    state = state_after(release_rows(moves))
    assert [entry.version for entry in state.stack] == stack
    assert [entry.version for entry in state.past] == past
    assert state.unfinished is None and state.last_row == 2 * len(moves)


def test_undone_release_and_restored_alias_do_not_count():
    rows = release_rows([("promote", 1)])
    rows += release_rows([("promote", 2)], state="undone", first=3)
    rows += release_rows([("restore", 1)], first=5)
    assert [entry.version for entry in state_after(rows).past] == [1]


def test_started_release_is_unfinished_and_changes_no_champion():
    state = state_after(release_rows([("promote", 1), ("promote", 2)])[:3])
    assert state.unfinished.number == 3 and state.champion.version == 1


def test_revocation_is_in_force_from_its_first_row_and_holds_every_consent_before_it():
    rows = release_rows([("promote", 1)]) + release_rows([("revoke", None)], first=3, consent_sha256="new")
    for end in (3, 4):
        state = state_after(rows[:end])
        assert state.champion is None and state.past == ()
        assert (state.revocation.row, state.revocation.day) == (3, "2026-06-01")
        assert state.revocation.consents == ("new", "old")
    again = state_after(release_rows([("promote", 2)], first=5, consent_sha256="third"), state)
    assert again.champion.version == 2 and again.revocation == state.revocation
    twice = state_after(release_rows([("revoke", None)], first=7, consent_sha256=None), again)
    assert twice.revocation.consents == ("new", "old", "third")


@pytest.mark.parametrize("change", [{"refers_to": 1}, {"candidate_id": "c9"}, {"action": "promote"}, {"to_version": 9}])
def test_end_that_does_not_fit_the_open_row_releases_nothing(change):
    """Any trusted key may sign an end, so an end must not be able to release what was not started."""
    rows = release_rows([("promote", 1)]) + release_rows([("rollback", 2)], first=3)
    forged = Row(**(vars(rows[3]) | change))
    state = state_after([*rows[:3], forged])
    assert state.champion.version == 1 and state.unfinished.number == 3
    assert state_after([*rows[:2], rows[3]]).champion.version == 1


def test_state_is_bounded_and_the_same_from_any_checkpoint():
    moves = [("promote", version) for version in range(1, MAX_RELEASES + 30)]
    rows = release_rows(moves)
    whole = state_after(rows)
    assert len(whole.stack) == len(whole.past) == MAX_RELEASES
    for cut in (0, 2, 100, 240):
        checkpoint = read_state(state_after(rows[:cut]).as_content())
        assert state_after(rows[cut:], checkpoint) == whole


def test_checkpoint_gives_the_state_back():
    rows = release_rows([("promote", 1), ("revoke", None), ("promote", 2)])
    for cut in range(len(rows) + 1):
        state = state_after(rows[:cut])
        assert read_state(state.as_content()) == state
    assert read_state(ReleaseState().as_content()) == ReleaseState()
    with pytest.raises(ValueError, match="validation error"):
        read_state({"stack": "all"})


def test_candidate_is_found_by_its_id_and_not_by_its_number():
    state = ReleaseState(past=(Release(1, "c1", 2), Release(1, "c2", 4)))
    assert state.past_release("c2").row == 4 and state.past_release("c3") is None
