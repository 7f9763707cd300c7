"""Keys: made once, kept private, and used only in the roles they have."""

from __future__ import annotations

import os

import pytest
from key_helpers import make_signer, write_trust

from registry.keys.ed25519 import Signature, SigningError, is_signed, public_key_of, public_pem
from registry.keys.signing import own_public_key, sign
from registry.keys.trust import load_trust


def test_key_is_made_at_first_need_readable_by_its_owner_only(tmp_path):
    assert load_trust(tmp_path).entries == ()
    assert own_public_key(tmp_path) is None
    signature = sign(tmp_path, "text")
    path = tmp_path / ".vox" / "keys" / "signing.pem"
    assert path.stat().st_mode & 0o777 == 0o600
    assert [entry.name for entry in path.parent.iterdir()] == ["signing.pem"]
    assert sign(tmp_path, "text") == signature
    assert own_public_key(tmp_path) == signature.public_key


def test_signature_is_valid_for_its_text_only(tmp_path):
    signature = sign(tmp_path, "text")
    assert is_signed("text", signature)
    assert not is_signed("other text", signature)
    assert not is_signed("text", Signature(signature.public_key, "zz"))
    assert not is_signed("text", Signature("00", signature.signature))


def test_public_key_travels_as_pem_and_is_the_same(tmp_path):
    key = sign(tmp_path, "text").public_key
    (tmp_path / "own.pub").write_text(public_pem(key))
    assert public_key_of(tmp_path / "own.pub") == key
    (tmp_path / "own.pub").write_text("nonsense")
    with pytest.raises(SigningError, match="is not a PEM key"):
        public_key_of(tmp_path / "own.pub")


def test_signing_key_named_in_the_environment_is_used_but_never_made(tmp_path, monkeypatch):
    sign(tmp_path / "first", "text")
    named = tmp_path / "first" / ".vox" / "keys" / "signing.pem"
    monkeypatch.setenv("VOXFOUNDRY_SIGNING_KEY", str(named))
    assert sign(tmp_path / "second", "text") == sign(tmp_path / "first", "text")
    assert not (tmp_path / "second").exists()
    monkeypatch.setenv("VOXFOUNDRY_SIGNING_KEY", str(tmp_path / "absent.pem"))
    with pytest.raises(SigningError, match="no file is there"):
        sign(tmp_path, "text")


def test_machine_without_a_trust_file_signs_in_every_role(tmp_path):
    for role in ("engineer", "release_manager", "privacy_officer"):
        signature = sign(tmp_path, "text", role=role)
        assert load_trust(tmp_path).why_not_valid("text", signature, role=role) is None


def test_key_that_the_trust_file_does_not_name_may_not_sign(tmp_path):
    write_trust(tmp_path, [make_signer(tmp_path, "anna").entry("engineer")])
    with pytest.raises(SigningError, match=r"is not trusted here.*nobody would accept.*vox keys trust"):
        sign(tmp_path, "text")


def test_engineers_key_may_sign_a_verdict_but_not_a_promotion(tmp_path, monkeypatch):
    anna = make_signer(tmp_path, "anna")
    write_trust(tmp_path, [anna.entry("engineer")])
    monkeypatch.setenv("VOXFOUNDRY_SIGNING_KEY", str(anna.path))
    assert sign(tmp_path, "verdict", role="engineer").public_key == anna.public_key
    with pytest.raises(SigningError, match="of anna has the roles engineer, and this needs release_manager"):
        sign(tmp_path, "promotion", role="release_manager")


def test_revoked_key_may_not_sign(tmp_path, monkeypatch):
    anna = make_signer(tmp_path, "anna")
    write_trust(tmp_path, [anna.entry("engineer", end="2026-01-01")])
    monkeypatch.setenv("VOXFOUNDRY_SIGNING_KEY", str(anna.path))
    with pytest.raises(SigningError, match="revoked on 2026-01-01T00"):
        sign(tmp_path, "text")


@pytest.mark.parametrize(
    ("mode", "contents", "message"),
    [
        (0o644, None, "can be read by others .mode 644.; run: chmod 600"),
        (0o600, "nonsense", "is not a PEM private key"),
    ],
)
def test_unsafe_or_broken_key_is_refused(tmp_path, mode, contents, message):
    sign(tmp_path, "text")
    path = tmp_path / ".vox" / "keys" / "signing.pem"
    path.chmod(mode)
    if contents is not None:
        path.write_text(contents)
    with pytest.raises(SigningError, match=message) as raised:
        sign(tmp_path, "text")
    assert "PRIVATE KEY" not in str(raised.value)


def test_key_in_a_folder_that_every_user_can_change_is_refused(tmp_path):
    sign(tmp_path, "text")
    (tmp_path / ".vox" / "keys").chmod(0o777)
    with pytest.raises(SigningError, match=r"whoever can replace signing\.pem signs as this machine"):
        sign(tmp_path, "text")


def test_processes_making_the_key_at_once_use_the_same_one(tmp_path):
    children = []
    for number in range(4):
        if (child := os.fork()) == 0:
            try:
                (tmp_path / f"{number}.txt").write_text(sign(tmp_path / "project", "text").public_key)
            finally:
                os._exit(0)
        children.append(child)
    for child in children:
        os.waitpid(child, 0)
    assert len({(tmp_path / f"{number}.txt").read_text() for number in range(4)}) == 1
