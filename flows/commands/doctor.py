"""`vox doctor`: what is present and what is missing, at a glance."""

from __future__ import annotations

import json
import os
import shutil
import sys
from dataclasses import asdict
from datetime import UTC, datetime
from importlib.metadata import PackageNotFoundError, version

from rich.text import Text

from flows.commands.doctor_servers import server_findings
from flows.commands.findings import Finding
from flows.console import print_table
from flows.paths import recordings_dir

PACKAGES = (
    "prefect",
    "dvc",
    "mlflow",
    "torch",
    "torchaudio",
    "librosa",
    "openai-whisper",
    "faster-whisper",
    "jiwer",
    "speechbrain",
    "pytest",
)
LOW_DISK_GB = 5  # one voice with checkpoints, features and caches
COLOURS = {"ok": "green", "absent": "yellow", "wrong": "bold red"}


def print_report(*, as_json: bool) -> int:
    """Print what is present and what is missing. Return 0 when nothing is wrong, else 1."""
    findings = [*_environment(), *_parameters(), *_judges(), *_base_models(), *_machine(), *server_findings()]
    if as_json:
        print(json.dumps([asdict(finding) for finding in findings], indent=2))
    else:
        print_table(
            [(Text(finding.state, COLOURS[finding.state]), finding.what, finding.detail) for finding in findings]
        )
    return int(any(finding.state == "wrong" for finding in findings))


def _environment() -> list[Finding]:
    python = ".".join(map(str, sys.version_info[:3]))
    is_supported = (3, 11) <= sys.version_info[:2] <= (3, 12)
    findings = [Finding("Python", "ok" if is_supported else "wrong", f"{python}; 3.11 and 3.12 are supported")]
    for name in PACKAGES:
        try:
            findings.append(Finding(name, "ok", version(name)))
        except PackageNotFoundError:
            findings.append(Finding(name, "wrong", "not installed; run `make .venv/installed`"))
    return findings


def _parameters() -> list[Finding]:
    from registry.gate.policy import parse_policy
    from stages.params import load_params

    try:
        params = load_params()
        parse_policy(params.gate)
    except ValueError as error:
        return [Finding("params.yaml", "wrong", " ".join(str(error).split()))]
    detail = f"profile {params.profile}, voices {', '.join(params.voices)}"
    return [Finding("params.yaml", "ok", detail), *(_voice(name, params.profile) for name in params.voices)]


def _voice(name: str, profile: str) -> Finding:
    from gpt_sovits.text.languages import language_name
    from registry.consent.checks import check_consent
    from stages.profiles import require_language

    try:
        voice = check_consent(recordings_dir(name), datetime.now(UTC).date())
        require_language(name, voice.language, profile)
    except ValueError as error:
        return Finding(f"voice {name}", "wrong", str(error))
    last_day = voice.consent.valid_until
    consent = f"consent until {last_day}" if last_day else "consent without end"
    return Finding(f"voice {name}", "ok", f"{language_name(voice.language)}, {voice.consent.kind}, {consent}")


def _judges() -> list[Finding]:
    from metrics.errors import JudgeUnavailableError
    from metrics.judges.asr import TRANSCRIBERS, load_transcriber
    from metrics.judges.faster_whisper import WEIGHTS_PACKAGES
    from metrics.judges.speaker import SPEAKER_JUDGES, load_speaker_judge
    from stages.params import load_params
    from stages.profiles import PROFILES, PULL_NAMES, judge_weights

    try:
        params = load_params()
        profile = PROFILES[params.profile]
        needed = {profile.asr, profile.speaker, params.evaluate.second_asr, params.evaluate.second_speaker}
    except ValueError:
        needed = set()
    findings = []
    for kind, names, load in (("ASR", TRANSCRIBERS, load_transcriber), ("speaker", SPEAKER_JUDGES, load_speaker_judge)):
        for name in names:
            try:
                judge = load(name, judge_weights(name), download=False)
                findings.append(Finding(f"{kind} judge {name}", "ok", judge.version))
            except JudgeUnavailableError as error:
                state = "wrong" if name in needed else "absent"
                packaged = name == "ge2e" or name.removeprefix("faster-whisper-") in WEIGHTS_PACKAGES
                detail = str(error) if packaged else f"fetch it with `vox pull {PULL_NAMES.get(name, name)}`"
                findings.append(Finding(f"{kind} judge {name}", state, detail))
    return findings


def _base_models() -> list[Finding]:
    from gpt_sovits.weights.network.model_table import load_table
    from gpt_sovits.weights.places import BASES_FOLDER
    from stages.params import load_params
    from stages.profiles import PROFILES

    try:
        needed = PROFILES[load_params().profile].base
    except ValueError:
        needed = ""
    findings = []
    imported = {path.name for path in BASES_FOLDER.glob("*") if (path / "gpt").is_dir()}
    pairs = {name for name, model in load_table().items() if model.kind == "pair"}
    for name in sorted(imported | pairs | ({needed} - {""})):
        if name in imported:
            findings.append(Finding(f"base model {name}", "ok", str(BASES_FOLDER / name)))
        else:
            state = "wrong" if name == needed else "absent"
            how = f"vox pull {name}" if name in pairs else f"git checkout {BASES_FOLDER.name}/{name}"
            findings.append(Finding(f"base model {name}", state, f"fetch it with `{how}`"))
    return findings


def _machine() -> list[Finding]:
    import torch

    gpu = torch.cuda.get_device_name() if torch.cuda.is_available() else ""
    free = shutil.disk_usage(".").free / 1e9
    disk = "ok" if free > LOW_DISK_GB else "wrong"
    return [
        Finding("GPU", "ok" if gpu else "absent", gpu or "none; the starter profile runs on the CPU"),
        Finding("CPU", "ok", f"{os.cpu_count()} cores"),
        Finding("disk", disk, f"{free:.0f} GB free; a voice takes up to {LOW_DISK_GB} GB"),
    ]
