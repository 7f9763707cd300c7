"""The tables of campaigns, and what is encrypted in them."""

from __future__ import annotations

import pytest
from alembic.autogenerate import compare_metadata
from alembic.migration import MigrationContext
from hypothesis import given
from hypothesis import strategies as st

from campaigns.database import migrate_campaigns
from campaigns.execution.plan import campaign_id_of, parse_slice_id, slice_id
from campaigns.execution.sealing import Sealer, SealError, open_sealer
from campaigns.tables import METADATA

PLACE = {"campaign_id": "campaign_1", "recipient_id": "r-1"}


def test_migrations_make_the_tables_that_the_code_describes(serving_database):
    migrate_campaigns(serving_database)
    migrate_campaigns(serving_database)  # a second start changes nothing
    with serving_database.transaction() as connection:
        context = MigrationContext.configure(
            connection,
            opts={"include_object": lambda _, name, kind, *__: kind != "table" or name in METADATA.tables},
        )
        assert compare_metadata(context, METADATA) == []


@given(st.dictionaries(st.text(), st.text() | st.integers() | st.none() | st.lists(st.text())))
def test_what_was_sealed_is_opened_as_it_was(content):
    sealer = Sealer(bytes(32))
    assert sealer.open(sealer.seal(content, **PLACE), **PLACE) == content


def test_a_sealed_text_that_was_changed_moved_or_sealed_with_another_key_is_not_opened(tmp_path):
    sealer = open_sealer(tmp_path)
    sealed = sealer.seal({"text": "Hello Anna."}, **PLACE)
    assert open_sealer(tmp_path).open(sealed, **PLACE) == {"text": "Hello Anna."}
    with pytest.raises(SealError):
        sealer.open(sealed[:-1] + bytes([sealed[-1] ^ 1]), **PLACE)
    with pytest.raises(SealError):
        sealer.open(sealed, **(PLACE | {"recipient_id": "r-2"}))
    with pytest.raises(SealError):
        Sealer(bytes(32)).open(sealed, **PLACE)
    with pytest.raises(SealError):
        sealer.open(b"", **PLACE)


def test_a_campaign_has_the_same_id_everywhere_and_another_owner_another_one():
    assert campaign_id_of("anna", "spring") == campaign_id_of("anna", "spring") != campaign_id_of("bob", "spring")
    assert parse_slice_id(slice_id(campaign_id_of("anna", "spring"), 7, 3)) == (campaign_id_of("anna", "spring"), 7)
