"""Whole runs of a small voice: the outcome, a second run, a changed parameter, and kill -9 at random moments."""

from __future__ import annotations

import json
import os
import random
import sys
import time

import pytest
from pipeline_helpers import kill_in, outputs, states
from project import VOICE, make_project, run, vox

from flows.dvc_stages import STAGES
from metrics.scores import load_scorecard
from registry.files import file_sha256

pytestmark = [pytest.mark.slow, pytest.mark.timeout(900)]
KILLED_STAGES = ("segment", "adapt_sovits", "adapt_gpt", "evaluate", "register")
KILLS_PER_STAGE = int(os.environ.get("KILLS_PER_STAGE", "1"))  # every run has moments of its own


def test_run_ends_with_verdict_reasons_and_report(undisturbed):
    root, printed = undisturbed
    assert states(printed) == dict.fromkeys(STAGES, "done")
    assert all(f"{stage}: started (for the first time)" in printed for stage in STAGES)
    assert "verdict: fail" in printed
    assert "threshold missed: word error rate" in printed
    assert (root / f"data/6_scores/{VOICE}/report.html").stat().st_size > 10_000
    card = load_scorecard(root / f"data/6_scores/{VOICE}/scorecard.json")
    (resynthesis,), (real,) = (
        card.resynthesis,
        [row for row in card.held_out if row.audio],
    )  # evaluate.n_resynthesized is 1
    assert (resynthesis.prompt_id, resynthesis.reference, resynthesis.category) == (
        real.prompt_id,
        real.reference,
        "resynthesis",
    )
    for row in (resynthesis, real):
        assert file_sha256(root / f"data/6_scores/{VOICE}" / row.audio) == row.audio_sha256
    assert sum(value**2 for value in card.voice_embedding) == pytest.approx(1, abs=1e-4)
    (report,) = (root / ".vox/reports").glob(f"{VOICE}-1-*.html")
    assert f"report:  {report}" in printed
    assert f"Version 1 of the voice “{VOICE}” must not be released" in report.read_text(encoding="utf-8")
    metrics = json.loads((root / f"data/6_scores/{VOICE}/metrics.json").read_text())
    assert metrics["synthesis"]["wer"] > metrics["held_out"]["wer"]


def test_second_run_has_nothing_to_do_and_repeats_the_verdict(finished):
    begin = time.perf_counter()
    done = vox(finished, "run", VOICE, "--no-prefect", "--first-release")
    seconds = time.perf_counter() - begin
    assert done.returncode == 1
    assert "unchanged since an earlier run" in done.stdout
    assert states(done.stdout) == {}
    assert seconds < 15, seconds  # 6 s on an idle machine, see README


def test_json_run_prints_nothing_else_on_stdout(finished):
    root = finished
    done = vox(root, "run", VOICE, "--no-prefect", "--first-release", "--json")
    verdict = json.loads(done.stdout)
    assert verdict["outcome"] == "fail"
    assert set(verdict["stages"]) == set(STAGES)


def test_dvc_works_by_hand(finished):
    root = finished
    shown = run([sys.executable, "-m", "dvc", "metrics", "show", "--json"], root).stdout
    assert "synthesis" in shown
    run([sys.executable, "-m", "dvc", "plots", "show"], root)
    assert (root / "dvc_plots/index.html").is_file()
    done = run([sys.executable, "-m", "dvc", "repro"], root)
    assert "Data and pipelines are up to date" in done.stdout


def test_changed_parameter_reruns_its_stage_and_none_before(finished):
    root = finished
    before = outputs(root)
    params = (root / "params.yaml").read_text(encoding="utf-8")
    experiment = ["exp", "run", "-S", "segment.padding_seconds=0.05", f"segment@{VOICE}"]
    done = run([sys.executable, "-m", "dvc", *experiment], root)
    assert "segment" in done.stdout
    after = outputs(root)
    changed = {name for name, _ in before if any(before[k] != after[k] for k in before if k[0] == name)}
    assert changed == {f"segment@{VOICE}"}
    (root / "params.yaml").write_text(params, encoding="utf-8")
    done = vox(root, "run", VOICE, "--no-prefect", "--first-release")
    assert "ingest" not in states(done.stdout)
    assert states(done.stdout)["segment"] == "restored from cache"
    assert outputs(root) == before


def test_kill_9_at_random_moments_ends_like_an_undisturbed_run(undisturbed, tmp_path):
    root = make_project(tmp_path / "killed")
    seed = int(os.environ.get("KILL_SEED", random.SystemRandom().randrange(10_000)))
    moments = random.Random(seed)
    print(f"KILL_SEED={seed}")
    for stage in KILLED_STAGES:
        for _ in range(KILLS_PER_STAGE):
            kill_in(root, stage, moments.uniform(0.0, 6.0))
    done = vox(root, "run", VOICE, "--no-prefect", "--first-release")
    assert done.returncode == 1, done.stderr + done.stdout[-3000:]
    assert outputs(root) == outputs(undisturbed[0]), f"KILL_SEED={seed}"
    assert not list((root / "data").rglob("*.partial"))
    code = "from registry.storage.store import open_store, mlflow_client as c; "
    code += "print(len(c(open_store()).search_model_versions()))"
    assert run([sys.executable, "-c", code], root).stdout.strip() == "1"
