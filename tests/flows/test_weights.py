"""`vox import`, `vox export` and `vox pull` from the command line."""

from __future__ import annotations

import json
import os
import shutil
from collections.abc import Iterator
from io import StringIO
from pathlib import Path

import pytest
import torch
from file_server import FileServer, file_server
from imports import ROOT
from project import vox
from release_helpers import LINEAGE, TODAY, promote_first, recordings_of, scorecard, write_scores, write_voice_folder
from rich.console import Console
from synthesis_tiny import PRESET
from upstream_files import GPT_TINY, SOVITS_TINY, gpt_state, save, save_gpt, save_sovits, sovits_state

from flows.cli import vox as command
from flows.guard import run_guarded
from gpt_sovits.weights.checkpoint import save_checkpoint
from gpt_sovits.weights.parts import recognise
from gpt_sovits.weights.upstream.importing import read_weights

SETTINGS = (
    "MLFLOW_TRACKING_URI",
    "MLFLOW_REGISTRY_URI",
    "VOXFOUNDRY_DATABASE_URI",
    "VOXFOUNDRY_SIGNING_KEY",
    "VOXFOUNDRY_TRUSTED_KEYS",
    "VOXFOUNDRY_MIRROR",
)


@pytest.fixture
def root(tmp_path: Path) -> Path:
    """Return a project with its own base_models/: the package of the models is a copy, the others are links."""
    project = tmp_path / "project"
    project.mkdir()
    for name in ("params.yaml", "dvc.yaml"):
        shutil.copy(ROOT / name, project)
    for name in ("flows", "stages", "serving", "registry", "metrics"):
        (project / name).symlink_to(ROOT / name)
    shutil.copytree(ROOT / "gpt_sovits", project / "gpt_sovits", ignore=shutil.ignore_patterns("__pycache__"))
    return project


@pytest.fixture
def here(root: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Return the same project for commands that run in this process."""
    for module in ("places", "base", "upstream.importing", "network.pull"):
        monkeypatch.setattr(f"gpt_sovits.weights.{module}.BASES_FOLDER", root / "base_models")
    monkeypatch.delenv("VOXFOUNDRY_MIRROR", raising=False)
    return root


def run_here(root: Path, *arguments: str) -> int:
    """Run `vox` in this process, which has already loaded torch and MLflow, and return its exit code."""
    before = Path.cwd()
    os.chdir(root)
    try:
        return run_guarded(lambda: command.main(list(arguments), standalone_mode=False), debug=False)
    finally:
        os.chdir(before)


@pytest.fixture
def files(tmp_path: Path) -> tuple[str, str]:
    folder = tmp_path / "Heruntergeladen ä"
    folder.mkdir()
    return str(save_gpt(folder / "anna e15.ckpt")), str(save_sovits(folder / "anna_e8_s96.pth", "v2ProPlus"))


def test_imported_pair_is_described(root: Path, files: tuple[str, str]) -> None:
    done = vox(root, "import", *files, "--as", "anna")
    assert done.returncode == 0, done.stderr
    assert "a GPT and a SoVITS v2ProPlus" in done.stdout
    assert "no voice can be adapted from it" in done.stdout
    for part in ("gpt", "sovits"):
        manifest = json.loads((root / "base_models" / "anna" / part / "manifest.json").read_text())
        assert manifest["source"]["sha256"][:16] in done.stdout


def test_taken_name_is_refused_unless_replace_is_given(
    here: Path, files: tuple[str, str], capsys: pytest.CaptureFixture[str]
) -> None:
    assert run_here(here, "import", *files, "--as", "anna") == 0
    capsys.readouterr()
    assert run_here(here, "import", *files, "--as", "anna") == 1
    shown = capsys.readouterr()
    assert shown.out == "" and shown.err.startswith("refused: ") and "already exists" in shown.err
    assert run_here(here, "import", *files, "--as", "anna", "--replace") == 0


def test_file_with_code_is_refused_and_leaves_no_trace(
    here: Path, files: tuple[str, str], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    class Run:
        def __reduce__(self) -> object:
            return os.system, (f"touch {tmp_path / 'ran'}",)

    content = {"weight": {"enc_p.text_embedding.weight": torch.ones(1)}, "config": Run()}
    hostile = save(tmp_path / "free voice.pth", content)
    assert run_here(here, "import", files[0], str(hostile), "--as", "anna") == 1
    shown = capsys.readouterr().err
    assert "posix.system" in shown and shown.count("\n") == 1
    assert not (tmp_path / "ran").exists() and not (here / "base_models").exists()


@pytest.mark.parametrize("arguments", [("import",), ("import", "a.ckpt", "b.pth", "--as", "x"), ("export", "anna")])
def test_wrong_usage_exits_with_2(arguments: tuple[str, ...], root: Path) -> None:
    done = vox(root, *arguments)
    assert done.returncode == 2 and "Traceback" not in done.stderr and done.stderr


# ---- export ------------------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def released(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """Yield a project whose champion of the voice anna is a pair of tiny weights."""
    from registry.candidates.registration import register_candidate
    from registry.storage.store import open_store

    root = tmp_path_factory.mktemp("released")
    with pytest.MonkeyPatch.context() as patch:
        for name in SETTINGS:
            patch.delenv(name, raising=False)
        for name in ("params.yaml", "dvc.yaml"):
            shutil.copy(ROOT / name, root)
        store = open_store(root)
        voice = write_voice_folder(root / "build" / "voice")
        for kind, config, state in (
            ("gpt", GPT_TINY, gpt_state()),
            ("sovits", SOVITS_TINY["v2Pro"], sovits_state("v2Pro")),
        ):
            shutil.rmtree(voice / kind)
            save_checkpoint(voice / kind, kind, config.to_dict(), state)
        preset = PRESET.model_copy(update={"other_languages": ("zh",)})
        (voice / "preset.json").write_text(preset.model_dump_json(), encoding="utf-8")
        scores = write_scores(root / "build", scorecard())
        register_candidate(store, "anna", voice_folder=voice, scorecard_path=scores, lineage=LINEAGE)
        promote_first(store)
        yield root


@pytest.mark.parametrize("options", [(), ("--float32", "--inference-only", "--version", "1")])
def test_exported_champion_can_be_read_back(
    options: tuple[str, ...], released: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    out = tmp_path / "out"
    assert run_here(released, "export", "anna", str(out), "--other-sizes", *options) == 0
    assert sorted(path.name for path in out.iterdir()) == ["anna-v1.ckpt", "anna-v1.pth"]
    assert (out / "anna-v1.pth").read_bytes()[:2] == b"05"
    read = read_weights(out / "anna-v1.pth")
    assert read.info == "anna version 1"
    expected = {
        name: tensor if options else tensor.half().float()
        for name, tensor in sovits_state("v2Pro").items()
        if not options or "enc_q" not in name
    }
    part = recognise(read)
    assert part.version == "v2Pro" and part.state.keys() == expected.keys()
    assert all(torch.equal(part.state[name], tensor) for name, tensor in expected.items())
    assert recognise(read_weights(out / "anna-v1.ckpt")).config == GPT_TINY.to_dict()
    printed = capsys.readouterr().out
    assert ("float32" in printed) == bool(options)
    assert "scored in en, zh\n" in printed


def test_sizes_that_the_original_cannot_load_are_refused(
    released: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run_here(released, "export", "anna", str(tmp_path / "out")) == 1
    assert "could not load the files" in capsys.readouterr().err
    assert not (tmp_path / "out").exists()


def test_voice_without_champion_or_consent_is_not_exported(
    released: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    recordings_of(released, "berta")
    assert run_here(released, "export", "berta", str(tmp_path)) == 1
    assert "berta has no champion" in capsys.readouterr().err
    recordings_of(released, "carla", revoked_on=TODAY)
    assert run_here(released, "export", "carla", str(tmp_path), "--version", "1") == 1
    assert "revoked" in capsys.readouterr().err
    assert list(tmp_path.iterdir()) == []


# ---- pull --------------------------------------------------------------------------------------------------------


@pytest.fixture
def server() -> Iterator[FileServer]:
    with file_server() as running:
        base = "/speechbrain/spkrec-ecapa-voxceleb/resolve/main"
        running.files = {f"{base}/embedding_model.ckpt": bytes(1_000_000)}
        yield running


def test_pull_without_name_lists_base_models(here: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert run_here(here, "pull") == 0
    lines = {line.split()[0]: line for line in capsys.readouterr().out.splitlines()}
    assert "needs chinese-hubert-base, eres2netv2" in lines["v2ProPlus"] and "absent" in lines["whisper-large-v3"]


def test_pulled_model_is_pinned_and_progress_is_plain_lines(
    here: Path, server: FileServer, capsys: pytest.CaptureFixture[str]
) -> None:
    name = "spkrec-ecapa-voxceleb"
    assert run_here(here, "pull", name, "--mirror", server.url) == 0
    lines = capsys.readouterr().out.splitlines()
    assert "embedding_model.ckpt: 1.0 MB of 1.0 MB" in lines and len(lines) < 15
    assert (here / "base_models" / name / "embedding_model.ckpt").stat().st_size == 1_000_000
    pins = json.loads((here / "base_models.lock").read_text())["files"]
    assert pins[f"{name}/embedding_model.ckpt"]["n_bytes"] == 1_000_000
    assert run_here(here, "pull", name, "--mirror", server.url) == 0
    assert "already there" in capsys.readouterr().out and len(server.requests) == 1


def test_terminal_shows_a_progress_bar(here: Path, server: FileServer, monkeypatch: pytest.MonkeyPatch) -> None:
    screen = StringIO()
    terminal = Console(file=screen, force_terminal=True, width=100, highlight=False)
    monkeypatch.setattr("flows.commands.weights.console", terminal)
    assert run_here(here, "pull", "spkrec-ecapa-voxceleb", "--mirror", server.url) == 0
    assert "1.0/1.0 MB" in screen.getvalue() and "embedding_model.ckpt" in screen.getvalue()


def test_unreachable_model_is_refused_with_what_to_put_where(here: Path, capsys: pytest.CaptureFixture[str]) -> None:
    with file_server() as server:  # it has nothing and answers 404, at once
        assert run_here(here, "pull", "eres2netv2", "--mirror", server.url) == 1
        assert run_here(here, "pull", "nothing", "--mirror", server.url) == 1
    absent, unknown = capsys.readouterr().err.splitlines()
    assert str(here / "base_models/.incoming/eres2netv2/pretrained_eres2netv2w24s4ep4.ckpt") in absent
    assert "there are v2, v2Pro" in unknown
