"""Files that ingest must refuse, each with a pattern of the true reason."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from odd_recordings.accepted import FFMPEG_FORMATS, SOUNDFILE_FORMATS
from odd_recordings.encoding import RATE, speech, video_without_sound, with_ffmpeg, with_soundfile
from odd_recordings.headers import damaged, with_flac_length, with_format, with_id3, without_end, zip_of_nothing

UNKNOWN_CONTENT = r"^its content is not that of an audio format that is known"
CUT = r"^is cut short"
DAMAGED = r"^is damaged|^is cut short or damaged"
NOT_CUTTABLE = ("without a tag.mp3", "live.webm", "mp3 in a.wav")  # they do not say how long they are


def files() -> Iterator[tuple[str, bytes, str]]:
    """Yield (name, content, pattern of the reason)."""
    x = speech(seconds=3.5)
    for name, (file_format, subtype) in SOUNDFILE_FORMATS.items():
        yield f"cut {name}", without_end(with_soundfile(x, file_format, subtype)), CUT
    for name, (muxer, codec, options) in FFMPEG_FORMATS.items():
        if name not in NOT_CUTTABLE:
            rate = {"libopus": 48000, "wmav2": 44100}.get(codec, RATE)
            yield f"cut {name}", without_end(with_ffmpeg(x, muxer, codec, rate=rate, **options)), CUT
    yield "cut behind its cover.mp3", without_end(with_id3(with_soundfile(x, "MP3")), 0.97), CUT
    yield "only a cover.mp3", with_id3(b""), r"^is cut short: it ends in its ID3 tag"
    yield "cover cut.mp3", with_id3(with_soundfile(x, "MP3"))[:90000], r"^is cut short: it ends in its ID3 tag"
    yield "damaged.flac", damaged(with_soundfile(x, "FLAC")), DAMAGED
    yield "damaged.ogg", damaged(with_soundfile(x, "OGG", "VORBIS")), DAMAGED
    yield "damaged.opus", damaged(with_soundfile(x, "OGG", "OPUS")), DAMAGED
    yield "damaged.mp3", damaged(with_ffmpeg(x, "mp3", "libmp3lame"), 2000), DAMAGED
    yield "damaged.m4a", damaged(with_ffmpeg(x, "ipod", "aac")), DAMAGED
    yield "damaged.aac", damaged(with_ffmpeg(x, "adts", "aac")), DAMAGED
    yield from _of_other_content(x)
    yield from _of_impossible_headers(x)
    yield from _of_unusable_sound(x)


def _of_other_content(x: np.ndarray) -> Iterator[tuple[str, bytes, str]]:
    flac, wav = with_soundfile(x, "FLAC"), with_soundfile(x, "WAV")
    yield "empty.wav", b"", r"^is empty$"
    yield "one byte.mp3", b"\xff", UNKNOWN_CONTENT
    yield "text.wav", b"this is not audio", UNKNOWN_CONTENT
    yield "page.mp3", b"<!DOCTYPE html><html><body>404 Not Found</body></html>", UNKNOWN_CONTENT
    yield "zip.m4a", zip_of_nothing(), UNKNOWN_CONTENT
    yield "zeros.wav", bytes(100_000), UNKNOWN_CONTENT
    yield "random.flac", np.random.default_rng(3).bytes(50_000), UNKNOWN_CONTENT
    yield "sync words.mp3", b"\xff\xfb\x90" + np.random.default_rng(2).bytes(50_000), CUT
    yield "playlist.m4a", b"#EXTM3U\n#EXTINF:9,\nhttp://127.0.0.1:9/x.ts\n", UNKNOWN_CONTENT
    yield "concatenation.mp4", b"ffconcat version 1.0\nfile good.wav\n", UNKNOWN_CONTENT
    yield "session.wav", b"v=0\no=- 0 0 IN IP4 127.0.0.1\n", UNKNOWN_CONTENT
    yield "git lfs.wav", b"version https://git-lfs.github.com/spec/v1\noid sha256:0\nsize 1\n", UNKNOWN_CONTENT
    yield "picture only.mp4", video_without_sound(), r"^has no audio track"
    yield "header only.wav", wav[:44], CUT
    yield "half a header.wav", wav[:20], r"^is cut short"
    yield "header only.flac", flac[:60], CUT
    yield "magic only.flac", b"fLaC", CUT
    yield "magic only.ogg", b"OggS", CUT
    yield "magic only.m4a", b"\0\0\0\x20ftypM4A ", CUT
    yield "magic only.webm", b"\x1a\x45\xdf\xa3", CUT


def _of_impossible_headers(x: np.ndarray) -> Iterator[tuple[str, bytes, str]]:
    flac, wav = with_soundfile(x, "FLAC"), with_soundfile(x, "WAV")
    yield "2^36 samples.flac", with_flac_length(flac, 2**36 - 1), r"4294967 s is longer than ingest\.max_seconds"
    eleven_hours = with_flac_length(flac, 11 * 3600 * RATE)
    yield "11 hours.flac", eleven_hours, r"^39600 s is longer than ingest\.max_seconds = 36000; cut it, says its header"
    yield "more samples.flac", with_flac_length(flac, 2 * len(x)), CUT
    yield "no channel.wav", with_format(wav, channels=0), CUT
    yield "65535 channels.wav", with_format(wav, channels=65535), CUT
    yield "0 Hz.wav", with_format(wav, rate=0), DAMAGED
    yield "1 Hz.wav", with_format(wav, rate=1), r"^is damaged: its header states 1 Hz"
    yield "100 Hz.wav", with_format(wav, rate=100), r"^is damaged: its header states 100 Hz, and no sound below 1000"
    yield "4 GHz.wav", with_format(wav, rate=2**32 - 1), DAMAGED


def _of_unusable_sound(x: np.ndarray) -> Iterator[tuple[str, bytes, str]]:
    spoilt = {"nan": np.nan, "infinite": np.inf, "huge": 1e30}
    for name, value in spoilt.items():
        samples = np.where(np.arange(len(x)) == 999, np.float32(value), x)
        yield (
            f"{name}.wav",
            with_soundfile(samples, "WAV", "FLOAT"),
            r"^holds NaN or inf|^is damaged: a sample of 1e\+30",
        )
    yield "silence.wav", with_soundfile(0 * x, "WAV"), r"^silence: level -120\.0 dBFS is below"
    yield "constant.wav", with_soundfile(0 * x + 0.5, "WAV"), r"^silence"
    yield "hiss.flac", with_soundfile(x * 1e-4, "FLAC", "PCM_24"), r"^silence: level -\d+\.\d+ dBFS"
    yield "clipped.wav", with_soundfile(np.clip(20 * x, -1, 1), "WAV"), r"^clipped: share 0\.\d+"
    yield "clipped float.wav", with_soundfile(2 * np.clip(20 * x, -1, 1), "WAV", "FLOAT"), r"^clipped: share 0\.\d+"
    yield "short.wav", with_soundfile(x[3000:9000], "WAV"), r"^0\.38 s is shorter than ingest\.min_seconds"
    yield "8 kHz.wav", with_soundfile(x[::2], "WAV", rate=8000), r"^8000 Hz is below ingest\.min_sample_rate"
    yield "11 kHz.mp3", with_soundfile(x[:20000], "MP3", rate=11025), r"^11025 Hz is below"
    yield "no samples.wav", with_soundfile(x[:0], "WAV"), r"^holds no samples"
