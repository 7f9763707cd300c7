"""Ingest, segment and align on real speech."""

from __future__ import annotations

import itertools
import shutil
from datetime import date
from pathlib import Path

import numpy as np
import pytest
import soundfile

from metrics.judges.transcriber import Transcription
from stages.align import align, align_clip, check_rejected_share
from stages.alignment.clip_texts import ALIGNMENT_FAILED, ClipText
from stages.ingest import ingest
from stages.params import Params, load_params
from stages.sections.data import Align
from stages.segment import segment
from stages.tables import AlignedClip, Clip, Reject, read_table

ROOT = Path(__file__).resolve().parents[2]
SAMPLE = ROOT / "data" / "1_recordings" / "sample"
PARAMS = load_params(ROOT / "params.yaml")
TODAY = date(2026, 6, 1)

# too many rejected


def row(number: int, reason: str) -> AlignedClip:
    return AlignedClip(
        clip_id=f"{number:012x}-0000",
        path="audio/x.flac",
        seconds=2,
        text="what was to be said",
        text_source="given",
        asr_text="what was heard",
        cer=0.5,
        words=(),
        kept=not reason,
        reason=reason,
        split="train",
        language="en",
    )


def test_too_many_rejected_clips_stop_the_stage_with_the_most_common_reason() -> None:
    rows = [row(1, ""), row(2, "CER above 0.4: 0.51"), row(3, "CER above 0.4: 0.62"), row(4, "the ASR heard no word")]
    with pytest.raises(
        ValueError, match=r"3 of 4 clips rejected .* most often \(2\): CER above 0\.4, such as 0+2-0000"
    ):
        check_rejected_share(rows, 0.5)
    check_rejected_share(rows, 0.75)


def test_no_kept_clip_stops_the_stage_whatever_is_allowed() -> None:
    with pytest.raises(ValueError, match="1 of 1 clips rejected"):
        check_rejected_share([row(1, "the ASR heard no word")], 1.0)


# a text without words

CLIP = Clip(clip_id="1-0000", recording_id="1", path="audio/x.flac", start=0, end=2, seconds=2, gain_db=0)


@pytest.mark.parametrize("fault", ["", ALIGNMENT_FAILED])
@pytest.mark.parametrize("asr_text", ["", "Mm-hmm.", "good evening"])
@pytest.mark.parametrize("is_given", [True, False])
def test_a_text_without_words_after_normalisation_is_the_reason(fault: str, asr_text: str, is_given: bool) -> None:
    text = ClipText("Mm-hmm.", [], fault)
    found = align_clip(CLIP, text, is_given=is_given, heard=Transcription(asr_text), language="en", params=PARAMS.align)
    assert (found.kept, found.reason) == (False, "its text has no words after normalisation")


def test_a_clip_without_a_text_keeps_its_reason() -> None:
    for asr_text, reason in (("", "the ASR heard no word"), ("hello", "no word of the transcript falls into the clip")):
        found = align_clip(
            CLIP, ClipText("", []), is_given=True, heard=Transcription(asr_text), language="en", params=PARAMS.align
        )
        assert found.reason == reason


def test_a_clip_in_which_nobody_speaks_says_what_the_judge_saw() -> None:
    heard = Transcription("", "silero-vad hears no speech in its 2.0 s")
    found = align_clip(
        CLIP, ClipText("hello", [], ALIGNMENT_FAILED), is_given=True, heard=heard, language="en", params=PARAMS.align
    )
    assert found.reason == "nobody speaks in it: silero-vad hears no speech in its 2.0 s"


# real speech


def run(folder: Path, work: Path, params: Params = PARAMS, n_jobs: int = 1) -> list[AlignedClip]:
    """Ingest, segment and align a voice's folder, and return the aligned clips."""
    shutil.rmtree(work, ignore_errors=True)
    for part in ("manifest", "clips", "aligned"):
        (work / part).mkdir(parents=True)
    ingest(folder, work / "manifest", params.ingest, TODAY)
    segment(folder, work / "manifest", work / "clips", params.segment)
    run_align(work, params.align, n_jobs)
    return read_table(work / "aligned" / "clips.jsonl", AlignedClip)


def run_align(work: Path, params: Align, n_jobs: int) -> bytes:
    params = params.model_copy(update={"n_jobs": n_jobs})
    align(work / "clips", work / "manifest", work / "aligned", params, "pocketsphinx")
    return (work / "aligned" / "clips.jsonl").read_bytes()


def new_voice(folder: Path) -> Path:
    folder.mkdir()
    record = (SAMPLE / "voice.yaml").read_text().replace("name: sample", f"name: {folder.name}")
    (folder / "voice.yaml").write_text(record)
    shutil.copy(SAMPLE / "consent.md", folder)
    return folder


def transcript_of(number: int) -> str:
    return (SAMPLE / "metadata.csv").read_text().splitlines()[number - 1].split("|")[2]


def speech_of(number: int) -> np.ndarray:
    return soundfile.read(SAMPLE / "wavs" / f"sample_{number:03d}.flac", dtype="float32")[0]


def check_words(clip: AlignedClip) -> None:
    assert [word.lower() for word, _, _ in clip.words] == [
        word.strip(".,?").lower() for word in clip.text.replace("-", " ").split()
    ]
    assert all(0 <= start <= end <= clip.seconds for _, start, end in clip.words)
    assert all(one[2] <= other[1] + 1e-9 for one, other in itertools.pairwise(clip.words))


@pytest.fixture(scope="module")
def three(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The work folder of a voice with three recordings: with its text, with another's text, and with none."""
    folder = new_voice(tmp_path_factory.mktemp("three") / "anna")
    for number in (1, 6, 8):
        soundfile.write(folder / f"x{number}.flac", speech_of(number), 16000)
    (folder / "x1.txt").write_text(transcript_of(1))
    (folder / "x6.txt").write_text("Something quite different is written here, my dear friend.")
    run(folder, folder.parent / "work")
    return folder.parent / "work"


def test_a_clip_keeps_its_transcript_as_written_with_a_time_for_each_word(three: Path) -> None:
    clip = read_table(three / "aligned" / "clips.jsonl", AlignedClip)[0]
    assert (clip.kept, clip.reason, clip.text, clip.text_source) == (True, "", transcript_of(1), "given")
    assert clip.cer is not None and clip.cer <= 0.3
    check_words(clip)


def test_a_transcript_of_another_sentence_is_rejected(three: Path) -> None:
    clip = read_table(three / "aligned" / "clips.jsonl", AlignedClip)[1]
    assert not clip.kept
    assert clip.reason.startswith("character error rate above align.max_cer = 0.3: ")
    assert clip.cer is not None and clip.cer > 0.3


def test_a_clip_without_a_transcript_has_the_text_that_the_asr_heard(three: Path) -> None:
    clip = read_table(three / "aligned" / "clips.jsonl", AlignedClip)[2]
    assert (clip.kept, clip.text_source, clip.cer) == (True, "asr", None)
    assert clip.text
    check_words(clip)


def test_the_result_does_not_depend_on_the_number_of_processes(three: Path) -> None:
    alone = run_align(three, PARAMS.align, 1)
    assert run_align(three, PARAMS.align, 2) == alone


def test_a_recording_of_several_clips_shares_its_transcript_among_them(tmp_path: Path) -> None:
    folder = new_voice(tmp_path / "anna")
    numbers = (1, 7, 6, 8)
    pause = np.zeros(20000, np.float32)
    joined = np.concatenate([part for number in numbers for part in (pause, speech_of(number))])
    soundfile.write(folder / "long.flac", joined, 16000)
    written = [transcript_of(1), transcript_of(7).replace("fourteen", "14"), transcript_of(6), transcript_of(8)]
    (folder / "long.txt").write_text("\n".join(written))
    clips = run(folder, tmp_path / "work")
    assert [clip.text for clip in clips] == written
    assert all(clip.kept for clip in clips)
    assert "fourteen" in [word for word, _, _ in clips[1].words]
    for clip in (clips[0], clips[2], clips[3]):
        check_words(clip)


def test_a_text_in_a_script_that_cannot_be_spoken_is_rejected_with_the_reason(tmp_path: Path) -> None:
    folder = new_voice(tmp_path / "anna")
    for number in (1, 6, 8):
        soundfile.write(folder / f"x{number}.flac", speech_of(number), 16000)
        (folder / f"x{number}.txt").write_text("これは日本語です" if number == 6 else transcript_of(number))
    clips = run(folder, tmp_path / "work")
    assert [clip.kept for clip in clips] == [True, False, True]
    assert clips[1].reason.startswith("text cannot be spoken: ")


def test_a_voice_with_the_wrong_transcripts_stops(tmp_path: Path) -> None:
    folder = new_voice(tmp_path / "anna")
    for number in (1, 6):
        soundfile.write(folder / f"x{number}.flac", speech_of(number), 16000)
    (folder / "metadata.csv").write_text(f"x1|{transcript_of(6)}\nx6|{transcript_of(1)}\n")
    with pytest.raises(
        ValueError, match=r"2 of 2 clips rejected .*character error rate above .*check that the transcr"
    ):
        run(folder, tmp_path / "work")


def test_clips_of_a_recording_that_is_not_in_the_manifest_are_refused(three: Path, tmp_path: Path) -> None:
    (tmp_path / "recordings.jsonl").write_text("")
    with pytest.raises(ValueError, match="run segment again"):
        align(three / "clips", tmp_path, tmp_path, PARAMS.align, "pocketsphinx")


def test_a_real_reader_can_be_aligned(shared: Path, tmp_path: Path) -> None:
    """Five recordings of LJSpeech in the layout in which they are published."""
    folder = new_voice(tmp_path / "lj")
    (folder / "wavs").mkdir()
    lines = (shared / "data" / "ljspeech" / "metadata.csv").read_text(encoding="utf-8").splitlines()[1:6]
    (folder / "metadata.csv").write_text("\n".join(lines), encoding="utf-8")
    for line in lines:
        shutil.copy(shared / "data" / "ljspeech" / "wavs" / f"{line.partition('|')[0]}.wav", folder / "wavs")
    clips = run(folder, tmp_path / "work")
    assert read_table(tmp_path / "work" / "clips" / "rejects.jsonl", Reject) == []
    assert len(read_table(tmp_path / "work" / "clips" / "clips.jsonl", Clip)) == len(clips) == 5
    assert sum(clip.kept for clip in clips) >= 4
    assert 1 <= sum(clip.split == "held_out" for clip in clips) <= 2
    for clip in clips:
        assert all(0 <= start <= end <= clip.seconds for _, start, end in clip.words)
