"""`vox rescore --every`: what is asked for is served, and what every run would refuse is refused at once."""

from __future__ import annotations

import pytest

from flows.commands import rescore


@pytest.mark.parametrize(
    ("voice", "options", "message"),
    [
        ("anna", {"as_json": True}, "--json prints one result"),
        ("nobody", {}, "nobody"),
        ("anna", {"version": 7}, "no version 7"),
        ("anna", {"cron": "every day"}, "--every 'every day' is not a time of cron"),
    ],
)
def test_what_no_run_could_do_is_refused_before_a_run_is_served(speaking, monkeypatch, voice, options, message):
    monkeypatch.chdir(speaking)
    monkeypatch.setattr(rescore, "ensure_server", lambda: None)
    asked = {"version": None, "with_prefect": False, "cron": "0 6 * * 1", "as_json": False} | options
    with pytest.raises((ValueError, RuntimeError), match=message):
        rescore.rescore_voice(voice, asked.pop("version"), **asked)


def test_the_version_that_is_named_is_the_one_that_is_served(speaking, monkeypatch, capsys):
    from flows import prefect_engine

    served = []
    monkeypatch.chdir(speaking)
    monkeypatch.setattr(rescore, "ensure_server", lambda: None)
    monkeypatch.setattr(prefect_engine.evaluate_champion_flow, "serve", lambda **options: served.append(options))
    for version in (None, 1):
        assert rescore.rescore_voice("anna", version, with_prefect=False, cron="0 6 * * 1", as_json=False) == 0
    assert [one["parameters"] for one in served] == [{"voice": "anna", "version": version} for version in (None, 1)]
    assert [one["name"] for one in served] == ["anna", "anna-version-1"]
    assert "scoring version 1 of anna again" in capsys.readouterr().out
