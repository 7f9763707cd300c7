"""What is repaired in a clip, on real speech."""

from __future__ import annotations

import shutil
from pathlib import Path

import numpy as np
import pytest

from gpt_sovits.audio import load_audio, save_flac, to_mono
from metrics.normalize import normalize_text
from metrics.wer import character_errors
from stages.alignment import disagreements, repairs
from stages.alignment.clip_texts import clip_texts
from stages.alignment.disagreements import Doubt, find_disagreements
from stages.alignment.outcomes import doubts_of_clips, repair_clips
from stages.alignment.repairs import Repair, repair_clip
from stages.alignment.transcribe import transcribe
from stages.execution.cache import ResultCache
from stages.execution.cached_calls import cached_map
from stages.params import load_params
from stages.tables import AlignedClip

ROOT = Path(__file__).resolve().parents[3]
WAVS = ROOT / "data/1_recordings/sample/wavs"
TEXTS = {
    line.split("|")[0]: line.split("|")[1]
    for line in (ROOT / "data/1_recordings/sample/metadata.csv").read_text(encoding="utf-8").splitlines()
}
ASR = "faster-whisper-tiny.en"
PARAMS = load_params(ROOT / "params.yaml").align
TEAPOT, CURTAIN = "sample_002", "sample_003"


@pytest.fixture(scope="module")
def recording(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, float, str]:
    """Two sentences with a pause between them: the file, its length and what the ASR hears in it."""
    path = tmp_path_factory.mktemp("repairs") / "two.flac"
    sounds = [to_mono(load_audio(WAVS / f"{name}.flac")[0]) for name in (TEAPOT, CURTAIN)]
    waveform = np.concatenate([sounds[0], np.zeros(4800, np.float32), sounds[1]])
    save_flac(path, waveform, 16_000)
    return path, len(waveform) / 16_000, normalize_text(transcribe(path, ASR, "en").text)


def doubted(recording: tuple[Path, float, str], text: str) -> tuple[AlignedClip, list[Doubt]]:
    """The clip with a text, and the doubts about it, which are some."""
    path, seconds, heard = recording
    found = clip_texts([path], [seconds], [heard], text, "en", ASR).clips[0]
    row = AlignedClip(
        clip_id="x-0000", path="audio/x-0000.flac", seconds=seconds, language="en", text=text, text_source="given",
        asr_text=heard, cer=character_errors(normalize_text(text), heard).rate, words=tuple(found.times), kept=True,
        reason="", split="train",
    )  # fmt: skip
    doubts = [one for one in find_disagreements(path, row, ASR, "en") if one.doubt >= PARAMS.min_doubt]
    assert doubts
    return row, doubts


def repaired(recording: tuple[Path, float, str], text: str, *repair: str) -> Repair:
    row, doubts = doubted(recording, text)
    return repair_clip(recording[0], row, doubts, ASR, PARAMS.model_copy(update={"repair": repair}))


def test_a_clip_that_a_person_decided_on_is_not_repaired(recording: tuple[Path, float, str], tmp_path: Path) -> None:
    row, doubts = doubted(recording, right_text().replace("shelf,", "carpet,"))
    params = PARAMS.model_copy(update={"repair": ("substitute",)})
    row = row.model_copy(update={"path": recording[0].name})
    for decided in ((), (row.clip_id,)):
        clips, runs = repair_clips(
            [row], {row.clip_id: doubts}, decided, recording[0].parent, tmp_path, ASR, params, map
        )
        assert (clips == [row]) == bool(decided) == (not runs)


def test_a_clip_with_another_name_is_repaired_as_before_without_a_judge(
    recording: tuple[Path, float, str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """An earlier clip of the recording was split, so this one has the next number."""
    row, doubts = doubted(recording, right_text().replace("me the blue", "me blue"))
    params = PARAMS.model_copy(update={"repair": ("trim",)})
    workers = cached_map(map, ResultCache(tmp_path / "results", 10**9), same={})
    (tmp_path / "out").mkdir()
    found = []
    for number in (0, 1):
        named = row.model_copy(update={"clip_id": f"x-{number:04d}", "path": f"x-{number:04d}.flac"})
        shutil.copyfile(recording[0], tmp_path / named.path)
        assert list(doubts_of_clips([named], tmp_path, ASR, "en", params, workers).values()) == [doubts]
        (clip,), _ = repair_clips(
            [named], {named.clip_id: doubts}, (), tmp_path, tmp_path / "out", ASR, params, workers
        )
        assert (clip.clip_id, clip.path) == (named.clip_id, f"trimmed/{named.clip_id}.flac")
        assert (tmp_path / "out" / clip.path).is_file()
        found.append(clip.model_copy(update={"clip_id": "", "path": ""}))
        monkeypatch.setattr(repairs, "loaded_judge", None)
        monkeypatch.setattr(disagreements, "loaded_judge", None)
    assert found[0] == found[1]


def right_text() -> str:
    return f"{TEXTS[TEAPOT]} {TEXTS[CURTAIN]}"


def test_a_single_wrong_word_becomes_the_word_heard(recording: tuple[Path, float, str]) -> None:
    repair = repaired(recording, right_text().replace("shelf,", "carpet,"), "substitute")
    assert repair.row.text == right_text()
    assert "shelf" in [word for word, _, _ in repair.row.words]
    assert repair.row.repair == "took 'shelf' for 'carpet'"
    assert len(repair.runs) == 1
    assert repair.span is None


def test_a_missing_word_is_not_substituted(recording: tuple[Path, float, str]) -> None:
    text = right_text().replace("blue ", "")
    assert repaired(recording, text, "substitute") == Repair(repaired(recording, text).row)


def test_a_clip_is_cut_to_its_longest_stretch_in_which_nothing_is_wrong(recording: tuple[Path, float, str]) -> None:
    repair = repaired(recording, right_text().replace("me the blue", "me blue"), "trim")
    assert repair.row.text == f"please? {TEXTS[CURTAIN]}"
    assert repair.row.asr_text.startswith("please she measured the window")
    assert (repair.row.kept, repair.row.path) == (True, "trimmed/x-0000.flac")
    assert repair.span is not None
    start, end = (sample / 16_000 for sample in repair.span)
    assert end == pytest.approx(recording[1])
    assert repair.row.seconds == pytest.approx(end - start)
    assert repair.row.trimmed_seconds == pytest.approx(start, abs=1e-6)
    assert all(0 <= a <= b <= repair.row.seconds for _, a, b in repair.row.words)
    assert repair.row.cer is not None and repair.row.cer <= PARAMS.max_cer


def test_a_clip_with_a_wrong_word_in_each_sentence_is_not_cut_inside_words(recording: tuple[Path, float, str]) -> None:
    words = right_text().split()
    text = " ".join(word if index % 5 else "carpet" for index, word in enumerate(words))
    repair = repaired(recording, text, "trim")
    assert repair.span is None
    assert repair.row.repair == ""


def test_what_cannot_be_substituted_is_cut_off(recording: tuple[Path, float, str]) -> None:
    text = right_text().replace("blue ", "").replace("window", "carpet")
    repair = repaired(recording, text, "substitute", "trim")
    assert repair.row.text == f"please? {TEXTS[CURTAIN]}"
    assert repair.row.repair.startswith("took 'window' for 'carpet'; trimmed to ")
    assert len(repair.runs) == 2


def test_without_a_choice_nothing_is_repaired(recording: tuple[Path, float, str]) -> None:
    assert repaired(recording, right_text().replace("shelf,", "carpet,")).runs == ()
