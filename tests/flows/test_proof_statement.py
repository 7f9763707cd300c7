"""The statement of `vox verify --statement`, checked by code that knows nothing of Voxfoundry."""

from __future__ import annotations

import base64
import hashlib
import json
import os

import pytest
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey
from proof_helpers import PARAMS, VOICE, make_released

from flows.commands.verify import verify_voice
from registry.proof.envelope import encode_for_signature

SETTINGS = ("MLFLOW_TRACKING_URI", "MLFLOW_REGISTRY_URI", "VOXFOUNDRY_DATABASE_URI", "VOXFOUNDRY_SIGNING_KEY")


def read_envelope(text: str) -> dict:
    """Return the statement of an envelope whose signature is right, after the DSSE specification."""
    envelope = json.loads(text)
    payload = base64.b64decode(envelope["payload"])
    kind = envelope["payloadType"].encode()
    (signature,) = envelope["signatures"]
    signed = b"DSSEv1 %d %b %d %b" % (len(kind), kind, len(payload), payload)
    key = Ed25519PublicKey.from_public_bytes(bytes.fromhex(signature["keyid"]))
    key.verify(base64.b64decode(signature["sig"]), signed)
    return json.loads(payload)


def test_encoding_is_that_of_the_specification():
    """The test vector of DSSE 1.0 (protocol.md)."""
    encoded = encode_for_signature("http://example.com/HelloWorld", "hello world")
    assert encoded == "DSSEv1 29 http://example.com/HelloWorld 11 hello world"


def test_statement_of_a_proven_release(tmp_path, monkeypatch, capsys):
    for name in SETTINGS:
        monkeypatch.delenv(name, raising=False)
    make_released(tmp_path)
    for name in SETTINGS:
        os.environ.pop(name, None)
    monkeypatch.chdir(tmp_path)
    file = tmp_path / "statement.json"
    # 1. The statement names what went in and what came out, by hashes that anybody can compute
    assert verify_voice(VOICE, None, statement=file, as_json=False) == 0, capsys.readouterr().out
    statement = read_envelope(file.read_text())
    assert statement["_type"] == "https://in-toto.io/Statement/v1"
    assert statement["predicateType"] == "https://slsa.dev/provenance/v1"
    voice = tmp_path / "data/6_scores/anna/voice"
    expected = {path.relative_to(voice).as_posix(): path for path in voice.rglob("*") if path.is_file()}
    assert {one["name"] for one in statement["subject"]} == set(expected)
    for one in statement["subject"]:
        assert one["digest"]["sha256"] == hashlib.sha256(expected[one["name"]].read_bytes()).hexdigest()
    inputs = {one["name"]: one["digest"] for one in statement["predicate"]["buildDefinition"]["resolvedDependencies"]}
    for number in range(2):
        name = f"data/1_recordings/anna/{number}.wav"
        assert inputs[name]["sha256"] == hashlib.sha256((tmp_path / name).read_bytes()).hexdigest()
    assert {"code", "prompts", "base_models/base"} <= set(inputs)
    assert statement["predicate"]["buildDefinition"]["externalParameters"]["params"] == PARAMS
    # 2. A changed statement does not have the signature
    envelope = json.loads(file.read_text())
    payload = base64.b64decode(envelope["payload"]).replace(b"starter", b"altered")
    envelope["payload"] = base64.b64encode(payload).decode()
    with pytest.raises(InvalidSignature):
        read_envelope(json.dumps(envelope))
    # 3. Of what is not proven there is no statement
    file.unlink()
    (tmp_path / "data/2_clips/anna/part.bin").write_text("forged")
    assert verify_voice(VOICE, None, statement=file, as_json=False) == 1
    assert not file.exists()
