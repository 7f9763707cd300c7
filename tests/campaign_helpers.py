"""Campaigns without files and a speaker without weights, for the tests of what happens before a word is spoken."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from datetime import date
from pathlib import Path

from campaigns.check.rows import Check
from campaigns.check.speaker import Speaker
from campaigns.recipients.reading import recipients_of
from campaigns.records import CampaignSettings, Reject, RenderedRow
from gpt_sovits.synthesis.preset import default_preset
from registry.consent.record import Consent, Scope

TEMPLATE = "Hello {{ first_name | name }}. Your parcel arrives on {{ day | date }}."


def consent(**changes: object) -> Consent:
    fields = {
        "speaker": "Anna Example",
        "kind": "synthetic",
        "purposes": ("testing",),
        "scope": Scope(languages=None, territories=None, commercial=False),
        "granted_on": date(2026, 1, 1),
        "valid_until": None,
        "evidence": None,
        "evidence_sha256": None,
        "revoked_on": None,
    }
    return Consent(**(fields | changes))


def speaker(**changes: object) -> Speaker:
    fields = {
        "voice": "anna",
        "version": 3,
        "candidate_id": "c" * 64,
        "folder": Path("voice"),
        "preset": default_preset("en", 0.08),
        "languages": ("en",),
        "lexicon": None,
        "consent": consent(),
    }
    return Speaker(**(fields | changes))


def campaign(**changes: object) -> CampaignSettings:
    fields = {"name": "parcels", "voice": "anna", "purpose": "testing", "template": TEMPLATE}
    return CampaignSettings(**(fields | changes))


def recipient(number: int = 1, **changes: object) -> dict[str, object]:
    fields = {"recipient_id": f"r-{number}", "first_name": "Anna", "day": "2026-03-05", "opt_in_reference": "crm-7"}
    return {name: value for name, value in (fields | changes).items() if value is not ...}


def checked(
    rows: Iterable[Mapping[str, object]], settings: CampaignSettings | None = None, **changes: object
) -> list[RenderedRow | Reject]:
    return list(Check(settings or campaign(), speaker(**changes)).rows(recipients_of(rows)))


def reasons(found: Iterable[RenderedRow | Reject]) -> list[str | None]:
    return [str(row.reason) if isinstance(row, Reject) else None for row in found]
