"""The pipeline obeys what a person decided: real speech through ingest, segment and align, with the page between."""

from __future__ import annotations

import json
import shutil
import urllib.parse
from datetime import date
from pathlib import Path

import pytest
from http_helpers import ask, request
from review_helpers import VOICE, aligned_row, clips_of, make_reviewable, reviewing

from stages.align import NO_WORDS, align, check_rejected_share
from stages.corrections.decisions import ClipDecision
from stages.corrections.file import read_corrections
from stages.corrections.obeying import obey
from stages.ingest import ingest
from stages.params import load_params
from stages.segment import segment
from stages.tables import AlignedClip, Clip, Reject, read_table

ROOT = Path(__file__).resolve().parents[3]
PARAMS = load_params(ROOT / "params.yaml")
TODAY = date(2026, 6, 1)
WRONG = "Something quite different is written here, my dear friend."


def run(root: Path, *, until: str = "align", **settings: float) -> list[tuple[Clip, AlignedClip | None]]:
    """Run the stages on the voice, and return its clips with their texts."""
    data = root / "data"
    folders = [data / name / VOICE for name in ("1_recordings", "1_manifests", "2_clips", "3_aligned")]
    recordings, manifest, clips, aligned = folders
    for folder in folders[1:]:
        shutil.rmtree(folder, ignore_errors=True)
        folder.mkdir(parents=True)
    ingest(recordings, manifest, PARAMS.ingest, TODAY)
    segment(recordings, manifest, clips, PARAMS.segment.model_copy(update=settings))
    cut = read_table(clips / "clips.jsonl", Clip)
    if until == "segment":
        return [(clip, None) for clip in cut]
    align(clips, manifest, aligned, PARAMS.align.model_copy(update={"n_jobs": 1}), "pocketsphinx")
    return list(zip(cut, read_table(aligned / "clips.jsonl", AlignedClip), strict=True))


@pytest.fixture
def voice(tmp_path: Path) -> Path:
    root = make_reviewable(tmp_path / "project")
    (root / "data/1_recordings" / VOICE / "short.txt").write_text(WRONG)
    return root


def decide(url: str, clip: dict, action: str, **more: object) -> list[dict]:
    """Decide about a clip, and return the clips of its recording afterwards."""
    details = json.loads(request(f"{url}clip?key={urllib.parse.quote(clip['key'])}")[2])
    return ask(url, "decide", key=clip["key"], revision=details["revision"], action=action, **more)["clips"]


def test_the_stages_obey_and_go_on_obeying_when_the_settings_change(voice: Path) -> None:
    with reviewing(voice) as (_, url):
        first, _, third, short = clips_of(url)
        merged, _ = decide(url, first, "merge")
        decide(url, merged, "text", text=WRONG)
        *_, half, other = decide(url, third, "split", at=2.0)
        decide(url, other, "drop")
        decide(url, short, "restore")
        when = read_corrections(voice / "data/1_recordings" / VOICE)[-2].when
        long_spans = [(clip["start"], round(clip["start"] + clip["seconds"], 3)) for clip in (merged, half, other)]
        short_span = (0.0, round(short["seconds"], 3))

        found = {(round(cut.start, 3), round(cut.end, 3)): row for cut, row in run(voice)}
        assert list(found) == [*long_spans, short_span]
        one, _, dropped, restored = found.values()
        assert (one.text, one.text_source, one.kept, one.reason) == (WRONG, "corrected", True, "") and one.cer > 0.5
        assert [word.lower() for word, _, _ in one.words] == WRONG.lower().replace(",", "").replace(".", "").split()
        assert (dropped.kept, dropped.reason) == (False, f"dropped by review: anna {when}")
        assert (restored.text, restored.text_source, restored.kept) == (WRONG, "given", True) and restored.cer > 0.5
        assert not any(one["pending"] for one in clips_of(url))  # the page shows what the run made of it

        for settings in ({"max_clip_seconds": 4.0}, {"min_silence_seconds": 0.05, "padding_seconds": 0.4}):
            spans = {(round(cut.start, 3), round(cut.end, 3)) for cut, _ in run(voice, until="segment", **settings)}
            assert spans >= {*long_spans, short_span}

        for _ in range(5):
            ask(url, "undo")
        assert "no decision" in json.loads(request(f"{url}undo", {})[2])["error"]
    undone = [cut for cut, _ in run(voice, until="segment")]
    (voice / "data/1_recordings" / VOICE / "corrections.jsonl").unlink()
    assert [cut for cut, _ in run(voice, until="segment")] == undone


def test_a_correction_that_applies_to_nothing_is_a_reject_with_its_line(voice: Path) -> None:
    row = {
        "recording_sha256": "0" * 64,
        "start": 1,
        "end": 2,
        "action": "drop",
        "by": "x",
        "when": "2026-01-01T00:00:00Z",
    }
    (voice / "data/1_recordings" / VOICE / "corrections.jsonl").write_text(json.dumps(row) + "\n")
    run(voice, until="segment")
    (reject,) = read_table(voice / "data/1_manifests" / VOICE / "rejects.jsonl", Reject)
    assert reject.path == "corrections.jsonl:1" and reject.reason.startswith("drop of 1.00-2.00 s: no usable recording")
    assert not (voice / "data/1_manifests" / VOICE / "decisions.jsonl").exists()


def test_a_broken_row_stops_ingest_with_its_line(voice: Path) -> None:
    (voice / "data/1_recordings" / VOICE / "corrections.jsonl").write_text("{}\n")
    with pytest.raises(ValueError, match=r"corrections\.jsonl:1: recording_sha256: Field required; correct the row"):
        run(voice, until="segment")


# the rules of align


def decision(verdict: str | None) -> ClipDecision:
    return ClipDecision(
        recording_id="1", start=0, end=2, text=None, verdict=verdict, by="anna", when="2026-11-29T05:40:12Z"
    )


def aligned(**fields: object) -> AlignedClip:
    row = aligned_row("1-0000", "Hello there.", 2.0).model_copy(update={"kept": False, "reason": "above a limit: 0.5"})
    return row.model_copy(update=fields)


def test_a_verdict_counts_more_than_a_limit() -> None:
    kept = aligned(kept=True, reason="")
    assert obey([aligned()], {"1-0000": decision("restore")}) == [kept]
    assert obey([kept], {"1-0000": decision("restore")}) == [kept]
    assert obey([aligned()], {"1-0000": decision(None)}) == [aligned()]
    (dropped,) = obey([kept], {"1-0000": decision("drop")})
    assert (dropped.kept, dropped.reason) == (False, "dropped by review: anna 2026-11-29T05:40:12Z")


def test_a_clip_without_word_times_cannot_be_restored_and_says_so() -> None:
    (row,) = obey([aligned(words=())], {"1-0000": decision("restore")})
    assert not row.kept
    assert row.reason == "above a limit: 0.5; a person restored it, but its words have no times; correct its text too"


def test_a_clip_without_scored_words_cannot_be_restored_and_says_so() -> None:
    said = aligned(text="Mm-hmm.", words=(("Mm-hmm", 0.1, 0.9),), reason=NO_WORDS)
    (row,) = obey([said], {"1-0000": decision("restore")})
    assert not row.kept and row.words
    assert row.reason.startswith(f"{NO_WORDS}; a person restored it, but errors are counted in words")


def test_dropped_clips_do_not_count_as_rejected_but_something_must_be_left() -> None:
    dropped = aligned(reason="dropped by review: anna 2026-11-29T05:40:12Z")
    check_rejected_share([dropped, dropped, aligned(kept=True, reason="")], 0.5)
    with pytest.raises(ValueError, match="1 of 2 clips rejected"):
        check_rejected_share([dropped, aligned(), aligned(kept=True, reason="")], 0.4)
    with pytest.raises(ValueError, match="all 2 clips were dropped by review; restore some"):
        check_rejected_share([dropped, dropped], 1.0)
