"""No password reaches a message."""

from __future__ import annotations

from urllib.parse import quote

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from registry.storage.masking import mask_secrets

PASSWORDS = st.text(st.characters(min_codepoint=33, max_codepoint=126, exclude_characters="'\"*"), min_size=6)


@given(PASSWORDS, st.sampled_from(["postgresql", "postgresql+psycopg", "https", "s3", "redis"]))
def test_password_of_an_address_is_masked_wherever_it_is_spelled(password, scheme):
    """The password of a setting is masked in the address, alone, and quoted as an address needs it."""
    uri, quoted = f"{scheme}://anna:{password}@db.example/mlflow", quote(password, safe="")
    assume(password not in f"connection to {scheme}://anna@db.example/mlflow failed")
    for spelling in (uri, password, quoted, uri.replace(password, quoted)):
        masked = mask_secrets(f"connection to {spelling} failed", {"VOXFOUNDRY_DATABASE_URI": uri})
        assert password not in masked and quoted not in masked
        assert masked.startswith("connection to ") and masked.endswith(" failed")


@pytest.mark.parametrize(
    ("text", "masked"),
    [
        ("cannot reach https://anna:pw@host/x.", "cannot reach https://anna:***@host/x."),
        ("cannot reach https://:pw@host", "cannot reach https://:***@host"),
        ("postgresql://h/x?user=anna&password=pw&sslmode=on", "postgresql://h/x?user=anna&password=***&sslmode=on"),
        ("https://host/x?X-Amz-Security-Token=abc", "https://host/x?X-Amz-Security-Token=***"),
        ("write to anna@example.org about sqlite:////data/a@b/mlflow.db", None),
        ("http://127.0.0.1:5000 and user@host", None),
    ],
)
def test_address_of_no_setting_keeps_everything_but_its_password(text, masked):
    assert mask_secrets(text, {}) == (text if masked is None else masked)


@pytest.mark.parametrize("name", ["MLFLOW_TRACKING_PASSWORD", "MLFLOW_TRACKING_TOKEN", "AWS_SECRET_ACCESS_KEY"])
def test_value_of_a_secret_setting_is_masked(name):
    assert mask_secrets("login with 12345 failed", {name: "12345"}) == "login with *** failed"


@pytest.mark.parametrize(
    "environ", [{"VOXFOUNDRY_SIGNING_KEY": "/keys/a.pem"}, {"PGPASSWORD": ""}, {"PGPASSWORD": "key"}]
)
def test_paths_of_keys_and_very_short_values_are_shown(environ):
    assert mask_secrets("put /keys/a.pem there", environ) == "put /keys/a.pem there"
