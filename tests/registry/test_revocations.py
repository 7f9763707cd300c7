"""What remains of a revoked voice: it refuses the consent that was withdrawn, wherever it comes back."""

from __future__ import annotations

import shutil
from datetime import date, timedelta
from pathlib import Path
from tempfile import TemporaryDirectory

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from release_helpers import TODAY, recordings_of, synthetic_voice

from registry.consent.checks import check_consent
from registry.consent.file import revoke_consent
from registry.consent.record import ConsentError, Voice, consent_sha256
from registry.consent.revocations import Revocation, read_revocations, why_revoked, write_revocation

HASHES = ("a" * 64, "b" * 64, None)
DAYS = st.integers(0, 4).map(lambda n: date(2026, 3, 1) + timedelta(days=n))


def revocation_of(voice: Voice, day: date = TODAY, deleted: str = "none") -> Revocation:
    return Revocation(
        revoked_on=day,
        consent_sha256=consent_sha256(voice),
        evidence_sha256=voice.consent.evidence_sha256,
        deleted=deleted,
    )


def with_evidence(name: str = "anna", sha256: str | None = "a" * 64, **changes: object) -> Voice:
    evidence = None if sha256 is None else "consent.pdf"
    return synthetic_voice(name, evidence=evidence, evidence_sha256=sha256, **changes)


def test_record_that_is_restored_after_a_revocation_is_refused(tmp_path):
    folder = recordings_of(tmp_path)
    shutil.copy(folder / "voice.yaml", tmp_path / "copy.yaml")
    path = write_revocation(tmp_path, "anna", revocation_of(check_consent(folder, TODAY)))
    revoke_consent(folder, TODAY)
    shutil.copy(tmp_path / "copy.yaml", folder / "voice.yaml")
    with pytest.raises(ConsentError, match=f"the speaker revoked it on {TODAY} .{path}"):
        check_consent(folder, TODAY)


def test_new_consent_of_the_same_day_counts_and_an_older_one_does_not(tmp_path):
    write_revocation(tmp_path, "anna", revocation_of(with_evidence()))
    new = {"sha256": "b" * 64, "granted_on": TODAY}
    assert why_revoked(tmp_path, with_evidence(**new)) is None
    assert "revoked it on" in why_revoked(tmp_path, with_evidence(**(new | {"granted_on": date(2026, 5, 31)})))


def test_proof_that_was_revoked_counts_for_no_other_voice(tmp_path):
    write_revocation(tmp_path, "anna", revocation_of(with_evidence()))
    assert "was revoked for the voice anna" in why_revoked(tmp_path, with_evidence("bob", granted_on=date(2027, 1, 1)))
    assert why_revoked(tmp_path, with_evidence("bob", "b" * 64)) is None


@settings(max_examples=60, deadline=None)
@given(revoked_on=DAYS, granted_on=DAYS, known=st.booleans(), evidence=st.sampled_from(HASHES), same=st.booleans())
def test_consent_counts_exactly_if_it_is_newer_and_another_one(revoked_on, granted_on, known, evidence, same):
    old = with_evidence(granted_on=date(2026, 1, 1))
    new = with_evidence(sha256=evidence, granted_on=granted_on)
    if same:
        old = new
    entry = revocation_of(old, revoked_on)
    if not known:
        entry = entry.model_copy(update={"consent_sha256": None})
    with TemporaryDirectory() as project:
        write_revocation(Path(project), "anna", entry)
        reason = why_revoked(Path(project), new)
    earliest = revoked_on if known else revoked_on + timedelta(days=1)
    is_same = known and same
    proof_is_new = evidence is None or evidence != entry.evidence_sha256
    assert (reason is None) == (granted_on >= earliest and not is_same and proof_is_new)


def test_revocation_written_again_keeps_its_day_and_what_was_deleted(tmp_path):
    voice = with_evidence()
    write_revocation(tmp_path, "anna", revocation_of(voice, date(2026, 3, 1), "derived"))
    path = write_revocation(tmp_path, "anna", revocation_of(voice, date(2026, 4, 1)))
    (entry,) = read_revocations(tmp_path, "anna")
    assert (entry.revoked_on, entry.deleted) == (date(2026, 3, 1), "derived")
    before = path.stat().st_mtime_ns
    write_revocation(tmp_path, "anna", entry)
    assert path.stat().st_mtime_ns == before
    write_revocation(tmp_path, "anna", revocation_of(with_evidence(sha256="b" * 64), deleted="all"))
    assert [entry.deleted for entry in read_revocations(tmp_path, "anna")] == ["derived", "all"]


@pytest.mark.parametrize("text", ["", "[", "- {revoked_on: 2026-03-01}", "anna: 1", "- {deleted: some}"])
def test_revocations_that_cannot_be_read_refuse_every_consent(tmp_path, text):
    folder = recordings_of(tmp_path)
    (tmp_path / "revocations").mkdir()
    (tmp_path / "revocations/bob.yaml").write_text(text)
    with pytest.raises(ConsentError, match=r"revocations/bob\.yaml"):
        check_consent(folder, TODAY)


def test_revocation_holds_no_name_of_a_person(tmp_path):
    voice = with_evidence(speaker="Anna Example")
    assert "Example" not in Path(write_revocation(tmp_path, "anna", revocation_of(voice))).read_text()
