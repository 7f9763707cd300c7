"""dvc.yaml names every module, every parameter and every stage."""

from __future__ import annotations

import ast
import logging
import os
import re
import shutil
import subprocess
import sys
from contextlib import ExitStack, contextmanager
from pathlib import Path

import pytest
from imports import PRODUCT, ROOT
from ruamel.yaml import YAML
from write_deps import WEIGHTS, modules_of, weights_of

from flows.dvc_stages import STAGES
from stages.params import Params, load_params

DVC_YAML = YAML(typ="safe").load((ROOT / "dvc.yaml").read_text(encoding="utf-8"))["stages"]
SECTIONS = {(field.alias or name): field.annotation for name, field in Params.model_fields.items()}
# These choose what is built or decide on what was built. No output of a stage depends on them.
NOT_FOR_STAGES = {"voices", "consent", "releases", "serve", "gate", "settings_for"}
# A stage that compares each of these files with the sha256 in one of its deps.
KNOWN_BY_HASH = {"segment": ("data/1_recordings/${item.voice}",)}


def test_the_stages_are_those_of_the_pipeline_in_dag_order():
    assert tuple(DVC_YAML) == STAGES
    written = {}
    for stage in STAGES:
        for path in outputs_of(stage):
            written[path] = stage
    for stage in STAGES:
        before = [other for path, other in written.items() if any(d.startswith(path) for d in DVC_YAML[stage]["deps"])]
        assert all(STAGES.index(other) < STAGES.index(stage) for other in before)


@pytest.mark.parametrize("stage", STAGES)
def test_deps_name_exactly_the_imported_modules(stage):
    named = {d for d in DVC_YAML[stage]["deps"] if d.endswith(".py")}
    imported = modules_of(stage)
    assert not imported - named, f"add to deps of {stage}"
    assert not named - imported, f"remove from deps of {stage}"


@pytest.mark.parametrize("stage", STAGES)
def test_deps_name_the_weights_that_the_imported_modules_load(stage):
    assert not weights_of(stage) - set(DVC_YAML[stage]["deps"]), f"add to deps of {stage}: `make deps`"
    judged = "metrics/judges/speaker.py" in modules_of(stage)
    assert judged == (stage in ("align", "features", "evaluate")) == bool(weights_of(stage))


def test_weights_beside_modules_are_those_that_stages_depend_on():
    beside = {str(path.relative_to(ROOT)) for package in PRODUCT for path in (ROOT / package).rglob("*.safetensors")}
    assert beside == {file for files in WEIGHTS.values() for file in files if file.endswith(".safetensors")}


@pytest.mark.parametrize("stage", STAGES)
def test_every_path_of_the_command_is_a_dep_or_an_output(stage):
    words = DVC_YAML[stage]["cmd"].split()
    known = [*DVC_YAML[stage]["deps"], *outputs_of(stage), *KNOWN_BY_HASH.get(stage, ())]
    for path in (word for word in words if word.startswith("data/")):
        assert any(k == path or k.startswith(f"{path}/") for k in known), path


def test_every_section_and_key_is_named_in_dvc_yaml():
    named = {key for stage in DVC_YAML.values() for key in stage["params"]}
    raw = YAML(typ="safe").load((ROOT / "params.yaml").read_text(encoding="utf-8"))
    for section in raw.keys() - NOT_FOR_STAGES:
        assert section in named, f"no stage has {section} of params.yaml under params"
    assert {name.split(".")[0] for name in named} <= raw.keys()


@pytest.mark.parametrize(
    "section", [s for s in SECTIONS if s not in NOT_FOR_STAGES and hasattr(SECTIONS[s], "model_fields")]
)
def test_every_key_of_a_section_is_read_by_a_stage_that_names_it(section):
    stages = [stage for stage in STAGES if any(key.split(".")[0] == section for key in DVC_YAML[stage]["params"])]
    read, whole = set(), False
    for stage in stages:
        for module in modules_of(stage) - {"stages/params.py"}:
            tree = ast.parse((ROOT / module).read_text(encoding="utf-8"))
            read |= {node.attr for node in ast.walk(tree) if isinstance(node, ast.Attribute)}
            # a section passed on as a whole goes into an options class that refuses unknown names
            whole |= f"params.{section}.model_dump()" in (ROOT / module).read_text(encoding="utf-8")
    unread = set() if whole else set(SECTIONS[section].model_fields) - read
    assert not unread, f"no stage reads these keys of {section}"


def test_every_key_of_the_gate_is_read_by_the_registry():
    from registry.gate.policy import GatePolicy

    code = "".join(path.read_text(encoding="utf-8") for path in (ROOT / "registry").rglob("*.py"))
    for key in GatePolicy.model_fields:
        assert f".{key}" in code, key


def test_params_yaml_is_valid_as_committed():
    from registry.gate.policy import GatePolicy

    GatePolicy.model_validate(load_params(ROOT / "params.yaml").gate)


def outputs_of(stage: str) -> list[str]:
    entries = [e for kind in ("outs", "metrics", "plots") for e in DVC_YAML[stage].get(kind, [])]
    return [e if isinstance(e, str) else next(iter(e)) for e in entries]


@pytest.fixture(scope="module")
def committed_project(tmp_path_factory):
    """A copy of the repository in which DVC considers every stage up to date. Its outputs are dummy files."""
    from dvc.repo import Repo

    root = tmp_path_factory.mktemp("project")
    for name in (*PRODUCT, "benchmarks", "data", "dvc.yaml", "params.yaml", "requirements.lock", ".dvcignore"):
        source = ROOT / name
        if name == "data":
            (root / "data/1_recordings").mkdir(parents=True)
            shutil.copytree(source / "1_recordings/sample", root / "data/1_recordings/sample")
        elif source.is_dir():
            shutil.copytree(source, root / name, ignore=shutil.ignore_patterns("__pycache__"))
        else:
            shutil.copy(source, root / name)
    (root / "base_models/starter").mkdir(parents=True)
    (root / "base_models/starter/config.json").write_text("{}")
    subprocess.run(["git", "init", "-q", str(root)], check=True)
    logging.getLogger("dvc").handlers.clear()  # they write to the captured output of the test that imported dvc first
    repo = Repo.init(str(root))
    for stage in STAGES:
        for path in outputs_of(stage):
            place = root / path.replace("${item.voice}", "sample")
            place.parent.mkdir(parents=True, exist_ok=True)
            if not place.exists():
                place.write_text(stage)
        # files that a later stage reads inside an output folder
        for path in DVC_YAML[stage]["deps"]:
            place = root / path.replace("${item.voice}", "sample").replace("${profile}", "starter").replace(
                "${evaluate.prompts}", "benchmarks/prompts"
            )
            assert place.exists(), f"{stage} depends on {path}, which no stage before it writes"
    before = Path.cwd()
    os.chdir(root)  # dvc reads dvc.yaml relative to the working folder
    repo.commit(force=True)
    assert not repo.status()
    yield root, repo
    os.chdir(before)


@pytest.mark.slow
def test_touching_a_module_makes_the_stages_that_import_it_stale(committed_project):
    root, repo = committed_project
    deps = [(stage.name.split("@")[0], dep) for stage in repo.index.stages for dep in stage.deps]
    importers = {}
    for module in sorted(set().union(*(modules_of(stage) for stage in STAGES))):
        importers.setdefault(frozenset(stage for stage in STAGES if module in modules_of(stage)), []).append(module)
    for expected, modules in importers.items():
        for module in modules:
            with touched(root / module):
                # one dependency at a time, which is ten times faster than the whole status
                assert {stage for stage, dep in deps if dep.def_path == module and dep.status()} == expected, module
        with ExitStack() as stack:
            for module in modules:
                stack.enter_context(touched(root / module))
            assert {name.split("@")[0] for name in repo.status()} == expected, modules


@contextmanager
def touched(path):
    """Append a line to the module inside the context."""
    original = path.read_text(encoding="utf-8")
    path.write_text(original + "\n# touched\n", encoding="utf-8")
    yield
    path.write_text(original, encoding="utf-8")


def test_changing_a_segment_parameter_makes_only_segment_stale(committed_project):
    root, repo = committed_project
    params = root / "params.yaml"
    original = params.read_text(encoding="utf-8")
    params.write_text(original.replace("max_clip_seconds: 12.0", "max_clip_seconds: 9.0"), encoding="utf-8")
    stale = set(repo.status())
    params.write_text(original, encoding="utf-8")
    assert stale == {"segment@sample"}


def test_a_correction_makes_only_ingest_stale(committed_project):
    root, repo = committed_project
    corrections = root / "data/1_recordings/sample/corrections.jsonl"
    corrections.write_text("what vox review writes", encoding="utf-8")
    stale = set(repo.status())
    corrections.unlink()
    assert stale == {"ingest@sample"}


def test_custom_prompts_make_only_what_reads_prompts_stale(committed_project):
    root, repo = committed_project
    own = root / "benchmarks/prompts/custom/orders.yaml"
    own.write_text("prompts of a user", encoding="utf-8")
    stale = set(repo.status())
    own.unlink()
    assert stale == {"data_card@sample", "evaluate@sample"}


@pytest.fixture
def fresh_project(tmp_path):
    """A repository with both DVC projects, as after `git clone`."""
    for name in (*PRODUCT, "benchmarks", ".dvc", "starter", "base_models/starter", "data/1_recordings/sample"):
        ignored = shutil.ignore_patterns("__pycache__", "work", "tmp", "cache", "config.local")
        shutil.copytree(ROOT / name, tmp_path / name, ignore=ignored)
    for name in ("dvc.yaml", "params.yaml", "requirements.lock", ".dvcignore"):
        shutil.copy(ROOT / name, tmp_path)
    subprocess.run(["git", "init", "-q", str(tmp_path)], check=True)
    return tmp_path


def test_dvc_in_a_fresh_project_says_nothing_about_the_recipe_of_the_starter_base(fresh_project):
    def dvc(command: str, folder: Path) -> str:
        program = [sys.executable, "-m", "dvc", *command.split()]
        return subprocess.run(program, cwd=folder, capture_output=True, text=True).stdout

    commands = ("status", "repro -P --dry --keep-going", "metrics show", "params diff")
    said = {command: dvc(command, fresh_project) for command in commands}
    assert "segment@sample" in said["status"] and "ingest@sample" in said["repro -P --dry --keep-going"]
    for command, text in said.items():
        assert not re.search(r"content_encoder:|starter\.\w+|starter/(work|dvc|params)", text), command
    assert "content_encoder:" in dvc("status", fresh_project / "starter")
