"""The stage data_card on tables of every state."""

from __future__ import annotations

import json
import shutil

import pytest
from card_helpers import VoiceOnDisk, aligned, cut, disagreement, recording, sample_texts
from imports import ROOT

from gpt_sovits.audio import load_audio
from stages.data_card import data_card
from stages.params import load_params
from stages.tables import Reject

PARAMS = load_params(ROOT / "params.yaml")
FILES = ("card.html", "card.md", "clips.csv", "figures.json", "metrics.json", "sounds.csv")


@pytest.fixture(autouse=True)
def _in_the_project(monkeypatch):
    monkeypatch.chdir(ROOT)  # the prompts and the curves are named relative to it


def voice(root, n=6) -> VoiceOnDisk:
    """Return a voice of n clips with sound, one of them refused and one doubted."""
    sounds, rows = sample_texts(n), []
    (root / "clips/audio").mkdir(parents=True)
    for i, (path, text) in enumerate(sounds):
        shutil.copyfile(path, root / f"clips/audio/{i:012x}-0000.flac")
        seconds = len(load_audio(path)[0]) / 16000
        rows.append(aligned(i, text, seconds, reason="the ASR heard no word" if i == 1 else ""))
    return VoiceOnDisk(
        root,
        recordings=[recording(i) for i in range(n)],
        ingest_rejects=[
            Reject(path="noise.wav", reason="level -70 dBFS is below ingest.min_level_dbfs = -60", seconds=9.0)
        ],
        clips=[cut(i, seconds=row.seconds) for i, row in enumerate(rows)],
        segment_rejects=[Reject(path="wavs/r000.flac", reason="8.00-8.50 s: too short for a clip", seconds=0.5)],
        aligned=rows,
        disagreements=[disagreement(2, "tea", "sea")],
    )


def run(on_disk: VoiceOnDisk, out) -> dict:
    out.mkdir()
    data_card("anna", on_disk.write(), out, PARAMS)
    return json.loads((out / "figures.json").read_text(encoding="utf-8"))


def test_everything_is_written_and_equal_tables_give_equal_bytes(tmp_path):
    on_disk = voice(tmp_path / "voice")
    outs = [tmp_path / "one", tmp_path / "two"]
    figures, _ = [run(on_disk, out) for out in outs]
    assert sorted(path.name for path in outs[0].iterdir()) == sorted(FILES)
    assert all((outs[0] / name).read_bytes() == (outs[1] / name).read_bytes() for name in FILES)
    metrics = json.loads((outs[0] / "metrics.json").read_text(encoding="utf-8"))
    assert metrics == figures["figures"] and metrics["n_kept_clips"] == 5 and metrics["n_doubted_clips"] == 1
    parts = {part["reason"]: part["n"] for part in figures["parts"] if part["fate"] == "refused"}
    assert parts == {
        "the ASR heard no word": 1,
        "too short for a clip": 1,
        "level … dBFS is below ingest.min_level_dbfs = -60": 1,
    }
    page = (outs[0] / "card.html").read_text(encoding="utf-8")
    assert page.count("data-sound=") == 6 and str(tmp_path) not in page


@pytest.mark.parametrize(
    ("changes", "note"),
    [
        ({"clips": None, "aligned": None}, "The recordings have not been cut into clips"),
        ({"aligned": None}, "The clips have no texts"),
        ({"aligned": [aligned(9)]}, "The texts are of earlier clips"),
        ({"clips": [cut(9)]}, "The clips are of earlier recordings"),
    ],
)
def test_a_card_of_some_tables_says_what_is_missing(tmp_path, changes, note):
    on_disk = voice(tmp_path / "voice")
    for name, table in changes.items():
        setattr(on_disk, name, table)
    figures = run(on_disk, tmp_path / "out")
    assert figures["notes"][0].startswith(note)
    assert figures["figures"]["recorded_minutes"] > 0 and not figures["sounds"]
    assert any(part["fate"] == "waiting" for part in figures["parts"])
    assert note in (tmp_path / "out/card.html").read_text(encoding="utf-8")
    assert (tmp_path / "out/clips.csv").read_text(encoding="utf-8").startswith("clip_id,")


def test_a_voice_of_which_every_clip_is_refused_still_has_a_card(tmp_path):
    on_disk = voice(tmp_path / "voice")
    on_disk.aligned = [clip.model_copy(update={"kept": False, "reason": "no"}) for clip in on_disk.aligned]
    figures = run(on_disk, tmp_path / "out")
    assert figures["notes"] == ["No clip is left to train on, so sounds and kinds of sentences are not counted."]
    assert (tmp_path / "out/card.md").read_text(encoding="utf-8").startswith("# None of the")


def test_clips_whose_sound_is_gone_are_shown_without_a_player(tmp_path):
    on_disk = voice(tmp_path / "voice")
    shutil.rmtree(tmp_path / "voice/clips/audio")
    run(on_disk, tmp_path / "out")
    page = (tmp_path / "out/card.html").read_text(encoding="utf-8")
    assert "data-sound=" not in page and "the sound is not there" in page


def test_a_voice_that_was_not_ingested_is_refused(tmp_path):
    on_disk = voice(tmp_path / "voice")
    folders = on_disk.write()
    (folders.manifest / "recordings.jsonl").unlink()
    with pytest.raises(ValueError, match="nothing to describe; run `vox run anna`"):
        data_card("anna", folders, tmp_path, PARAMS)
