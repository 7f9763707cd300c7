"""Consent: which voices may be cloned, and every reason for which one may not."""

from __future__ import annotations

import os
from datetime import date
from pathlib import Path

import pytest
from release_helpers import TODAY, recordings_of, synthetic_voice

from registry.consent.checks import check_consent
from registry.consent.file import load_voice, revoke_consent, write_voice
from registry.consent.record import Consent, ConsentError, consent_sha256
from registry.files import file_sha256

SCOPE = {"languages": None, "territories": None, "commercial": False}


def recorded(root: Path, **changes: object) -> Path:
    """Make a recordings folder of a real speaker with a signed paper as evidence."""
    folder = root / "data" / "1_recordings" / "anna"
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "consent.txt").write_text("I agree. Anna")
    evidence = {"evidence": "consent.txt", "evidence_sha256": file_sha256(folder / "consent.txt")}
    return recordings_of(root, kind="recorded", speaker="Anna", **(evidence | changes))


def write(folder: Path, text: str) -> Path:
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "voice.yaml").write_text(text, encoding="utf-8")
    return folder


def test_synthetic_voice_without_evidence_is_accepted(tmp_path):
    voice = check_consent(recordings_of(tmp_path), TODAY)
    assert (voice.name, voice.language, voice.consent.kind) == ("anna", "en", "synthetic")


@pytest.mark.parametrize(
    ("written", "code"), [("JP", "ja"), ("cn", "zh"), ("KR", "ko"), ("YUE", "yue"), ("all_zh", "zh")]
)
def test_an_alias_of_a_language_is_read_and_written_as_its_code(tmp_path, written, code):
    folder = recordings_of(tmp_path)
    path = folder / "voice.yaml"
    path.write_text(path.read_text(encoding="utf-8").replace("language: en", f"language: {written}"), encoding="utf-8")
    voice = load_voice(folder)
    assert voice.language == code
    copy = write_voice(tmp_path / "copy" / voice.name, voice)
    assert f"language: {code}\n" in copy.read_text(encoding="utf-8")


@pytest.mark.parametrize("written", ["tlh", "auto", "3", "[en]", "null"])
def test_a_language_that_is_not_known_is_refused(tmp_path, written):
    folder = recordings_of(tmp_path)
    path = folder / "voice.yaml"
    path.write_text(path.read_text(encoding="utf-8").replace("language: en", f"language: {written}"), encoding="utf-8")
    with pytest.raises(ConsentError, match=r"voice\.yaml is not a voice record: language: "):
        load_voice(folder)


def test_recorded_voice_with_its_evidence_is_accepted(tmp_path):
    assert check_consent(recorded(tmp_path, valid_until=date(2027, 1, 1)), TODAY).consent.speaker == "Anna"


def test_first_and_last_day_are_accepted_and_the_days_before_and_after_refused(tmp_path):
    folder = recorded(tmp_path, granted_on=date(2026, 2, 1), valid_until=date(2026, 3, 1))
    check_consent(folder, date(2026, 2, 1))
    check_consent(folder, date(2026, 3, 1))
    with pytest.raises(ConsentError, match="begins on 2026-02-01 and today is 2026-01-31"):
        check_consent(folder, date(2026, 1, 31))
    with pytest.raises(ConsentError, match="ended on 2026-03-01 and today is 2026-03-02"):
        check_consent(folder, date(2026, 3, 2))


def test_missing_record_is_refused(tmp_path):
    with pytest.raises(ConsentError, match=r"voice\.yaml is missing, so nobody is known to have consented"):
        check_consent(tmp_path, TODAY)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "holds NoneType, not a voice record"),
        ("- anna\n", "holds list, not a voice record"),
        ("name: [\n", "not readable YAML"),
        ("name: anna\nname: anna\n", "duplicate key"),
        ('!!python/object/apply:os.system ["true"]\n', "not readable YAML"),
        ("[" * 5000, "not readable YAML"),
        ("name: anna\nlanguage: en\n", "consent: Field required"),
        ("name: anna\nlanguage: en\nconsent: 2030-02-31\n", "not readable YAML"),
    ],
)
def test_unreadable_record_is_refused(tmp_path, text, message):
    with pytest.raises(ConsentError, match=message):
        check_consent(write(tmp_path / "anna", text), TODAY)


def test_record_that_is_not_utf8_or_not_a_file_is_refused(tmp_path):
    (tmp_path / "voice.yaml").write_bytes(b"name: \xff\xfe")
    with pytest.raises(ConsentError, match="not readable YAML"):
        check_consent(tmp_path, TODAY)
    (tmp_path / "anna" / "voice.yaml").mkdir(parents=True)
    with pytest.raises(ConsentError, match="cannot be read"):
        check_consent(tmp_path / "anna", TODAY)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"kind": "recorded"}, "a recorded voice needs evidence"),
        ({"evidence": "consent.txt"}, "belong together"),
        ({"valid_until": date(2020, 1, 1)}, "is before granted_on"),
        ({"evidence": "x", "evidence_sha256": "0" * 63}, "String should match pattern"),
        ({"granted_on": 20260101}, "20260101 is not a day"),
        ({"speaker": ""}, "at least 1 character"),
        ({"kind": "borrowed"}, "'synthetic' or 'recorded'"),
        ({"purposes": ()}, "at least 1 item"),
        ({"purposes": ("anything",)}, "anything is not a known purpose; known are narration, dialogue"),
        ({"purposes": ("testing", "testing")}, "names something twice"),
        ({"scope": SCOPE | {"languages": ["tlh"]}}, "unknown language 'tlh'"),
        ({"scope": SCOPE | {"languages": ["JP", "ja"]}}, "names something twice"),
        ({"scope": SCOPE | {"languages": []}}, "at least 1 item"),
        ({"scope": SCOPE | {"territories": ["Germany"]}}, "should match pattern"),
        ({"scope": SCOPE | {"commercial": "perhaps"}}, "valid boolean"),
        ({"scope": {"commercial": True}}, "scope.languages\n  Field required"),
    ],
)
def test_contradictory_consent_is_refused(changes, message):
    settings = synthetic_voice().consent.model_dump() | changes
    with pytest.raises(ValueError, match=message):
        Consent.model_validate(settings)


def test_unknown_key_is_refused(tmp_path):
    folder = recordings_of(tmp_path)
    path = folder / "voice.yaml"
    path.write_text(path.read_text() + "licence: free\n")
    with pytest.raises(ConsentError, match="licence: Extra inputs are not permitted"):
        check_consent(folder, TODAY)


def test_record_copied_from_another_voice_is_refused(tmp_path):
    folder = recordings_of(tmp_path)
    folder.rename(folder.with_name("bob"))
    with pytest.raises(ConsentError, match="record of the voice 'anna', but its folder is 'bob'"):
        check_consent(folder.with_name("bob"), TODAY)


def test_missing_evidence_is_refused(tmp_path):
    folder = recorded(tmp_path)
    (folder / "consent.txt").unlink()
    with pytest.raises(ConsentError, match=r"'consent\.txt' is missing"):
        check_consent(folder, TODAY)


def test_changed_evidence_is_refused(tmp_path):
    folder = recorded(tmp_path)
    (folder / "consent.txt").write_text("I do not agree. Anna")
    with pytest.raises(ConsentError, match=r"'consent\.txt' has changed"):
        check_consent(folder, TODAY)


@pytest.mark.parametrize("evidence", ["../consent.txt", "/etc/hostname", "a/../../consent.txt", "..\\consent.txt"])
def test_evidence_outside_the_folder_is_refused(tmp_path, evidence):
    folder = recorded(tmp_path, evidence=evidence)
    (folder.parent / "consent.txt").write_text("I agree. Anna")
    with pytest.raises(ConsentError, match="leaves the voice's folder"):
        check_consent(folder, TODAY)


def test_evidence_that_links_outside_the_folder_is_refused(tmp_path):
    folder = recorded(tmp_path)
    (folder / "consent.txt").rename(folder.parent / "consent.txt")
    (folder / "consent.txt").symlink_to(folder.parent / "consent.txt")
    with pytest.raises(ConsentError, match="leaves the voice's folder"):
        check_consent(folder, TODAY)


def test_revoked_consent_is_refused_and_comments_in_the_record_stay(tmp_path):
    folder = recorded(tmp_path)
    path = folder / "voice.yaml"
    path.write_text("# Anna's voice\n" + path.read_text().replace("language: en", "language: en  # her mother tongue"))
    assert revoke_consent(folder, date(2026, 5, 1)).consent.revoked_on == date(2026, 5, 1)
    assert path.read_text().startswith("# Anna's voice\n")
    assert "# her mother tongue" in path.read_text()
    with pytest.raises(ConsentError, match="Anna revoked the consent on 2026-05-01"):
        check_consent(folder, TODAY)


def test_second_revocation_keeps_the_date_of_the_first(tmp_path):
    folder = recordings_of(tmp_path)
    revoke_consent(folder, date(2026, 5, 1))
    assert revoke_consent(folder, date(2026, 6, 1)).consent.revoked_on == date(2026, 5, 1)


def test_expired_consent_can_be_revoked(tmp_path):
    folder = recordings_of(tmp_path, valid_until=date(2026, 2, 1))
    assert revoke_consent(folder, TODAY).consent.revoked_on == TODAY


def test_revocation_that_cannot_be_written_leaves_the_old_record(tmp_path, monkeypatch):
    folder = recordings_of(tmp_path)
    before = (folder / "voice.yaml").read_text()

    def fail(*_: object) -> None:
        raise OSError("no space left on device")

    monkeypatch.setattr(os, "fsync", fail)
    with pytest.raises(ConsentError, match=r"the revocation cannot be written .no space left on device"):
        revoke_consent(folder, TODAY)
    assert (folder / "voice.yaml").read_text() == before
    assert [path.name for path in folder.iterdir()] == ["voice.yaml"]


def test_written_voice_reads_back_equal_and_writing_it_again_changes_nothing(tmp_path):
    voice = synthetic_voice(valid_until=date(2027, 1, 1))
    path = write_voice(tmp_path / "anna", voice)
    assert load_voice(tmp_path / "anna") == voice
    before = path.stat().st_mtime_ns
    write_voice(tmp_path / "anna", voice)
    assert path.stat().st_mtime_ns == before


def test_voice_is_not_written_over_another_record_or_into_another_folder(tmp_path):
    write_voice(tmp_path / "anna", synthetic_voice())
    with pytest.raises(ConsentError, match="already exists with another content"):
        write_voice(tmp_path / "anna", synthetic_voice(speaker="another program"))
    with pytest.raises(ConsentError, match="belongs in a folder of that name"):
        write_voice(tmp_path / "bob", synthetic_voice())


@pytest.mark.parametrize("name", ["", "../x", "a b", "ä", ".hidden", "x" * 65, "a/b"])
def test_voice_name_that_cannot_be_a_folder_name_is_refused(name):
    with pytest.raises(ValueError, match="pattern"):
        synthetic_voice(name)


def test_hash_of_a_consent_stays_when_it_is_revoked_and_changes_with_every_other_entry():
    first = consent_sha256(synthetic_voice())
    assert consent_sha256(synthetic_voice(revoked_on=date(2026, 5, 1))) == first
    changes = {"speaker": "another program", "purposes": ("research",), "scope": SCOPE | {"commercial": True}}
    changes |= {"granted_on": date(2026, 1, 2), "valid_until": date(2027, 1, 1)}
    others = [consent_sha256(synthetic_voice(**{name: value})) for name, value in changes.items()]
    others.append(consent_sha256(synthetic_voice("bob")))
    assert len({first, *others}) == len(changes) + 2


def test_use_that_the_consent_names_is_accepted_and_every_other_is_refused_with_all_reasons(tmp_path):
    scope = {"languages": ["en"], "territories": ["DE", "AT"], "commercial": False}
    folder = recordings_of(tmp_path, purposes=("narration", "dialogue"), scope=scope)
    check_consent(folder, TODAY, purpose="dialogue", language="en", territory="AT")
    with pytest.raises(ConsentError) as refused:
        check_consent(folder, TODAY, purpose="advertising", language="ja", territory="FR", commercial=True)
    for reason in (
        "the purpose advertising is not among narration, dialogue",
        "Japanese (ja) is not among its languages en",
        "FR is not among its territories DE, AT",
        "it is commercial",
    ):
        assert reason in str(refused.value)
    with pytest.raises(ConsentError, match="'audiobooks' is not a known purpose; known are narration"):
        check_consent(folder, TODAY, purpose="audiobooks")


def test_scope_without_limits_covers_every_language_and_territory_but_no_other_purpose(tmp_path):
    folder = recordings_of(tmp_path, scope=SCOPE | {"commercial": True})
    check_consent(folder, TODAY, purpose="testing", language="ko", territory="JP", commercial=True)
    with pytest.raises(ConsentError, match="the purpose narration is not among testing"):
        check_consent(folder, TODAY, purpose="narration")


def test_record_with_a_purpose_in_free_text_is_refused(tmp_path):
    folder = recordings_of(tmp_path)
    path = folder / "voice.yaml"
    path.write_text(path.read_text().replace("purposes: [testing]", "purpose: tests"))
    with pytest.raises(ConsentError, match=r"consent.purposes: Field required.*see docs/consent\.md"):
        check_consent(folder, TODAY)
