"""Keys: made once, kept private, and trusted only where they are named."""

from __future__ import annotations

import os

import pytest

from registry.storage.signing import Signature, SigningError, public_pem, sign, trusted_keys, why_not_valid


def test_key_is_made_at_first_need_readable_by_its_owner_only(tmp_path):
    assert trusted_keys(tmp_path) == frozenset()
    sign(tmp_path, "text")
    path = tmp_path / ".vox" / "keys" / "signing.pem"
    assert path.stat().st_mode & 0o777 == 0o600
    assert [entry.name for entry in path.parent.iterdir()] == ["signing.pem"]
    assert sign(tmp_path, "text") == sign(tmp_path, "text")


def test_signature_is_valid_for_its_text_only(tmp_path):
    signature = sign(tmp_path, "text")
    trusted = trusted_keys(tmp_path)
    assert why_not_valid("text", signature, trusted) is None
    assert "does not fit" in why_not_valid("other text", signature, trusted)
    assert "does not fit" in why_not_valid("text", Signature(signature.public_key, "zz"), trusted)
    assert "not trusted" in why_not_valid("text", signature, frozenset())


def test_key_of_another_machine_counts_once_its_public_key_is_there(tmp_path):
    signature = sign(tmp_path / "other_machine", "text")
    sign(tmp_path / "this_machine", "text")
    assert why_not_valid("text", signature, trusted_keys(tmp_path / "this_machine")) is not None
    (tmp_path / "this_machine" / ".vox" / "keys" / "other_machine.pub").write_text(public_pem(signature.public_key))
    assert why_not_valid("text", signature, trusted_keys(tmp_path / "this_machine")) is None


def test_signing_key_named_in_the_environment_is_used_but_never_made(tmp_path, monkeypatch):
    sign(tmp_path / "first", "text")
    named = tmp_path / "first" / ".vox" / "keys" / "signing.pem"
    monkeypatch.setenv("VOXFOUNDRY_SIGNING_KEY", str(named))
    assert sign(tmp_path / "second", "text") == sign(tmp_path / "first", "text")
    assert not (tmp_path / "second").exists()
    monkeypatch.setenv("VOXFOUNDRY_SIGNING_KEY", str(tmp_path / "absent.pem"))
    with pytest.raises(SigningError, match="no file is there"):
        sign(tmp_path, "text")


def test_own_key_that_is_not_among_the_trusted_keys_may_not_sign(tmp_path, monkeypatch):
    (tmp_path / "trusted").mkdir()
    monkeypatch.setenv("VOXFOUNDRY_TRUSTED_KEYS", str(tmp_path / "trusted"))
    with pytest.raises(SigningError, match="not among the trusted keys"):
        sign(tmp_path, "text")
    monkeypatch.setenv("VOXFOUNDRY_TRUSTED_KEYS", str(tmp_path / "absent"))
    with pytest.raises(SigningError, match="is not a folder"):
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


def test_two_processes_making_the_key_at_once_use_the_same_one(tmp_path):
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
