"""The ablations change what they say and nothing else, and their table holds every figure."""

from __future__ import annotations

import pytest
from ruamel.yaml import YAML

from starter.ablations import ABLATIONS, FIGURES, changed, main, table
from starter.settings import PARAMS, Settings

PARAMETERS = YAML(typ="safe").load(PARAMS.read_text(encoding="utf-8"))


@pytest.mark.parametrize("name", [name for name, one in ABLATIONS.items() if one.stage != "joint"])
def test_changed_settings_are_valid_and_differ_only_where_they_say(name):
    one = ABLATIONS[name]
    section = PARAMETERS[one.stage]
    other = changed(section, one.changes)
    Settings.model_validate({**PARAMETERS, one.stage: other})
    assert {key for key in section if other[key] != section[key]} == set(one.changes)
    assert set(other) == set(section)


def test_every_stage_has_a_row_as_it_is_to_be_compared_with():
    assert {one.stage for one in ABLATIONS.values() if not one.changes} == set(FIGURES)


def test_a_name_that_is_no_ablation_is_refused_with_those_that_are(capsys):
    with pytest.raises(SystemExit) as ended:
        main(["no_vowels"])
    assert ended.value.code == 2
    said = capsys.readouterr().err
    assert "no_vowels" in said and "no_stretching" in said


def test_the_table_holds_every_figure_under_its_stage():
    rows = {
        name: {"stage": one.stage, "says": one.says, **dict.fromkeys(FIGURES[one.stage], i / 100)}
        for i, (name, one) in enumerate(ABLATIONS.items())
    }
    lines = table(rows).splitlines()
    for i, one in enumerate(ABLATIONS.values()):
        row = f"| {one.says} | " + " | ".join([f"{i / 100:.3f}"] * len(FIGURES[one.stage])) + " |"
        assert row in lines
