"""`make starter`: what runs beside what, what is looked for first, and how a failing stage ends."""

from __future__ import annotations

import sys

import pytest
from imports import ROOT, import_closure
from ruamel.yaml import YAML

from starter import __main__ as recipe
from starter.settings import HOME, load_settings

SETTINGS = load_settings()
STAGES = YAML(typ="safe").load((HOME / "dvc.yaml").read_text(encoding="utf-8"))["stages"]


def of(stage):
    """The definition of a stage; of one voice's corpus, that of all."""
    name, _, item = stage.partition("@")
    found = STAGES[name].get("do", STAGES[name])
    return {**found, "outs": [_path(out).replace("${item}", item) for out in found["outs"]]}


def _path(out):
    return out if isinstance(out, str) else next(iter(out))


def test_every_stage_of_the_recipe_runs_once():
    in_lanes = [stage for phase in recipe.lanes(SETTINGS) for lane in phase for stage in lane]
    in_file = [
        f"{name}@{item}" if "foreach" in stage else name
        for name, stage in STAGES.items()
        for item in stage.get("foreach", [""])
    ]
    assert sorted(in_lanes) == sorted(in_file)


def test_no_stage_begins_before_what_it_reads_is_written():
    written: set[str] = set()
    for phase in recipe.lanes(SETTINGS):
        by_lane = [[path for stage in lane for path in of(stage)["outs"]] for lane in phase]
        for lane in phase:
            so_far = set(written)
            for stage in lane:
                for read in of(stage)["deps"]:
                    later = all_outputs() - so_far
                    assert not [path for path in later if path == read or path.startswith(f"{read}/")], (stage, read)
                so_far |= set(of(stage)["outs"])
        written |= {path for lane in by_lane for path in lane}


def all_outputs():
    return {path for phase in recipe.lanes(SETTINGS) for lane in phase for stage in lane for path in of(stage)["outs"]}


def test_everything_that_is_missing_is_named_at_once(monkeypatch, tmp_path, capsys):
    (tmp_path / "shared" / "data").mkdir(parents=True)
    monkeypatch.setenv("PATH", str(tmp_path))
    monkeypatch.setenv("VOXFOUNDRY_SHARED", str(tmp_path / "shared"))
    assert recipe.main() == 2
    said = capsys.readouterr().out
    for name in ("the program festival", "the program flite", *recipe.NEEDED_DATA, "starter/README.md"):
        assert name in said


def test_a_voice_that_festival_does_not_have_is_missing(monkeypatch):
    monkeypatch.setattr(recipe.shutil, "which", lambda program: f"/usr/bin/{program}")
    monkeypatch.setattr(recipe, "festival_voices", lambda: "(ked_diphone)")
    lines = recipe.missing(SETTINGS.corpus)
    assert [line for line in lines if "cmu_us_slt_arctic_hts" in line and "festvox-us-slt-hts" in line]
    assert not [line for line in lines if "ked_diphone" in line]


@pytest.fixture
def project(tmp_path, monkeypatch):
    """A recipe of two stages: one that fails and one that comes after it."""
    (tmp_path / "starter").mkdir()
    stages = {
        "corpus": {"wdir": "..", "cmd": "python -c \"print('no such voice'); exit(3)\"", "outs": ["starter/a"]},
        "speech": {"wdir": "..", "cmd": "touch starter/b", "outs": ["starter/b"]},
        "gpt": {"wdir": "..", "cmd": "touch starter/c", "deps": ["starter/a"], "outs": ["starter/c"]},
    }
    with (tmp_path / "starter" / "dvc.yaml").open("w") as file:
        YAML(typ="safe").dump({"stages": stages}, file)
    for command in (["git", "init", "-q"], [sys.executable, "-m", "dvc", "init", "-q"]):
        recipe.subprocess.run(command, cwd=tmp_path, check=True, capture_output=True)
    monkeypatch.setattr(recipe, "HOME", tmp_path / "starter")
    monkeypatch.setattr(recipe, "LOG", tmp_path / "starter" / "run.log")
    monkeypatch.setattr(recipe, "missing", lambda corpus: [])
    monkeypatch.setattr(recipe, "lanes", lambda settings: [[["corpus"], ["speech"]], [["gpt"]]])
    return tmp_path


def test_after_a_stage_that_fails_nothing_that_needs_it_runs_and_the_log_says_why(project, capsys):
    assert recipe.main() == 1
    log = (project / "starter" / "run.log").read_text()
    assert "no such voice" in log and "corpus: failed" in log and "speech: done" in log and "goes on from here" in log
    assert (project / "starter" / "b").exists() and not (project / "starter" / "c").exists()
    assert log in capsys.readouterr().out + "\n"


def test_what_is_up_to_date_is_not_made_again(project, capsys):
    recipe.main()
    made = (project / "starter" / "b").stat().st_mtime_ns
    capsys.readouterr()
    recipe.main()
    assert "speech: up to date" in capsys.readouterr().out
    assert (project / "starter" / "b").stat().st_mtime_ns == made


@pytest.mark.parametrize("stage", STAGES)
def test_a_stage_is_stale_when_a_module_of_the_recipe_that_it_imports_changes(stage):
    imported = {path.relative_to(ROOT).as_posix() for path in import_closure(HOME / f"{stage}.py")}
    of_recipe = {path for path in imported if path.startswith("starter/")}
    # the settings are named key by key under params
    assert of_recipe - {"starter/__init__.py", "starter/settings.py"} <= set(of(stage)["deps"])
