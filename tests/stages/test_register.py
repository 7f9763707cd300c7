"""The stage register: what a version is tagged with."""

from __future__ import annotations

from pathlib import Path
from types import SimpleNamespace

import pytest
from imports import ROOT

from stages import register
from stages.evaluation.outputs import save_timings
from stages.evaluation.utterances import UtteranceTiming

TIMINGS = [UtteranceTiming("door-0", 2.0, 1.0)]


@pytest.fixture
def tags(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    """Return a function that registers the scores of a voice and gives the tags of the version."""
    monkeypatch.chdir(tmp_path)
    (tmp_path / "params.yaml").write_bytes((ROOT / "params.yaml").read_bytes())
    (tmp_path / "scores").mkdir()
    monkeypatch.setattr(register, "speak_once", lambda folder, text: None)
    monkeypatch.setattr(register, "lineage", lambda *_: SimpleNamespace(tags={"profile": "starter"}, files={}))
    monkeypatch.setattr(register, "open_store", lambda: None)
    names = ("candidate_id", "weights_sha256", "scores_sha256", "prompts_sha256")

    def register_scores(scorecard: str) -> dict[str, str]:
        seen = {}

        def keep(_store, _voice, *, lineage, **_files):
            seen.update(lineage)
            return SimpleNamespace(version=1, **dict.fromkeys(names, "0" * 64))

        monkeypatch.setattr(register, "register_candidate", keep)
        (tmp_path / "scores/scorecard.json").write_text(scorecard, encoding="utf-8")
        register.register("anna", tmp_path / "manifest", tmp_path / "scores", tmp_path)
        return seen

    return register_scores


def test_a_version_is_tagged_with_the_speed_of_its_own_evaluation_only(tags, tmp_path: Path) -> None:
    assert tags("scores of another machine") == {"profile": "starter"}
    save_timings("anna", TIMINGS, tmp_path / "scores/scorecard.json")
    assert tags("scores of another machine") == {"profile": "starter", "synthesis_rtf": "0.5000"}
    assert tags("scores from the cache of DVC") == {"profile": "starter"}


def test_timings_of_before_tag_nothing(tags, tmp_path: Path) -> None:
    (tmp_path / ".cache/timings").mkdir(parents=True)
    (tmp_path / ".cache/timings/anna.json").write_text('{"rtf": 0.5, "utterances": []}', encoding="utf-8")
    assert tags("scores") == {"profile": "starter"}
