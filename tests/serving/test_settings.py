"""The section `serve` of params.yaml: described, checked, and closed by default."""

from __future__ import annotations

import pytest
from imports import ROOT
from pydantic import BaseModel
from ruamel.yaml import YAML

from serving.settings import ServeSettings, parse_settings


@pytest.fixture
def raw():
    return YAML(typ="safe").load((ROOT / "params.yaml").read_text(encoding="utf-8"))["serve"]


@pytest.mark.parametrize("name", ["params.yaml", "params.official.yaml"])
def test_the_section_is_valid_as_committed(name):
    settings = parse_settings(YAML(typ="safe").load((ROOT / name).read_text(encoding="utf-8"))["serve"])
    assert not settings.allow_unjudged_lane and not settings.keep_text


def sections(model: type[BaseModel]) -> list[type[BaseModel]]:
    inner = [field.annotation for field in model.model_fields.values()]
    return [model, *(part for part in inner if isinstance(part, type) and issubclass(part, BaseModel))]


@pytest.mark.parametrize("section", sections(ServeSettings), ids=lambda section: section.__name__)
def test_every_key_is_described_in_a_sentence(section):
    for key, field in section.model_fields.items():
        nested = isinstance(field.annotation, type) and issubclass(field.annotation, BaseModel)
        assert nested or (field.description and field.description.endswith(".")), key


def test_an_unknown_key_is_named_with_its_value(raw):
    raw["limits"]["max_txt"] = 3
    with pytest.raises(ValueError, match=r"serve\.limits\.max_txt: .*seen: '3'"):
        parse_settings(raw)


def test_a_former_version_that_is_asked_for_has_room(raw):
    raw["engine"]["max_former_versions"] = 0
    with pytest.raises(ValueError, match=r"serve\.engine\.max_former_versions: .*seen: '0'"):
        parse_settings(raw)


@pytest.mark.parametrize("host", ["0.0.0.0", "::", "192.168.1.4", "voices.example.org"])
def test_without_keys_only_loopback_is_served(raw, host):
    with pytest.raises(ValueError, match="require_keys: true"):
        parse_settings(raw | {"host": host})
    assert parse_settings(raw | {"host": host, "require_keys": True}).host == host


@pytest.mark.parametrize("host", ["127.0.0.1", "127.1.2.3", "::1", "localhost"])
def test_on_loopback_keys_may_be_off(raw, host):
    assert parse_settings(raw | {"host": host}).host == host
