"""A real reader as a voice, from recordings with consent to a verdict."""

from __future__ import annotations

import json
import shutil

import pytest
from languages_project import run_voice_here, use_project
from project import make_project, vox

from stages.profiles import PROFILES

pytestmark = [pytest.mark.slow, pytest.mark.timeout(900)]


def test_ljspeech_reaches_a_verdict_and_its_recordings_score_better(shared, tmp_path, monkeypatch):
    source = tmp_path / "some clips"
    (source / "wavs").mkdir(parents=True)
    lines = (shared / "data/ljspeech/metadata.csv").read_text(encoding="utf-8").splitlines()[:12]
    (source / "metadata.csv").write_text("\n".join(lines) + "\n", encoding="utf-8")
    for line in lines:
        shutil.copy(shared / f"data/ljspeech/wavs/{line.split('|')[0]}.wav", source / "wavs")
    consent = tmp_path / "public-domain.txt"
    consent.write_text("LibriVox recordings are in the public domain.\n", encoding="utf-8")
    root = make_project(tmp_path / "project")

    terms = ("--consent", str(consent), "--purpose", "research")
    added = vox(root, "voice", "add", "lj", str(source), "--language", "en", *terms)
    assert added.returncode == 0, added.stderr
    use_project(monkeypatch, root, PROFILES["starter"].asr)
    outcome = run_voice_here("lj", monkeypatch)  # `vox run` itself has test_pipeline.py
    assert outcome.candidate.signed.verdict.outcome == "fail"  # untrained weights: measured, and failed
    metrics = json.loads((root / "data/6_scores/lj/metrics.json").read_text())
    real, synthetic = metrics["held_out"], metrics["synthesis"]
    assert real["wer"] < 0.6 < synthetic["wer"]
    assert real["similarity"] > 0.5 > synthetic["similarity"]
    assert vox(root, "gate", "tiny").returncode == 2  # a voice that was never run cannot be measured
