"""The ablations change only what they describe, and their table holds every figure."""

from __future__ import annotations

import pytest
from ruamel.yaml import YAML

from starter.ablations import ABLATIONS, FIGURES, apply_changes, format_table, main
from starter.settings import PARAMS, Settings

PARAMETERS = YAML(typ="safe").load(PARAMS.read_text(encoding="utf-8"))


@pytest.mark.parametrize("name", [name for name, one in ABLATIONS.items() if one.stage != "joint"])
def test_an_ablation_is_valid_and_changes_only_its_keys(name):
    ablation = ABLATIONS[name]
    section = PARAMETERS[ablation.stage]
    other = apply_changes(section, ablation.changes)
    Settings.model_validate({**PARAMETERS, ablation.stage: other})
    assert {key for key in section if other[key] != section[key]} == set(ablation.changes)
    assert set(other) == set(section)


def test_every_stage_has_a_row_without_changes_for_comparison():
    assert {one.stage for one in ABLATIONS.values() if not one.changes} == set(FIGURES)


def test_an_unknown_ablation_is_refused_and_the_known_ones_are_listed(capsys):
    with pytest.raises(SystemExit) as ended:
        main(["no_vowels"])
    assert ended.value.code == 2
    message = capsys.readouterr().err
    assert "no_vowels" in message and "no_stretching" in message


def test_the_table_holds_every_figure_under_its_stage():
    rows = {
        name: {"stage": one.stage, "description": one.description, **dict.fromkeys(FIGURES[one.stage], i / 100)}
        for i, (name, one) in enumerate(ABLATIONS.items())
    }
    lines = format_table(rows).splitlines()
    for i, one in enumerate(ABLATIONS.values()):
        row = f"| {one.description} | " + " | ".join([f"{i / 100:.3f}"] * len(FIGURES[one.stage])) + " |"
        assert row in lines
