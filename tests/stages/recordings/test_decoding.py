"""Decoding in blocks: the same samples as at once, and one error for whatever is wrong with a file."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import soundfile
from hypothesis import given, settings
from hypothesis import strategies as st
from odd_recordings.encoding import RATE, speech, with_ffmpeg, with_soundfile
from odd_recordings.headers import with_flac_length, with_format

from gpt_sovits.audio import AudioError, resample, resample_blocks
from stages.recordings.containers import announced_mp3_samples
from stages.recordings.decoding import BLOCK_SAMPLES, mono_blocks, open_audio
from stages.recordings.measure import measure_file

ENCODED = {
    "wav": with_soundfile(speech(), "WAV"),
    "flac": with_soundfile(speech(), "FLAC"),
    "ogg": with_soundfile(speech(), "OGG", "VORBIS"),
    "mp3": with_soundfile(speech(), "MP3"),
    "m4a": with_ffmpeg(speech(), "ipod", "aac"),
    "webm": with_ffmpeg(speech(), "webm", "libopus", rate=48000),
}


def decoded(path: Path) -> np.ndarray:
    """Return all samples, (n, n_channels)."""
    with open_audio(path) as stream:
        return np.concatenate(list(stream.blocks))


@pytest.mark.parametrize("suffix", ["wav", "flac", "caf", "aiff"])
def test_the_blocks_are_the_samples_of_the_file(tmp_path: Path, suffix: str) -> None:
    samples = np.random.default_rng(0).uniform(-0.5, 0.5, (3 * BLOCK_SAMPLES + 17, 2)).astype(np.float32)
    path = tmp_path / f"x.{suffix}"
    soundfile.write(path, samples, 44100)
    whole, _ = soundfile.read(path, dtype="float32")
    with open_audio(path) as stream:
        blocks = list(stream.blocks)
    assert [len(block) for block in blocks] == [BLOCK_SAMPLES] * 3 + [17]
    assert (np.concatenate(blocks) == whole).all()


def test_ffmpeg_and_libsndfile_decode_the_same_samples(tmp_path: Path) -> None:
    samples = (speech() * 32768).round() / 32768
    for name, data in {
        "x.mov": with_ffmpeg(samples, "mov", "pcm_s16le"),
        "x.wav": with_soundfile(samples, "WAV"),
    }.items():
        (tmp_path / name).write_bytes(data)
        assert (decoded(tmp_path / name)[:, 0] == samples).all()


@settings(max_examples=60, deadline=None)
@given(st.sampled_from(sorted(ENCODED)), st.data())
def test_a_file_with_wrong_bytes_is_decoded_or_is_one_error(
    tmp_path_factory: pytest.TempPathFactory, kind: str, data: st.DataObject
) -> None:
    content = bytearray(ENCODED[kind])
    for _ in range(data.draw(st.integers(1, 5))):
        near_head = data.draw(st.booleans())
        position = data.draw(st.integers(0, min(300, len(content)) - 1 if near_head else len(content) - 1))
        content[position] = data.draw(st.integers(0, 255))
    path = tmp_path_factory.mktemp("x") / f"x.{kind}"
    path.write_bytes(content[: data.draw(st.integers(1, len(content)))])
    try:
        with open_audio(path) as stream:
            for block in stream.blocks:
                assert block.dtype == np.float32 and 0 < len(block) <= BLOCK_SAMPLES
                assert block.shape[1] == stream.n_channels
                assert np.isfinite(block).all()
    except AudioError as error:
        assert str(error).startswith(f"x.{kind}: ") and "\n" not in str(error)


def test_an_error_of_the_reader_is_not_taken_for_one_of_the_file(tmp_path: Path) -> None:
    (tmp_path / "x.m4a").write_bytes(ENCODED["m4a"])
    with pytest.raises(ValueError, match="mine") as caught, open_audio(tmp_path / "x.m4a"):
        raise ValueError("mine")
    assert not isinstance(caught.value, AudioError)


def test_a_recording_that_is_too_long_is_refused_by_its_header_or_while_it_is_decoded(tmp_path: Path) -> None:
    stated, open_end = tmp_path / "stated.flac", tmp_path / "open.flac"
    stated.write_bytes(with_flac_length(ENCODED["flac"], 3600 * RATE))
    open_end.write_bytes(with_flac_length(with_soundfile(np.tile(speech(), 9), "FLAC"), 0))
    with pytest.raises(AudioError, match=r"3600 s is longer than ingest\.max_seconds = 10; cut it, says its header"):
        measure_file(stated, 10)
    with pytest.raises(AudioError, match=r"1[0-2] s is longer than ingest\.max_seconds = 10; cut it$"):
        measure_file(open_end, 10)


def test_mono_sound_is_one_channel_without_offset_at_full_scale() -> None:
    class Source:
        channel, dc_offset, full_scale = 2, 1.0, 4.0

    blocks = [np.array([[0, 3], [0, -7]], np.float32), np.array([[0, 5]], np.float32)]
    assert [block.tolist() for block in mono_blocks(blocks, Source())] == [[0.5, -2.0], [1.0]]
    Source.channel = None
    assert [block.tolist() for block in mono_blocks(blocks, Source())] == [[0.125, -1.125], [0.375]]


@settings(max_examples=25, deadline=None)
@given(st.lists(st.integers(0, 5000), max_size=8), st.sampled_from([16000, 22050, 32000, 48000]))
def test_blocks_are_resampled_to_the_bytes_of_the_whole(lengths: list[int], rate: int) -> None:
    waveform = np.random.default_rng(0).normal(0, 0.1, sum(lengths) + 1).astype(np.float32)
    blocks = np.split(waveform, np.cumsum(lengths))
    joined = np.concatenate(list(resample_blocks(blocks, 22050, rate)))
    assert (joined == resample(waveform, 22050, rate)).all()


def test_an_impossible_sample_rate_is_one_error(tmp_path: Path) -> None:
    (tmp_path / "x.wav").write_bytes(with_format(ENCODED["wav"], rate=100))
    with pytest.raises(AudioError, match=r"^x\.wav: is damaged: its header states 100 Hz, and no sound below 1000 Hz"):
        measure_file(tmp_path / "x.wav", 1e9)


@pytest.mark.parametrize("place", [4080, 4088, 4090])
def test_a_word_in_an_mp3_is_not_taken_for_its_tag(tmp_path: Path, place: int) -> None:
    mp3 = with_ffmpeg(speech(), "mp3", "libmp3lame", write_xing="0", id3v2_version="0")
    (tmp_path / "x.mp3").write_bytes(mp3[:place] + b"Info\xff\xff\xff\xff" + mp3[place + 8 :])
    assert announced_mp3_samples(tmp_path / "x.mp3") is None
    (tmp_path / "x.mp3").write_bytes(with_ffmpeg(speech(), "mp3", "libmp3lame", id3v2_version="0"))
    assert announced_mp3_samples(tmp_path / "x.mp3") == len(speech())


# the inputs of the measured cases


def test_measured_cases_are_accepted_or_refused_rightly(shared: Path) -> None:
    if not (shared / "cases/audio").is_dir():
        pytest.skip(f"{shared}/cases/audio does not exist")
    lengths, refused = {}, {}
    for path in sorted((shared / "cases/audio").iterdir()):
        try:
            lengths[path.name] = measure_file(path, 60)[0].seconds
        except AudioError as error:
            refused[path.name[:3]] = str(error).removeprefix(f"{path.name}: ")[:12]
    assert refused == {"b07": "is cut short", "b13": "is cut short"}
    assert len(lengths) == 8
    assert all(4.5 < seconds < 4.65 for seconds in lengths.values())
