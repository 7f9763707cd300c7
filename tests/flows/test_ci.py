"""The examples for CI work: the workflow's own lines are run, and every command of the docs is parsed."""

from __future__ import annotations

import os
import re
import shlex
import shutil
import subprocess
import sys
import xml.etree.ElementTree as ElementTree

import pytest
from imports import ROOT
from project import VOICE, environment, run
from ruamel.yaml import YAML

from flows.cli import vox as vox_group

WORKFLOW = ROOT / ".github/workflows/model-gate.yml"
PAGES = ("docs/ci.md", "README.md", "CONTRIBUTING.md", ".github/workflows/model-gate.yml")
JOB = YAML(typ="safe").load(WORKFLOW.read_text(encoding="utf-8"))["jobs"]["gate"]
STEPS = JOB["steps"]
# Replaces `vox`, which would take minutes. Its exit codes are $CODE_RUN and $CODE_GATE
STAND_IN = """#!/bin/sh
echo "vox $*" >> calls
case "$1 $*" in
  run*--json*) echo '{"version": 7}' ; exit $CODE_RUN ;;
  run*) exit $CODE_RUN ;;
  gate*) mkdir -p gate; echo "answer $CODE_GATE" | tee gate/verdict.json gate/verdict.md gate/verdict.xml
         exit $CODE_GATE ;;
esac
"""


def expressions(text, values):
    """Replace GitHub's `${{ ... }}` in a text. An expression that the test does not know is an error."""
    return re.sub(r"\$\{\{ *(.+?) *\}\}", lambda found: values[found[1]], str(text))


def run_job(root, voice=VOICE, first_release="", secrets=(), **more):
    """Run the steps' own lines with GitHub's order, shell and files.

    Returns:
        The exit codes by step, the output and the summary.
    """
    values = {f"secrets.{name}": "" for name in re.findall(r"secrets\.(\w+)", WORKFLOW.read_text(encoding="utf-8"))}
    values |= {"inputs.voice || 'sample'": voice}
    values |= {"inputs.first_release && '--first-release' || ''": first_release}
    values |= {"github.run_id": "1", "github.run_attempt": "1"} | {f"secrets.{k}": v for k, v in dict(secrets).items()}
    values |= {f"steps.{name}.outputs.{out}": "" for name, out in (("reproduce", "version"), ("gate", "code"))}
    temporary = root / ".runner"
    temporary.mkdir()
    files = {name: temporary / name for name in ("GITHUB_ENV", "GITHUB_OUTPUT", "GITHUB_STEP_SUMMARY")}
    kept = {**environment(), "RUNNER_TEMP": str(temporary), **more}
    codes, printed, failed = {}, "", False
    for step in STEPS:
        if "run" not in step or (failed and step.get("if") != "always()"):
            continue
        for file in files.values():
            file.touch()
        files["GITHUB_OUTPUT"].write_text("")
        settings = {**JOB["env"], **step.get("env", {})}
        own = {name: expressions(value, values) for name, value in settings.items()}
        assert "${{" not in step["run"], f"{step['name']}: an expression in a script lets its value be run"
        script = temporary / "step.sh"
        script.write_text(step["run"])
        done = subprocess.run(
            ["bash", "--noprofile", "--norc", "-eo", "pipefail", str(script)],
            cwd=root,
            env={**kept, **own, **{name: str(path) for name, path in files.items()}},
            capture_output=True,
            text=True,
            timeout=600,
        )
        codes[step["name"]] = done.returncode
        printed += done.stdout + done.stderr
        failed |= done.returncode != 0
        kept |= dict(line.split("=", 1) for line in files["GITHUB_ENV"].read_text().splitlines())
        for line in files["GITHUB_OUTPUT"].read_text().splitlines():
            name, value = line.split("=", 1)
            values[f"steps.{step['id']}.outputs.{name}"] = value
    return codes, printed, files["GITHUB_STEP_SUMMARY"].read_text()


def give_environment(root, vox=None):
    """Make the programs that `make .venv/installed` would install, which run those of this environment."""
    (root / ".venv/bin").mkdir(parents=True)
    for name in ("Makefile", "pyproject.toml", "requirements.lock"):
        shutil.copy(ROOT / name, root / name)
    programs = {"vox": "-m flows.cli", "dvc": "-m dvc", "python": ""}
    for name, what in programs.items():
        (root / f".venv/bin/{name}").write_text(f'#!/bin/sh\nexec "{sys.executable}" {what} "$@"\n')
    if vox is not None:
        (root / ".venv/bin/vox").write_text(vox)
    for path in (root / ".venv/bin").iterdir():
        path.chmod(0o755)
    for stamp in ("uv", "installed"):
        (root / ".venv" / stamp).touch()


@pytest.fixture
def with_stand_in(tmp_path):
    give_environment(tmp_path, vox=STAND_IN)
    (tmp_path / ".venv/bin/dvc").write_text("#!/bin/sh\n")  # no remote
    return tmp_path


@pytest.mark.parametrize(("code", "word"), [(0, "notice"), (1, "error"), (3, "warning"), (2, "error")])
def test_job_ends_with_the_gates_exit_code_and_an_annotation(with_stand_in, code, word):
    codes, printed, summary = run_job(with_stand_in, CODE_RUN=str(code if code != 2 else 0), CODE_GATE=str(code))
    assert codes.pop("Report the verdict") == code
    assert set(codes.values()) == {0}
    assert f"::{word} title=Gate" in printed
    assert ("inconclusive" in printed) == (code == 3)
    assert summary == f"answer {code}\n"


def test_job_gates_the_version_of_its_own_run_and_passes_the_flag_on(with_stand_in):
    run_job(with_stand_in, "anna", "--first-release", CODE_RUN="3", CODE_GATE="3")
    calls = (with_stand_in / "calls").read_text().splitlines()
    assert calls[0] == "vox run anna --no-prefect --first-release"
    assert calls[-1].startswith("vox gate anna --candidate 7 --first-release --json gate/verdict.json")


@pytest.mark.parametrize("code", [2, 130, 137])
def test_run_without_a_verdict_is_not_gated(with_stand_in, code):
    codes, printed, summary = run_job(with_stand_in, CODE_RUN=str(code), CODE_GATE="0")
    assert (codes["Run the pipeline"], codes["Report the verdict"]) == (code, 2)
    assert "Gate the candidate" not in codes and "could not be measured" in summary and "::error" in printed
    assert "gate" not in (with_stand_in / "calls").read_text()


def test_signing_key_reaches_a_private_file_and_no_output(with_stand_in):
    _, printed, summary = run_job(
        with_stand_in, secrets={"VOXFOUNDRY_SIGNING_KEY": "secret line 1\nsecret line 2"}, CODE_RUN="0", CODE_GATE="0"
    )
    path = with_stand_in / ".runner/signing.pem"
    assert path.read_text() == "secret line 1\nsecret line 2\n"
    assert path.stat().st_mode & 0o777 == 0o600
    assert f"VOXFOUNDRY_SIGNING_KEY={path}" in (with_stand_in / ".runner/GITHUB_ENV").read_text()
    assert "secret line" not in printed + summary


def test_dvc_remote_is_pulled_if_configured(with_stand_in):
    dvc = with_stand_in / ".venv/bin/dvc"
    dvc.write_text('#!/bin/sh\necho "dvc $*" >> calls\n[ "$1" = remote ] && echo "store s3://bucket"\nexit 0\n')
    run_job(with_stand_in, CODE_RUN="0", CODE_GATE="0")
    assert "dvc pull --run-cache --allow-missing" in (with_stand_in / "calls").read_text()
    run([sys.executable, "-m", "dvc", "pull", "--run-cache", "--allow-missing", "--help"], ROOT)  # options that exist


@pytest.mark.slow
@pytest.mark.timeout(900)
def test_job_gates_a_real_project_and_restores_outputs_from_a_remote(finished, tmp_path):
    """Untrained weights do not speak, so the answer is known: fail."""
    root = tmp_path / "project"
    shutil.copytree(finished, root, symlinks=True)
    give_environment(root)
    run([sys.executable, "-m", "dvc", "remote", "add", "--default", "store", str(tmp_path / "remote")], root)
    run([sys.executable, "-m", "dvc", "push", "--run-cache"], root)
    shutil.rmtree(root / ".dvc/cache")
    shutil.rmtree(root / f"data/6_scores/{VOICE}")
    codes, printed, summary = run_job(root, first_release="--first-release")
    assert codes.pop("Report the verdict") == 1, printed[-3000:]
    assert set(codes.values()) == {0}, printed[-3000:]
    assert "all 9 stages are up to date" in printed
    assert f"{VOICE} version 1: fail" in summary and "threshold missed: word error rate" in summary
    assert int(ElementTree.parse(root / "gate/verdict.xml").getroot().get("failures")) >= 1
    assert (root / f"data/6_scores/{VOICE}/report.html").is_file()


@pytest.mark.slow
def test_job_that_cannot_measure_ends_with_2(finished, tmp_path):
    root = tmp_path / "project"
    shutil.copytree(finished, root, symlinks=True)
    give_environment(root)
    (root / f"data/1_recordings/{VOICE}/voice.yaml").unlink()
    codes, printed, summary = run_job(root)
    assert (codes["Run the pipeline"], codes["Report the verdict"]) == (2, 2), printed[-3000:]
    assert "could not be measured" in summary


def test_actions_are_pinned_and_artifacts_hold_no_key():
    used = [step["uses"] for step in STEPS if "uses" in step]
    assert used and all(re.fullmatch(r"[\w/-]+@v\d+\.\d+\.\d+", name) for name in used)
    kept = [line for step in STEPS for line in str(step.get("with", {}).get("path", "")).split()]
    assert kept and not any(line.startswith((".vox", ".runner", ".")) and line != ".dvc/cache" for line in kept)
    assert YAML(typ="safe").load(WORKFLOW.read_text(encoding="utf-8"))["permissions"] == {"contents": "read"}


def commands_of(text):
    """Yield every `vox ...` of a page as a list of words, from code blocks and from backticks in prose."""
    text = re.sub(r"\\\n\s*", "", text)
    for found in re.finditer(r"(?<![\w./-])(?:\.venv/bin/|\$\(BIN\)/)?vox ([^`\n]*)", text):
        before = text[: found.start()].rsplit("\n", 1)[-1]
        if not re.search(r"`$|^ {4}|^\s*(- |sh ')?$|'$|\$\($", before):
            continue  # prose that speaks of vox
        line = re.split(r"\|\||[|>;)]|'$|' ?\)| &&", re.sub(r'"\$\(.*?\)"', "1", found[1]))[0]
        yield shlex.split(
            line.replace("$FIRST_RELEASE", "--first-release").replace("[", "").replace("]", ""), comments=True
        )


def parse(words):
    """Walk down the groups of the command line and let the last command's parser read the options."""
    command, words = vox_group, list(words)
    while hasattr(command, "commands") and words and not words[0].startswith("-"):
        name = words.pop(0)
        assert name in command.commands, f"vox has no {name}"
        command = command.commands[name]
    context = command.make_context(command.name, [], resilient_parsing=True)
    _, left, _ = command.make_parser(context).parse_args(words)
    assert not left, f"{left} is too much"


@pytest.mark.parametrize("page", PAGES)
def test_every_vox_command_in_the_docs_exists_with_its_options(page):
    found = list(commands_of((ROOT / page).read_text(encoding="utf-8")))
    assert found, "the page names commands"
    for words in found:
        try:
            parse(words)
        except Exception as error:
            raise AssertionError(f"{page}: vox {shlex.join(words)}: {error}") from error


def test_removed_commands_and_options_are_found():
    for wrong in ("`vox gate sample --nonsense`", "    vox nonsense sample\n", "x\n    vox run a b\n"):
        (words,) = commands_of(wrong)
        with pytest.raises(Exception, match=r"nonsense|too much"):
            parse(words)


def test_docs_give_the_exit_codes_of_the_code():
    from registry.verdicts.verdict import EXIT_CANNOT_MEASURE, EXIT_CODES

    text = (ROOT / "docs/ci.md").read_text(encoding="utf-8")
    table = dict(re.findall(r"^\| (\d) \| ([\w ]+?):", text, flags=re.MULTILINE))
    assert table == {str(code): name for name, code in EXIT_CODES.items()} | {
        str(EXIT_CANNOT_MEASURE): "could not be measured"
    }


def test_shell_script_in_the_docs_ends_with_the_gates_exit_code(with_stand_in):
    (script,) = re.findall(r"```sh\n(.*?)```", (ROOT / "docs/ci.md").read_text(encoding="utf-8"), flags=re.DOTALL)
    for of_run, of_gate, wanted in ((0, 0, 0), (1, 1, 1), (3, 3, 3), (0, 2, 2), (2, 0, 2), (130, 0, 2)):
        codes = {"CODE_RUN": str(of_run), "CODE_GATE": str(of_gate)}
        done = subprocess.run(["sh", "-c", script], cwd=with_stand_in, env={**os.environ, **codes}, capture_output=True)
        assert done.returncode == wanted, done.stderr


def test_gitlab_job_in_the_docs_ends_with_the_gates_exit_code(with_stand_in):
    (text,) = re.findall(r"```yaml\n(.*?)```", (ROOT / "docs/ci.md").read_text(encoding="utf-8"), flags=re.DOTALL)
    job = YAML(typ="safe").load(text)["model-gate"]
    assert job["allow_failure"] == {"exit_codes": [3]}
    script = "\n".join(job["script"])
    for of_run, of_gate, wanted in ((0, 0, 0), (1, 1, 1), (3, 3, 3), (0, 2, 2), (2, 0, 2)):
        codes = {"CODE_RUN": str(of_run), "CODE_GATE": str(of_gate), "VOXFOUNDRY_SIGNING_KEY": ""}
        done = subprocess.run(
            ["bash", "-eo", "pipefail", "-c", script],
            cwd=with_stand_in,
            env={**os.environ, **codes},
            capture_output=True,
        )
        assert done.returncode == wanted, done.stderr
