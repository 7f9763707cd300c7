"""The JSON of a verdict follows the published schema."""

from __future__ import annotations

import json
from pathlib import Path

import jsonschema
import pytest
from release_helpers import make_verdict, scorecard

from registry.verdicts import verdict_file
from registry.verdicts.store import save_verdict
from registry.verdicts.verdict import Verdict
from registry.verdicts.verdict_file import json_schema, to_json


def test_json_contains_what_was_signed(bare_store):
    saved = save_verdict(bare_store, make_verdict(scorecard(), scorecard(wer=0.2)))
    shown = json.loads(to_json(saved))
    assert (shown["outcome"], shown["exit_code"], shown["sha256"]) == ("pass", 0, saved.sha256)
    assert Verdict.model_validate(shown["verdict"]).sha256() == saved.sha256


def test_published_schema_is_current_and_every_verdict_fits_it(bare_store, whole):
    published = Path(verdict_file.__file__).with_name("verdict.schema.json").read_text(encoding="utf-8")
    assert published == json_schema(), (
        "run `python -m registry.verdicts.verdict_file > registry/verdicts/verdict.schema.json`"
    )
    schema = json.loads(published)
    validator = jsonschema.Draft202012Validator(schema)
    validator.check_schema(schema)
    for signed in (whole, save_verdict(bare_store, make_verdict(scorecard())), save_verdict(bare_store, make_verdict(
        scorecard(wer=0.9), scorecard()
    ))):  # fmt: skip
        validator.validate(json.loads(to_json(signed)))


@pytest.mark.parametrize("change", [{"outcome": "perhaps"}, {"exit_code": 2}, {"sha256": "x"}, {"more": 1}])
def test_schema_refuses_what_is_not_a_verdict(whole, change):
    schema = json.loads(json_schema())
    with pytest.raises(jsonschema.ValidationError):
        jsonschema.validate(json.loads(to_json(whole)) | change, schema)


def test_reasons_in_json_are_objects_with_their_text(whole):
    (reason,) = [
        reason
        for reason in json.loads(to_json(whole))["verdict"]["decision"]["reasons"]
        if reason["code"] == "prompts_regressed"
    ]
    assert reason["prompts"] == ["p004"] and reason["values"]["at_most"] == 0
    assert reason["text"].endswith("at most 0 allowed (p004)")
