"""Bearer keys: what they cover, how long, how often, and that nothing of them leaks."""

from __future__ import annotations

import asyncio
import threading
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta

import pytest
import sqlalchemy as sa
from hypothesis import given
from hypothesis import strategies as st

from serving.database import open_database
from serving.errors import DatabaseUnreachableError, KeyScopeError, RateLimitedError, UnauthenticatedError
from serving.keys import authorization
from serving.keys.authorization import KeyTable, Rate
from serving.keys.bearer import BearerKey, make_key, parse_key
from serving.keys.store import KeyChangeError, create_key, list_keys, read_stamp, revoke_keys
from serving.tables import KEYS

ANYTHING = {"voice": "sample", "lane": "realtime", "purpose": None}


@pytest.fixture
def file(tmp_path):
    opened = open_database(tmp_path, {})
    opened.migrate()
    yield opened
    opened.close()


def loaded(database, **settings) -> KeyTable:
    table = KeyTable(database, **settings)
    asyncio.run(table.refresh())
    return table


def authorize(table, key, **use):
    return asyncio.run(table.authorize(f"Bearer {key}", **ANYTHING | use))


def test_a_key_opens_what_it_covers_and_nothing_else(serving_database):
    key = create_key(serving_database, "anna", voices=["sample"], lanes=["batch"], purposes=["narration", "testing"])
    table, use = loaded(serving_database), {"voice": "sample", "lane": "batch", "purpose": "testing"}
    caller = authorize(table, key, **use)
    assert caller.name == "anna"
    assert caller.sees("sample")
    assert not caller.sees("other")
    for other in ({"voice": "other"}, {"lane": "realtime"}, {"purpose": "advertising"}, {"purpose": None}):
        with pytest.raises(KeyScopeError) as caught:
            authorize(table, key, **use | other)
        assert caught.value.param == next(iter(other))


def test_a_key_without_scopes_opens_everything(file):
    key = create_key(file, "anna")
    assert authorize(loaded(file), key).sees("any")


@pytest.mark.parametrize(
    "header",
    [None, "", "Bearer", "Bearer ", "Basic vf_x", "Bearer vf_x", "vf_", "Bearer \x00", "Bearer " + "a" * 100_000],
)
def test_a_header_without_a_key_is_refused(file, header):
    with pytest.raises(UnauthenticatedError):
        asyncio.run(loaded(file).authenticate(header))


def test_a_key_with_another_secret_or_id_is_refused(file):
    key = create_key(file, "anna")
    for other in (BearerKey(key.id, make_key().secret), BearerKey(make_key().id, key.secret)):
        with pytest.raises(UnauthenticatedError) as caught:
            authorize(loaded(file), other)
        assert other.secret not in str(caught.value)


def test_a_key_ends_when_it_expires_or_is_revoked(file):
    brief = create_key(file, "anna", expires_at=datetime.now(UTC) + timedelta(seconds=0.2))
    table = loaded(file)
    authorize(table, brief)
    asyncio.run(asyncio.sleep(0.25))
    with pytest.raises(UnauthenticatedError, match="expired"):
        authorize(table, brief)
    other = create_key(file, "ben")
    assert [row.id for row in revoke_keys(file, "ben")] == [other.id]
    assert revoke_keys(file, other.id) == []
    with pytest.raises(UnauthenticatedError, match="revoked"):
        authorize(loaded(file), other)


def test_a_caller_whose_key_has_ended_may_not_go_on(file):
    kept, revoked = create_key(file, "anna"), create_key(file, "ben")
    brief = create_key(file, "eve", expires_at=datetime.now(UTC) + timedelta(seconds=0.2))
    table = loaded(file)
    goes_on, *ended = (authorize(table, key) for key in (kept, revoked, brief))
    for caller in (goes_on, *ended):
        caller.require_valid()
    revoke_keys(file, "ben")
    asyncio.run(asyncio.sleep(0.25))
    asyncio.run(table.refresh())
    goes_on.require_valid()
    for caller in ended:
        with pytest.raises(UnauthenticatedError, match=caller.key.id):
            caller.require_valid()


def test_a_running_table_follows_new_and_revoked_keys(file):
    async def follow() -> None:
        table = KeyTable(file, refresh_seconds=0.05)
        await table.start()
        key = create_key(file, "anna")
        await asyncio.sleep(0.3)
        await table.authenticate(f"bearer {key}")
        revoke_keys(file, f"vf_{key.id}")
        await asyncio.sleep(0.3)
        with pytest.raises(UnauthenticatedError):
            await table.authenticate(f"Bearer {key}")
        await table.close()

    asyncio.run(follow())


def test_a_revoked_key_stops_while_all_shared_threads_wait_for_something_else(file):
    free = threading.Event()

    async def follow() -> None:
        key = create_key(file, "anna")
        loop = asyncio.get_running_loop()
        loop.set_default_executor(ThreadPoolExecutor(1))
        waiting = loop.run_in_executor(None, free.wait, 20)  # such as for a bucket that does not answer
        async with asyncio.timeout(10):
            table = KeyTable(file, refresh_seconds=0.05)
            await table.start()
            revoke_keys(file, f"vf_{key.id}")
            await asyncio.sleep(0.3)
            with pytest.raises(UnauthenticatedError):
                await table.authenticate(f"Bearer {key}")
        await table.close()
        free.set()
        await waiting

    asyncio.run(follow())


def test_keys_are_read_while_somebody_else_writes(file):
    """Such as the sweep of jobs, which holds its transaction while a bucket that hangs deletes a file."""
    key = create_key(file, "anna")
    with file.transaction(), ThreadPoolExecutor(1) as other:
        (row,) = other.submit(list_keys, file).result(5)
        assert row.id == key.id and other.submit(read_stamp, file).result(5)[0] == 1


def test_a_table_goes_on_to_follow_after_a_fault_that_nobody_expected(file, monkeypatch):
    async def follow() -> None:
        table = KeyTable(file, refresh_seconds=0.05)
        await table.start()
        with monkeypatch.context() as damaged:
            damaged.setattr(authorization, "read_stamp", lambda _: 1 / 0)
            await asyncio.sleep(0.2)
        key = create_key(file, "anna")
        await asyncio.sleep(0.3)
        assert (await table.authenticate(f"bearer {key}")).name == "anna"
        await table.close()

    asyncio.run(follow())


def test_keys_that_were_read_count_on_while_the_database_is_away(file, tmp_path):
    key = create_key(file, "anna")
    table = loaded(file)
    file.close()
    (tmp_path / ".vox").rename(tmp_path / "away")
    with pytest.raises(DatabaseUnreachableError):
        asyncio.run(table.refresh())
    assert authorize(table, key).name == "anna"
    with pytest.raises(DatabaseUnreachableError):  # but nobody gets in before they were read
        authorize(KeyTable(file), key)


def test_the_rate_of_a_key_is_refused_with_a_true_waiting_time(file):
    now = [0.0]
    key = create_key(file, "anna", requests_per_minute=3)
    table = loaded(file, clock=lambda: now[0])
    for _ in range(3):
        authorize(table, key)
    with pytest.raises(RateLimitedError) as caught:
        authorize(table, key)
    assert caught.value.retry_after == pytest.approx(20)
    now[0] += 19.9
    with pytest.raises(RateLimitedError):
        authorize(table, key)
    now[0] += 0.2
    authorize(table, key)


@given(st.integers(1, 1000), st.lists(st.floats(0, 30), max_size=200))
def test_no_minute_takes_more_than_twice_the_rate(per_minute, gaps):
    rate, now, taken = Rate(per_minute, 0.0), 0.0, []
    for gap in gaps:
        now += gap
        if rate.take(now) == 0:
            taken.append(now)
    assert all(sum(start <= other < start + 60 for other in taken) <= 2 * per_minute for start in taken)


@given(st.text())
def test_no_text_but_a_key_is_parsed_as_one(text):
    parsed = parse_key(text)
    assert parsed is None or str(parsed) == text


def test_the_database_holds_no_secret(file):
    key = create_key(file, "anna")
    with file.transaction() as connection:
        assert key.secret not in str(connection.execute(sa.select(KEYS)).all())
    assert key.secret not in str(list_keys(file))
    assert key.secret not in repr(key)


@pytest.mark.parametrize(
    "wrong",
    [
        {"name": " "},
        {"name": "a\nb"},
        {"name": "a" * 101},
        {"lanes": ["fast"]},
        {"purposes": ["anything"]},
        {"voices": ["../x"]},
        {"requests_per_minute": 0},
        {"expires_at": datetime(2020, 1, 1, tzinfo=UTC)},
    ],
)
def test_a_key_that_cannot_be_is_refused_and_not_written(file, wrong):
    with pytest.raises(ValueError, match=r"."):
        create_key(file, **{"name": "anna"} | wrong)
    assert list_keys(file) == []


def test_a_name_that_looks_like_an_id_revokes_no_key_of_somebody_else(file):
    own = {name: create_key(file, name).id for name in ("vf_reader", "reader", "vf_reader of the shop")}
    named_like_an_id = create_key(file, own["reader"]).id
    assert [row.id for row in revoke_keys(file, "vf_reader")] == [own["vf_reader"]]
    assert [row.id for row in revoke_keys(file, own["reader"])] == [own["reader"]]
    assert [row.id for row in revoke_keys(file, "vf_reader of the shop")] == [own["vf_reader of the shop"]]
    assert [row.id for row in list_keys(file) if row.revoked_at is None] == [named_like_an_id]


def test_an_unknown_key_cannot_be_revoked(file):
    with pytest.raises(KeyChangeError, match="list"):
        revoke_keys(file, "nobody")
    key = create_key(file, "anna")
    for pasted in ("{}", " {}", "{}\n"):
        with pytest.raises(KeyChangeError) as caught:  # a whole key was pasted
            revoke_keys(file, pasted.format(BearerKey(make_key().id, key.secret)))
        assert key.secret not in str(caught.value)
