"""Marks of files: what they say holds, and whatever was tampered with is told."""

from __future__ import annotations

import io
import json
import socket
import time
from datetime import timedelta

import numpy as np
import pytest
import soundfile
from hypothesis import given, settings
from hypothesis import strategies as st
from provenance_helpers import FACTS, marked, sound, write_identity

from serving.encoding import FORMATS
from serving.errors import CertificateEndedError
from serving.provenance.errors import CertificateError
from serving.provenance.identity import load_identity, load_trust
from serving.provenance.marking import Marker
from serving.provenance.verification import verify

EMBEDDED = ("mp3", "wav", "flac")


@pytest.fixture(scope="module")
def root(tmp_path_factory):
    folder = tmp_path_factory.mktemp("project")
    load_identity(folder, {})
    return folder


def verified(root, file, sidecar=None, trust=None):
    return verify(file, trust=load_trust(root, {}) if trust is None else trust, sidecar=sidecar).deciding


@pytest.mark.parametrize("form", FORMATS)
def test_a_marked_file_says_who_made_it_and_that_it_was_an_ai(root, tmp_path, form):
    file, sidecar = marked(tmp_path, form, identity=load_identity(root, {}))
    layer = verified(root, file, sidecar)
    assert (layer.status, layer.facts, layer.is_ai_generated) == ("valid", FACTS, True)
    assert "DEVELOPMENT ONLY" in layer.signer.issuer
    assert (sidecar is None) == (form in EMBEDDED)


@pytest.mark.parametrize("form", EMBEDDED)
def test_a_mark_does_not_change_the_sound(root, tmp_path, form):
    file, _ = marked(tmp_path, form, identity=load_identity(root, {}))
    before, after = soundfile.read(io.BytesIO(sound(form)))[0], soundfile.read(file)[0]
    np.testing.assert_array_equal(before, after)


@pytest.mark.parametrize("form", FORMATS)
def test_a_changed_sample_is_told(root, tmp_path, form):
    file, sidecar = marked(tmp_path, form, identity=load_identity(root, {}))
    content = bytearray(file.read_bytes())
    content[len(content) - 200 if form == "mp3" else len(sound(form)) // 2] ^= 1
    file.write_bytes(content)
    layer = verified(root, file, sidecar)
    assert layer.status == "invalid" and "changed" in layer.reason
    assert layer.facts is None and layer.is_ai_generated is None


@pytest.mark.parametrize("form", EMBEDDED)
def test_a_changed_manifest_is_told(root, tmp_path, form):
    file, _ = marked(tmp_path, form, identity=load_identity(root, {}))
    content = file.read_bytes()
    assert content.count(b"anna") == 1
    file.write_bytes(content.replace(b"anna", b"otto"))
    layer = verified(root, file)
    assert layer.status == "invalid" and "manifest was changed" in layer.reason


def test_a_changed_sidecar_is_told(root, tmp_path):
    file, sidecar = marked(tmp_path, "opus", identity=load_identity(root, {}))
    layer = verified(root, file, sidecar.replace(b'"anna"', b'"otto"'))
    assert layer.status == "invalid" and "sidecar was changed" in layer.reason


@pytest.mark.parametrize("form", ["wav", "pcm"])
def test_a_foreign_signer_is_told_from_a_forgery(root, tmp_path, form):
    foreign = load_identity(tmp_path, write_identity(tmp_path / "foreign"))
    file, sidecar = marked(tmp_path, form, identity=foreign)
    layer = verified(root, file, sidecar)
    assert (layer.status, layer.facts) == ("untrusted", FACTS)
    assert "Test foreign" in layer.signer.subject


def test_a_certificate_that_has_expired_since_is_told(tmp_path):
    environment = write_identity(tmp_path / "short", valid_for=timedelta(seconds=2))
    identity, trust = load_identity(tmp_path, environment), load_trust(tmp_path, environment)
    files = [marked(tmp_path, form, identity=identity) for form in ("wav", "pcm")]
    assert {verified(tmp_path, *one, trust).status for one in files} == {"valid"}
    time.sleep(3.1)  # C2PA counts whole seconds
    for one in files:
        layer = verified(tmp_path, *one, trust)
        assert layer.status == "invalid" and "expired" in layer.reason


def test_nothing_is_signed_with_a_certificate_that_has_ended(tmp_path):
    environment = write_identity(tmp_path / "short", valid_for=timedelta(seconds=0))
    identity = load_identity(tmp_path, environment)
    time.sleep(1.1)
    for form in FORMATS:
        with pytest.raises(CertificateEndedError, match="ended on 2"):
            marked(tmp_path, form, identity=identity)


@pytest.mark.parametrize("form", FORMATS)
def test_a_file_without_a_mark_has_none(root, tmp_path, form):
    file = tmp_path / "plain"
    file.write_bytes(sound(form))
    assert verified(root, file).status == "none"


@pytest.mark.parametrize("form", ["wav", "mp3", "flac"])
def test_a_file_that_was_cut_off_is_not_valid(root, tmp_path, form):
    file, _ = marked(tmp_path, form, identity=load_identity(root, {}))
    content = file.read_bytes()
    for share in (0.02, 0.3, 0.99):
        file.write_bytes(content[: int(len(content) * share)])
        assert verified(root, file).status in ("invalid", "none")


@pytest.mark.parametrize("kind", ["P-256", "P-384", "P-521", "RSA", "Ed25519"])
@pytest.mark.parametrize("form", ["wav", "opus"])
def test_every_kind_of_key_that_c2pa_knows_signs(tmp_path, kind, form):
    environment = write_identity(tmp_path / "own", kind=kind)
    file, sidecar = marked(tmp_path, form, identity=load_identity(tmp_path, environment))
    assert verified(tmp_path, file, sidecar, load_trust(tmp_path, environment)).status == "valid"


def test_nothing_is_asked_of_the_network(root, tmp_path, monkeypatch):
    def refuse(*_: object, **__: object) -> None:
        raise AssertionError("the network was asked")

    monkeypatch.setattr(socket, "create_connection", refuse)
    monkeypatch.setattr(socket.socket, "connect", refuse)
    file, _ = marked(tmp_path, "wav", identity=load_identity(root, {}))
    found = verify(file, trust=load_trust(root, {}))
    assert found.deciding.status == "valid"


def test_a_manifest_on_the_network_is_not_fetched(root, tmp_path):
    import c2pa

    from serving.provenance.embedding import ALGORITHMS, _definition

    identity = load_identity(root, {})
    with socket.create_server(("127.0.0.1", 0)) as server:
        server.settimeout(0.2)
        info = c2pa.C2paSignerInfo(ALGORITHMS[identity.algorithm], identity.chain_pem, identity.key_pem, None)
        with c2pa.Signer.from_info(info) as signer, c2pa.Builder(json.dumps(_definition(FACTS))) as builder:
            builder.set_no_embed()
            builder.set_remote_url(f"http://127.0.0.1:{server.getsockname()[1]}/manifest")
            target = io.BytesIO()
            builder.sign(signer, "audio/wav", io.BytesIO(sound("wav")), target)
        file = tmp_path / "remote.wav"
        file.write_bytes(target.getvalue())
        assert verified(root, file).status == "none"
        with pytest.raises(TimeoutError):
            server.accept()


@settings(deadline=None, max_examples=150)
@given(
    content=st.binary(max_size=300),
    head=st.sampled_from([b"", b"RIFF\x90\0\0\0WAVE", b"fLaC", b"ID3\x04", b"\0\0\0\x18ftypM4A "]),
)
def test_no_content_raises_an_error(tmp_path_factory, content, head):
    file = tmp_path_factory.getbasetemp() / "anything"
    file.write_bytes(head + content)
    assert verify(file, trust=(), sidecar=content).deciding.status in ("invalid", "none")


@settings(deadline=None, max_examples=60)
@given(
    form=st.sampled_from(EMBEDDED),
    place=st.floats(0, 1, exclude_max=True),
    damage=st.sampled_from(["flip", "cut", "insert"]),
    value=st.integers(1, 255),
)
def test_no_damage_changes_the_sound_or_the_facts_of_a_valid_file(root, tmp_path_factory, form, place, damage, value):
    folder = tmp_path_factory.getbasetemp() / "damaged"
    folder.mkdir(exist_ok=True)
    file, _ = marked(folder, form, identity=load_identity(root, {}))
    content, before = bytearray(file.read_bytes()), soundfile.read(file)[0]
    index = int(place * len(content))
    if damage == "flip":
        content[index] ^= value
    elif damage == "cut":
        del content[index:]
    else:
        content.insert(index, value)
    file.write_bytes(content)
    layer = verified(root, file)
    if layer.status == "valid":  # the manifest has room that nobody reads
        assert layer.facts == FACTS
        np.testing.assert_array_equal(soundfile.read(file)[0], before)
    else:
        assert layer.status in ("invalid", "none") and layer.facts is None


@pytest.mark.parametrize(
    ("answer", "status"),
    [
        (None, "invalid"),
        ({"activeManifest": {"success": [{"code": "claimSignature.validated"}], "failure": []}}, "invalid"),
        (
            {
                "activeManifest": {
                    "success": [{"code": "claimSignature.validated"}, {"code": "assertion.dataHash.match"}],
                    "failure": [],
                }
            },
            "untrusted",
        ),
        (
            {
                "activeManifest": {
                    "success": [],
                    "failure": 9 * [{"code": "signingCredential.untrusted"}]
                    + [{"code": "assertion.dataHash.mismatch"}],
                }
            },
            "invalid",
        ),
    ],
)
def test_what_was_not_found_to_be_right_is_not_valid(tmp_path, monkeypatch, answer, status):
    file, _ = marked(tmp_path, "mp3")
    monkeypatch.setattr("c2pa.Reader.get_validation_results", lambda _: answer)
    assert verify(file, trust=load_trust(tmp_path, {})).deciding.status == status


class TestIdentity:
    def test_the_development_key_is_private_and_named_as_what_it_is(self, tmp_path):
        identity = load_identity(tmp_path, {})
        folder = tmp_path / ".vox/provenance/development"
        assert identity.is_development and "DEVELOPMENT ONLY" in identity.signer.subject
        assert {path.name: path.stat().st_mode & 0o777 for path in folder.iterdir()} == dict.fromkeys(
            ("chain.pem", "key.pem", "trust.pem"), 0o600
        )
        assert load_identity(tmp_path, {}).signer == identity.signer

    def test_files_in_the_project_are_taken_before_the_development_ones(self, tmp_path):
        load_identity(tmp_path, {})
        write_identity(tmp_path / ".vox/provenance")
        identity = load_identity(tmp_path, {})
        assert not identity.is_development and "Test provenance" in identity.signer.subject
        assert [one.subject for one in load_trust(tmp_path, {})] == [identity.chain[1].subject]

    def test_without_a_list_a_project_trusts_what_its_own_chain_ends_in(self, tmp_path):
        load_identity(tmp_path, {})
        environment = write_identity(tmp_path / "own")
        del environment["VOXFOUNDRY_PROVENANCE_TRUST"]
        file, sidecar = marked(tmp_path, "flac", identity=load_identity(tmp_path, environment))
        assert verified(tmp_path, file, sidecar, load_trust(tmp_path, environment)).status == "valid"
        assert verified(tmp_path, file, sidecar, load_trust(tmp_path, {})).status == "untrusted"

    def test_a_half_configured_certificate_is_refused(self, tmp_path):
        environment = write_identity(tmp_path / "own")
        only_chain = {name: value for name, value in environment.items() if not name.endswith("KEY")}
        with pytest.raises(CertificateError, match="VOXFOUNDRY_PROVENANCE_KEY"):
            load_identity(tmp_path, only_chain)

    def test_the_key_of_another_certificate_is_refused(self, tmp_path):
        one, other = write_identity(tmp_path / "one"), write_identity(tmp_path / "other")
        mixed = one | {"VOXFOUNDRY_PROVENANCE_KEY": other["VOXFOUNDRY_PROVENANCE_KEY"]}
        with pytest.raises(CertificateError, match="does not belong"):
            load_identity(tmp_path, mixed)

    def test_a_key_of_somebody_else_may_be_read_by_the_group(self, tmp_path, monkeypatch):
        """As Kubernetes mounts a secret for a user who is not root."""
        named = write_identity(tmp_path / "own")
        (tmp_path / "own/key.pem").chmod(0o440)
        with pytest.raises(CertificateError, match="chmod 600"):
            load_identity(tmp_path, named)
        monkeypatch.setattr("os.getuid", lambda: (tmp_path / "own/key.pem").stat().st_uid + 1)
        assert not load_identity(tmp_path, named).is_development
        (tmp_path / "own/key.pem").chmod(0o444)
        with pytest.raises(CertificateError, match="chmod 600"):
            load_identity(tmp_path, named)

    def test_a_key_that_others_can_read_is_refused(self, tmp_path):
        environment = write_identity(tmp_path / "own")
        (tmp_path / "own/key.pem").chmod(0o644)
        with pytest.raises(CertificateError, match="chmod 600"):
            load_identity(tmp_path, environment)

    @pytest.mark.parametrize("name", ["chain.pem", "key.pem"])
    @pytest.mark.parametrize("content", [b"", b"-----BEGIN CERTIFICATE-----\nAA==\n-----END CERTIFICATE-----\n"])
    def test_a_broken_file_is_named(self, tmp_path, name, content):
        environment = write_identity(tmp_path / "own")
        (tmp_path / "own" / name).write_bytes(content)
        with pytest.raises(CertificateError, match=name):
            load_identity(tmp_path, environment)

    def test_a_file_that_cannot_be_marked_stays_and_is_refused(self, tmp_path):
        from serving.provenance.errors import MarkingError

        identity = load_identity(tmp_path, write_identity(tmp_path / "web", purpose="web"))
        file = tmp_path / "speech.wav"
        file.write_bytes(sound("wav"))
        with pytest.raises(MarkingError):
            Marker(identity).mark(file, "wav", FACTS)
        assert file.read_bytes() == sound("wav") and sorted(tmp_path.glob("speech*")) == [file]
