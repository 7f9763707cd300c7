"""The clips of the stage segment: their length, loudness and place."""

from __future__ import annotations

import hashlib
import shutil
from collections.abc import Callable
from datetime import date
from itertools import pairwise
from pathlib import Path

import numpy as np
import pyloudnorm
import pytest
import soundfile
from hypothesis import given, settings
from hypothesis import strategies as st

from gpt_sovits.audio import resample
from stages import segment as segmenting
from stages.cutting import Span
from stages.ingest import ingest
from stages.params import load_params
from stages.recordings.measure import measure_file
from stages.sections.data import Segment
from stages.segment import cut_recording, excerpts, loudness_gain, segment
from stages.tables import Clip, Recording, Reject, read_table, write_table

ROOT = Path(__file__).resolve().parents[2]
SAMPLE = ROOT / "data" / "1_recordings" / "sample"
PARAMS = load_params(ROOT / "params.yaml").segment

# loudness


@pytest.mark.parametrize("gain", [0.01, 0.1, 1.0])
def test_every_clip_has_the_configured_loudness(gain: float) -> None:
    waveform = np.random.default_rng(0).normal(0, 0.1, 64000).astype(np.float32) * gain
    applied = waveform * 10 ** (loudness_gain(waveform, PARAMS) / 20)
    assert pyloudnorm.Meter(32000).integrated_loudness(applied) == pytest.approx(PARAMS.loudness_lufs, abs=0.01)


def test_a_peak_that_would_exceed_its_limit_lowers_the_gain() -> None:
    waveform = np.random.default_rng(0).normal(0, 0.001, 64000).astype(np.float32)
    waveform[1000] = 0.9
    applied = np.abs(waveform * 10 ** (loudness_gain(waveform, PARAMS) / 20)).max()
    assert 20 * np.log10(applied) == pytest.approx(PARAMS.max_peak_dbfs, abs=0.001)
    assert 20 * np.log10(applied) <= PARAMS.max_peak_dbfs


def test_a_clip_without_measurable_loudness_has_no_gain() -> None:
    assert loudness_gain(np.full(64000, 1e-6, np.float32), PARAMS) is None


# the stage


@pytest.fixture(scope="module")
def utterances() -> list[np.ndarray]:
    return [soundfile.read(SAMPLE / "wavs" / f"sample_{number:03d}.flac", dtype="float32")[0] for number in (1, 6, 8)]


def run(tmp_path: Path, audio: dict[str, tuple[np.ndarray, int]], params: Segment = PARAMS) -> tuple[list, list, Path]:
    """Run the stage on recordings given as (samples, sample rate), and return clips, rejects and the output folder."""
    folder, out = tmp_path / "recordings", tmp_path / "out"
    for path in (folder, out):
        shutil.rmtree(path, ignore_errors=True)
        path.mkdir()
    rows = []
    for name, (samples, sample_rate) in audio.items():
        soundfile.write(folder / name, samples, sample_rate)
        sha256 = hashlib.sha256((folder / name).read_bytes()).hexdigest()
        rows.append(
            Recording(
                recording_id=sha256[:12],
                path=name,
                sha256=sha256,
                seconds=len(samples) / sample_rate,
                sample_rate=sample_rate,
                n_channels=samples.ndim,
                level_dbfs=20 * np.log10(max(1e-6, np.sqrt(np.mean(np.square(samples))))),
                clipped_share=0,
                channel=None,
                channels="single" if samples.ndim == 1 else "agree",
                dc_offset=0,
                full_scale=1,
                transcript=None,
                language="en",
            )
        )
    write_table(tmp_path / "recordings.jsonl", rows)
    segment(folder, tmp_path, out, params)
    return read_table(out / "clips.jsonl", Clip), read_table(out / "rejects.jsonl", Reject), out


def test_clips_are_mono_at_the_configured_rate_and_loudness_and_are_where_the_table_says(
    tmp_path: Path, utterances: list[np.ndarray]
) -> None:
    pause = np.zeros(24000, np.float32)
    samples = np.concatenate([pause, utterances[0], pause, 0.05 * utterances[1], pause])
    clips, rejects, out = run(tmp_path, {"two.wav": (np.stack([samples, samples], axis=1), 16000)})
    assert rejects == []
    assert len(clips) == 2
    for index, clip in enumerate(clips):
        waveform, sample_rate = soundfile.read(out / clip.path)
        assert clip.clip_id == f"{clip.recording_id}-{index:04d}"
        assert (sample_rate, waveform.ndim) == (32000, 1)
        assert len(waveform) / 32000 == pytest.approx(clip.seconds) == pytest.approx(clip.end - clip.start)
        assert pyloudnorm.Meter(32000).integrated_loudness(waveform) == pytest.approx(-23, abs=0.1)
    # the sentences begin and end where they were put, whatever their level
    first = len(utterances[0]) / 16000
    assert clips[0].start == pytest.approx(1.5, abs=0.25)
    assert clips[0].end == pytest.approx(1.5 + first, abs=0.35)
    assert clips[1].start == pytest.approx(3.0 + first, abs=0.25)
    assert clips[1].gain_db == pytest.approx(clips[0].gain_db + 26, abs=4)


def test_speech_without_a_pause_is_split(tmp_path: Path, utterances: list[np.ndarray]) -> None:
    sounding = [waveform[np.abs(waveform) > 0.003] for waveform in utterances * 3]
    clips, _, _ = run(tmp_path, {"long.wav": (np.concatenate(sounding), 16000)})
    assert len(clips) > 1
    assert all(PARAMS.min_clip_seconds <= clip.seconds <= PARAMS.max_clip_seconds for clip in clips)
    assert sum(clip.seconds for clip in clips) == pytest.approx(sum(map(len, sounding)) / 16000, abs=0.5)


def test_recordings_without_speech_are_rejects(tmp_path: Path, utterances: list[np.ndarray]) -> None:
    hiss = np.random.default_rng(0).normal(0, 0.01, 48000).astype(np.float32)
    clips, rejects, _ = run(tmp_path, {"hiss.wav": (hiss, 16000), "speech.wav": (utterances[0], 16000)})
    assert len(clips) == 1
    assert [(row.path, row.reason) for row in rejects] == [("hiss.wav", "no speech found")]


def test_a_word_alone_is_a_clip_of_the_shortest_length(tmp_path: Path, utterances: list[np.ndarray]) -> None:
    word, silence = utterances[0][16000:24000], np.zeros(32000, np.float32)
    clips, rejects, _ = run(tmp_path, {"x.wav": (np.concatenate([silence, word, silence, utterances[1]]), 16000)})
    assert rejects == []
    assert clips[0].seconds == pytest.approx(1.0, abs=0.001)
    assert clips[0].start < 2.0 < 2.5 < clips[0].end


def test_a_recording_too_short_for_a_clip_is_a_reject_with_its_place(
    tmp_path: Path, utterances: list[np.ndarray]
) -> None:
    word = utterances[0][16000:28000]
    clips, rejects, _ = run(tmp_path, {"a.wav": (word, 16000), "b.wav": (utterances[1], 16000)})
    assert len(clips) == 1
    assert rejects[0].path == "a.wav"
    assert rejects[0].reason.endswith("0.75 s: too short for a clip")


def test_no_clip_at_all_is_an_error_of_one_sentence(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="no clip in 1 recordings; the first: no speech found"):
        run(tmp_path, {"silence.wav": (np.zeros(32000, np.float32), 16000)})


def test_a_recording_that_changed_since_ingest_is_refused(tmp_path: Path, utterances: list[np.ndarray]) -> None:
    run(tmp_path, {"x.wav": (utterances[0], 16000)})
    soundfile.write(tmp_path / "recordings" / "x.wav", utterances[1], 16000)
    (tmp_path / "again").mkdir()
    with pytest.raises(ValueError, match=r"x\.wav has changed since ingest .* run the ingest stage again"):
        segment(tmp_path / "recordings", tmp_path, tmp_path / "again", PARAMS)


def test_a_recording_that_changes_while_it_is_cut_is_refused(
    tmp_path: Path, utterances: list[np.ndarray], monkeypatch: pytest.MonkeyPatch
) -> None:
    run(tmp_path, {"x.wav": (utterances[0], 16000)})
    (tmp_path / "again").mkdir()

    def copy_then_cut(calls, *_):
        soundfile.write(tmp_path / "recordings" / "x.wav", utterances[1], 16000)
        return calls

    monkeypatch.setattr(segmenting, "report_progress", copy_then_cut)
    with pytest.raises(ValueError, match=r"x\.wav has changed since ingest"):
        segment(tmp_path / "recordings", tmp_path, tmp_path / "again", PARAMS)


def test_the_same_recordings_give_the_same_bytes(tmp_path: Path, utterances: list[np.ndarray]) -> None:
    audio = {f"{index}.wav": (waveform, 16000) for index, waveform in enumerate(utterances)}
    contents = []
    for _ in range(2):
        _, _, out = run(tmp_path, audio)
        contents.append({path.relative_to(out): path.read_bytes() for path in sorted(out.rglob("*")) if path.is_file()})
    assert len(contents[0]) == 5
    assert contents[0] == contents[1]


# properties


@settings(max_examples=100, deadline=None)
@given(st.lists(st.integers(0, 300), max_size=12), st.lists(st.tuples(st.integers(0, 400), st.integers(0, 400))))
def test_excerpts_are_the_samples_of_their_spans(lengths: list[int], gaps: list[tuple[int, int]]) -> None:
    waveform = np.arange(sum(lengths), dtype=np.float32)
    blocks = np.split(waveform, np.cumsum(lengths)[:-1]) if lengths else []
    spans, position = [], 0
    for gap, length in gaps:
        if position + gap + length <= len(waveform):
            spans.append(Span(position + gap, position + gap + length))
            position = spans[-1].end
    for span, samples in zip(spans, excerpts(blocks, spans), strict=True):
        assert samples[0] == span
        assert samples[1].tolist() == waveform[span.start : span.end].tolist()


PIECES = ("speech", "hiss", "silence", "clicks")


@settings(max_examples=5, deadline=None)
@given(
    st.lists(st.tuples(st.sampled_from(PIECES), st.floats(0.1, 4.0), st.sampled_from([0.02, 0.3, 1.0])), min_size=1),
    st.sampled_from([16000, 22050, 44100]),
)
def test_clips_lie_inside_their_source_never_overlap_and_hold_its_samples(
    tmp_path_factory: pytest.TempPathFactory, pieces: list[tuple[str, float, float]], rate: int
) -> None:
    random = np.random.default_rng(len(pieces))
    speech, _ = soundfile.read(SAMPLE / "wavs" / "sample_003.flac", dtype="float32")
    parts = [resample(speech[:8000], 16000, rate)]
    for kind, seconds, gain in pieces:
        n = round(seconds * rate)
        sounds = {
            "speech": resample(speech, 16000, rate)[:n],
            "hiss": random.normal(0, 0.01, n),
            "silence": np.zeros(n),
            "clicks": (random.random(n) > 0.999) * 0.5,
        }
        parts.append(gain * sounds[kind])
    samples = np.clip(np.concatenate(parts), -0.99, 0.99).astype(np.float32)
    folder = tmp_path_factory.mktemp("voice")
    row = write_recording(folder / "x.wav", samples, rate)
    (folder / "audio").mkdir()
    clips, rejects = cut_recording(folder / "x.wav", row, PARAMS, folder)
    source = resample(soundfile.read(folder / "x.wav", dtype="float32")[0] - np.float32(row.dc_offset), rate, 32000)
    assert clips or rejects
    assert all(one.end <= other.start for one, other in pairwise(clips))
    for clip in clips:
        assert 0 <= clip.start < clip.end <= row.seconds + 1e-6
        assert PARAMS.min_clip_seconds <= clip.seconds <= PARAMS.max_clip_seconds
        start, end = round(clip.start * 32000), round(clip.end * 32000)
        heard, _ = soundfile.read(folder / clip.path)
        assert heard == pytest.approx(source[start:end] * 10 ** (clip.gain_db / 20), abs=1e-4)
    kept_or_refused = sum(clip.seconds for clip in clips) + sum(reject.seconds or 0 for reject in rejects)
    assert kept_or_refused <= row.seconds + 1e-6


def write_recording(path: Path, samples: np.ndarray, rate: int) -> Recording:
    """Write a wav, and return its row as ingest measures it."""
    soundfile.write(path, samples, rate)
    measurement, _ = measure_file(path, 3600)
    sha256 = hashlib.sha256(path.read_bytes()).hexdigest()
    return Recording(
        recording_id=sha256[:12], path=path.name, sha256=sha256, transcript=None, language="en", **measurement._asdict()
    )


# the sample voice


def test_the_sample_voice_has_its_consent_and_its_own_text() -> None:
    """Its consent is valid, its transcripts are the sentences of its script, and no prompt is among them."""

    from ruamel.yaml import YAML

    from registry.consent.checks import check_consent

    assert check_consent(SAMPLE, date(2026, 1, 1)).consent.kind == "synthetic"
    lines = (ROOT / "data" / "sample_sentences.txt").read_text().splitlines()
    sentences = [line.partition("|") for line in lines if line and not line.startswith("#")]
    rows = [row.split("|") for row in (SAMPLE / "metadata.csv").read_text().splitlines()]
    assert [row[1:] for row in rows] == [[written, spoken or written] for written, _, spoken in sentences]
    assert [f"{row[0]}.flac" for row in rows] == sorted(path.name for path in (SAMPLE / "wavs").iterdir())

    def words(text: str) -> str:
        return " ".join("".join(char if char.isalnum() else " " for char in text.lower()).split())

    prompts = YAML(typ="safe").load((ROOT / "benchmarks" / "prompts" / "en.yaml").read_text())
    said = {words(text) for row in rows for text in row[1:]}
    assert not said & set(_strings(prompts, words))


def _strings(value: object, words: Callable[[str], str]) -> list[str]:
    """Return every text in a YAML document, whatever its keys are."""
    if isinstance(value, dict):
        value = list(value.values())
    if isinstance(value, list):
        return [text for item in value for text in _strings(item, words)]
    return [words(value)] if isinstance(value, str) else []


def test_ingest_keeps_all_of_the_sample_voice(tmp_path: Path) -> None:

    ingest(SAMPLE, tmp_path, load_params(ROOT / "params.yaml").ingest, date(2026, 1, 1))
    recordings = read_table(tmp_path / "recordings.jsonl", Recording)
    assert (tmp_path / "rejects.jsonl").read_text() == ""
    assert 80 <= len(recordings) <= 110
    assert 330 < sum(row.seconds for row in recordings) < 390
    assert all(2 < row.seconds < 9 and row.transcript for row in recordings)
