"""Files that ingest must accept. Each sound differs from all the others, so that none is another's duplicate."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from itertools import count

import numpy as np

from odd_recordings.encoding import RATE, speech, with_ffmpeg, with_soundfile
from odd_recordings.headers import (
    with_chunk,
    with_data_length,
    with_flac_length,
    with_id3,
    without_end_of_stream,
)

UNKNOWN = 0xFFFFFFFF
Make = Callable[[np.ndarray], bytes]

SOUNDFILE_FORMATS = {
    "8 bit.wav": ("WAV", "PCM_U8"),
    "24 bit.wav": ("WAV", "PCM_24"),
    "32 bit.wav": ("WAV", "PCM_32"),
    "float.wav": ("WAV", "FLOAT"),
    "double.wav": ("WAV", "DOUBLE"),
    "mu-law.wav": ("WAV", "ULAW"),
    "a-law.wav": ("WAV", "ALAW"),
    "ima adpcm.wav": ("WAV", "IMA_ADPCM"),
    "ms adpcm.wav": ("WAV", "MS_ADPCM"),
    "gsm.wav": ("WAV", "GSM610"),
    "g721.wav": ("WAV", "G721_32"),
    "extensible.wav": ("WAVEX", "PCM_24"),
    "rf64.wav": ("RF64", "PCM_16"),
    "wave64.w64": ("W64", "PCM_16"),
    "aiff.aiff": ("AIFF", "PCM_16"),
    "aiff float.aif": ("AIFF", "FLOAT"),
    "aiff adpcm.aif": ("AIFF", "IMA_ADPCM"),
    "caf.caf": ("CAF", "PCM_16"),
    "caf alac.caf": ("CAF", "ALAC_16"),
    "au.au": ("AU", "PCM_16"),
    "flac.flac": ("FLAC", "PCM_16"),
    "flac 24 bit.flac": ("FLAC", "PCM_24"),
    "flac 8 bit.flac": ("FLAC", "PCM_S8"),
    "vorbis.ogg": ("OGG", "VORBIS"),
    "vorbis.oga": ("OGG", "VORBIS"),
    "opus.opus": ("OGG", "OPUS"),
    "opus.ogg": ("OGG", "OPUS"),
    "mp3.mp3": ("MP3", None),
}
FFMPEG_FORMATS = {
    "aac.m4a": ("ipod", "aac", {}),
    "alac.m4a": ("ipod", "alac", {}),
    "fragments.mp4": ("mp4", "aac", {"movflags": "frag_keyframe+empty_moov"}),
    "opus.mp4": ("mp4", "libopus", {}),
    "pcm.mov": ("mov", "pcm_s16le", {}),
    "opus.webm": ("webm", "libopus", {}),
    "live.webm": ("webm", "libopus", {"live": "1"}),
    "aac.mka": ("matroska", "aac", {}),
    "aac.aac": ("adts", "aac", {}),
    "wavpack.wv": ("wv", "wavpack", {}),
    "true audio.tta": ("tta", "tta", {}),
    "wma.wma": ("asf", "wmav2", {}),
    "lame.mp3": ("mp3", "libmp3lame", {}),
    "without a tag.mp3": ("mp3", "libmp3lame", {"write_xing": "0", "id3v2_version": "0"}),
    "mp3 in a.wav": ("wav", "libmp3lame", {}),
    "ms adpcm 2.wav": ("wav", "adpcm_ms", {}),
}
NAMES = (
    *("Ünïcødé 名前 🎙.wav", 'it\'s "quoted".wav', "a%20b.wav", "what?.wav", "take #2.wav", "-rf.wav", "http:x.wav"),
    *("  spaces  .wav", "LOUD.WAV", "x.tar.wav", "new\nline.wav", "sub/sub sub/x.wav", "l" + 240 * "o" + "ng.wav"),
    *("[0-9]*.wav", "$(touch x).wav", "a|b.wav", "back\\slash.wav", "e\u0301.wav"),
)


def files() -> Iterator[tuple[str, bytes]]:
    """Yield (name, content)."""
    voices = map(speech, count())

    for name, (file_format, subtype) in SOUNDFILE_FORMATS.items():
        yield name, with_soundfile(next(voices), file_format, subtype)
    for name, (muxer, codec, options) in FFMPEG_FORMATS.items():
        rate = {"libopus": 48000, "wmav2": 44100}.get(codec, RATE)
        yield name, with_ffmpeg(next(voices), muxer, codec, rate=rate, **options)
    for name in NAMES:
        yield name, with_soundfile(next(voices), "WAV")
    for name, change in HEADERS.items():
        yield name, change(next(voices))
    for name, change in SOUNDS.items():
        yield name, change(next(voices))


def _wav(samples: np.ndarray, subtype: str = "PCM_16", rate: int = RATE) -> bytes:
    return with_soundfile(samples, "WAV", subtype, rate)


HEADERS: dict[str, Make] = {
    "length unknown.wav": lambda x: with_data_length(_wav(x), UNKNOWN, UNKNOWN),
    "length of sox.wav": lambda x: with_data_length(_wav(x), 0x7FFFF000, 0x7FFFF024),
    "riff 8 too long.wav": lambda x: with_data_length(_wav(x), 2 * len(x), 2 * len(x) + 44),
    "data counts the header.wav": lambda x: with_data_length(_wav(x), 2 * len(x) + 44),
    "chunk before.wav": lambda x: with_chunk(_wav(x), b"bext", bytes(857)),
    "chunk behind.wav": lambda x: with_chunk(_wav(x), b"id3 ", bytes(1001), behind=True),
    "bytes behind.wav": lambda x: _wav(x) + b"TAG" + bytes(125),
    "length unknown.flac": lambda x: with_flac_length(with_soundfile(x, "FLAC"), 0),
    "id3.flac": lambda x: with_id3(with_soundfile(x, "FLAC")),
    "cover.mp3": lambda x: with_id3(with_soundfile(x, "MP3")),
    "id3v1.mp3": lambda x: with_soundfile(x, "MP3") + b"TAG" + bytes(125),
    "two joined.mp3": lambda x: with_soundfile(x, "MP3") + with_soundfile(x[::-1], "MP3"),
    "no end of stream.ogg": lambda x: without_end_of_stream(with_soundfile(x, "OGG", "VORBIS")),
    "no end of stream.opus": lambda x: without_end_of_stream(with_soundfile(x, "OGG", "OPUS")),
    "bytes behind.ogg": lambda x: with_soundfile(x, "OGG", "VORBIS") + b"TAG" + bytes(125),
    "wav named.mp3": _wav,
    "mp3 named.wav": lambda x: with_soundfile(x, "MP3"),
    "m4a named.mp3": lambda x: with_ffmpeg(x, "ipod", "aac"),
    "ogg named.flac": lambda x: with_soundfile(x, "OGG", "VORBIS"),
}
SOUNDS: dict[str, Make] = {
    "22 kHz.wav": lambda x: _wav(x, rate=22050),
    "44056 Hz.wav": lambda x: _wav(np.tile(x, 2), rate=44056),
    "96 kHz.flac": lambda x: with_soundfile(np.tile(x, 3), "FLAC", rate=96000),
    "192 kHz.wav": lambda x: _wav(np.tile(x, 6), rate=192000),
    "offset.wav": lambda x: _wav(x * 0.3 + 0.3),
    "hot float.wav": lambda x: _wav(x / np.abs(x).max() * 2, "FLOAT"),
    "integers as float.wav": lambda x: _wav(x * 32767, "FLOAT"),
    "stereo.wav": lambda x: _wav(np.stack([x, x], 1)),
    "left only.wav": lambda x: _wav(np.stack([x, 0 * x], 1)),
    "opposite phase.wav": lambda x: _wav(np.stack([x, -x], 1)),
    "nearly opposite phase.wav": lambda x: _wav(np.stack([x, np.roll(-x, 1)], 1)),
    "two talkers.wav": lambda x: _wav(np.stack([_halves(x, 1, 0), _halves(x[::-1], 0, 1)], 1)),
    "7 channels.wav": lambda x: _wav(np.stack([x, *(0.1 * np.roll(x, 900 * n) for n in range(1, 7))], 1)),
    "quiet.wav": lambda x: _wav(x * 0.02, "PCM_24"),
    "long silence.flac": lambda x: with_soundfile(np.concatenate([np.zeros(900 * RATE, np.float32), x]), "FLAC"),
}


def _halves(samples: np.ndarray, first: float, second: float) -> np.ndarray:
    """Return the samples with another gain for each half."""
    return samples * np.repeat([first, second], len(samples) // 2).astype(np.float32)
