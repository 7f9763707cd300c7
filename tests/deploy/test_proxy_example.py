"""The example of a proxy in docs/serving.md: it is well formed, and its limits are not below those of the service."""

from __future__ import annotations

import re

import pytest
from imports import ROOT

from serving.settings import parse_settings
from stages.params import load_params

PAGE = (ROOT / "docs/serving.md").read_text(encoding="utf-8")
UNITS = {"k": 2**10, "m": 2**20, "g": 2**30}


def parse(text: str) -> list[tuple[list[str], list]]:
    """Return the directives of an nginx file, each as its words and the directives of its block."""
    tokens = re.findall(r'"[^"]*"|[{};]|[^\s{};"]+', text)
    stack: list[list] = [[]]
    words: list[str] = []
    for token in tokens:
        if token == ";":
            assert words, "a semicolon without a directive"
            stack[-1].append((words, []))
            words = []
        elif token == "{":
            assert words, "a block without a name"
            stack[-1].append((words, []))
            stack.append(stack[-1][-1][1])
            words = []
        elif token == "}":
            assert not words and len(stack) > 1, f"{words} before a brace"
            stack.pop()
        else:
            words.append(token)
    assert not words and len(stack) == 1, "the file ends in the middle"
    return stack[0]


@pytest.fixture(scope="module")
def blocks() -> dict[str, list]:
    (text,) = re.findall(r"```nginx\n(.*?)```", PAGE, flags=re.DOTALL)
    return {words[0]: inner for words, inner in parse(text)}


@pytest.fixture(scope="module")
def server(blocks) -> list[list[str]]:
    return [words for words, inner in blocks["server"] if not inner]


@pytest.fixture(scope="module")
def locations(blocks) -> dict[str, list[list[str]]]:
    return {words[-1]: [one for one, _ in inner] for words, inner in blocks["server"] if words[0] == "location"}


def n_bytes(words: list[str]) -> int:
    return int(words[1][:-1]) * UNITS[words[1][-1]]


def test_sound_is_not_buffered_and_web_sockets_are_passed_on(blocks, server):
    assert ["proxy_buffering", "off"] in server and ["proxy_http_version", "1.1"] in server
    assert ["proxy_set_header", "Upgrade", "$http_upgrade"] in server
    assert ["proxy_set_header", "Connection", "$connection_upgrade"] in server
    assert [words for words, _ in blocks["map"]] == [["default", "upgrade"], ['""', "close"]]


def test_a_location_repeats_no_header_because_it_would_drop_those_of_the_server(locations):
    assert not [words for inner in locations.values() for words in inner if words[0] == "proxy_set_header"]


def test_limits_are_not_below_those_of_the_service(server, locations):
    settings = parse_settings(load_params(ROOT / "params.yaml").serve)
    values = {words[0]: words for words in server}
    assert int(values["proxy_read_timeout"][1].removesuffix("s")) > settings.limits.max_request_seconds
    assert settings.limits.max_body_bytes <= n_bytes(values["client_max_body_size"])
    (verify,) = [words for words in locations["/v1/provenance/verify"] if words[0] == "client_max_body_size"]
    assert settings.provenance.max_verify_bytes <= n_bytes(verify)
    assert {words[-1] for inner in locations.values() for words in inner if words[0] == "proxy_pass"} == {
        f"http://127.0.0.1:{settings.port}"
    }


def test_what_names_the_voices_is_not_published(locations):
    assert locations["/metrics"] == locations["/readyz"] == [["return", "404"]]


@pytest.mark.parametrize("broken", ["a {", "a; }", "a { b }", ";", "{ a; }"])
def test_a_broken_file_is_found(broken):
    with pytest.raises(AssertionError):
        parse(broken)
