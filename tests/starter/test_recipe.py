"""`make starter`: the order of the stages, the check for what is missing, and the end after a failed stage."""

from __future__ import annotations

import sys

import pytest
from imports import ROOT, import_closure
from ruamel.yaml import YAML

from starter import __main__ as recipe
from starter.settings import HOME, load_settings

SETTINGS = load_settings()
STAGES = YAML(typ="safe").load((HOME / "dvc.yaml").read_text(encoding="utf-8"))["stages"]


def definition(stage):
    """Return the definition of a stage. Of a voice's corpus it is that of all voices, with the voice's outputs."""
    name, _, item = stage.partition("@")
    template = STAGES[name].get("do", STAGES[name])
    return {**template, "outs": [_path(out).replace("${item}", item) for out in template["outs"]]}


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


def test_every_stage_starts_after_its_inputs_are_written():
    written: set[str] = set()
    for phase in recipe.lanes(SETTINGS):
        by_lane = [[path for stage in lane for path in definition(stage)["outs"]] for lane in phase]
        for lane in phase:
            so_far = set(written)
            for stage in lane:
                for read in definition(stage)["deps"]:
                    later = all_outputs() - so_far
                    assert not [path for path in later if path == read or path.startswith(f"{read}/")], (stage, read)
                so_far |= set(definition(stage)["outs"])
        written |= {path for lane in by_lane for path in lane}


def all_outputs():
    return {
        path
        for phase in recipe.lanes(SETTINGS)
        for lane in phase
        for stage in lane
        for path in definition(stage)["outs"]
    }


def test_all_missing_things_are_named_at_once(monkeypatch, tmp_path, capsys):
    (tmp_path / "shared" / "data").mkdir(parents=True)
    monkeypatch.setenv("PATH", str(tmp_path))
    monkeypatch.setenv("VOXFOUNDRY_SHARED", str(tmp_path / "shared"))
    assert recipe.main() == 2
    output = capsys.readouterr().out
    for name in ("the program flite", *recipe.NEEDED_DATA, "starter/README.md"):
        assert name in output


def test_missing_packages_are_named_with_the_command_that_installs_them(monkeypatch):
    monkeypatch.setattr(recipe, "find_spec", lambda name: None if name == "onnx" else object())
    (line,) = [line for line in recipe.find_missing() if "packages" in line]
    assert "onnx" in line and "kokoro" not in line and "-r starter/requirements.txt" in line


@pytest.fixture
def project(tmp_path, monkeypatch):
    """A project with a recipe: a stage that fails, an independent one, and one that needs the first."""
    (tmp_path / "starter").mkdir()
    stages = {
        "corpus": {"cmd": "python -c \"print('no such voice'); exit(3)\"", "outs": ["a"]},
        "speech": {"cmd": "cd .. && touch starter/b", "outs": ["b"]},
        "gpt": {"cmd": "touch c", "deps": ["a"], "outs": ["c"]},
    }
    with (tmp_path / "starter" / "dvc.yaml").open("w") as file:
        YAML(typ="safe").dump({"stages": stages}, file)
    dvc = [sys.executable, "-m", "dvc"]
    for folder, command in (
        (tmp_path, ["git", "init", "-q"]),
        (tmp_path, [*dvc, "init", "-q"]),
        (tmp_path / "starter", [*dvc, "init", "-q", "--subdir"]),
    ):
        recipe.subprocess.run(command, cwd=folder, check=True, capture_output=True)
    monkeypatch.setattr(recipe, "HOME", tmp_path / "starter")
    monkeypatch.setattr(recipe, "LOG", tmp_path / "starter" / "run.log")
    monkeypatch.setattr(recipe, "find_missing", list)
    monkeypatch.setattr(recipe, "lanes", lambda settings: [[["corpus"], ["speech"]], [["gpt"]]])
    return tmp_path


def test_a_failed_stage_stops_those_that_need_it_and_the_log_has_its_output(project, capsys):
    assert recipe.main() == 1
    log = (project / "starter" / "run.log").read_text()
    assert "no such voice" in log and "corpus: failed" in log and "speech: done" in log and "to resume" in log
    assert (project / "starter" / "b").exists() and not (project / "starter" / "c").exists()
    assert log in capsys.readouterr().out + "\n"


def test_an_up_to_date_stage_is_skipped(project, capsys):
    recipe.main()
    made = (project / "starter" / "b").stat().st_mtime_ns
    capsys.readouterr()
    recipe.main()
    assert "speech: up to date" in capsys.readouterr().out
    assert (project / "starter" / "b").stat().st_mtime_ns == made


@pytest.mark.parametrize("stage", STAGES)
def test_the_deps_of_a_stage_name_every_module_of_the_recipe_that_it_imports(stage):
    imported = {path.relative_to(ROOT).as_posix() for path in import_closure(HOME / f"{stage}.py")}
    modules = {path.removeprefix("starter/") for path in imported if path.startswith("starter/")}
    # settings.py is left out, because params names its keys
    assert modules - {"__init__.py", "settings.py"} <= set(definition(stage)["deps"])


@pytest.mark.skipif(not (HOME / "dvc.lock").exists(), reason="the stages ran one by one, without a lock, see README.md")
def test_every_file_that_the_lock_names_outside_the_outputs_exists():
    locked = YAML(typ="safe").load((HOME / "dvc.lock").read_text(encoding="utf-8"))["stages"]
    read = {dep["path"] for stage in locked.values() for dep in stage["deps"]}
    assert not [path for path in read if not path.startswith("work/") and not (HOME / path).exists()]
    assert {stage: entry["cmd"] for stage, entry in locked.items()} == {
        f"{name}@{item}" if item else name: definition(name)["cmd"].replace("${item}", item)
        for name, stage in STAGES.items()
        for item in stage.get("foreach", [""])
    }
