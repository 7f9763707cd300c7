"""Sound in six formats: whole, streamed, and the same whatever the pieces were."""

from __future__ import annotations

import io

import av
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from serving.encoding import FORMATS, TAGGED, encode, encode_file, open_encoder, output_rate, wav_header
from serving.errors import InvalidRequestError

RATE = 32_000
COMPRESSED = ("mp3", "opus", "aac", "flac")


def tone(seconds: float = 1.0) -> bytes:
    """A glide from 200 to 400 Hz."""
    t = np.arange(round(seconds * RATE)) / RATE
    return (0.3 * np.sin(2 * np.pi * (200 + 100 * t) * t) * 32767).astype("<i2").tobytes()


def decode(data: bytes) -> tuple[np.ndarray, int]:
    with av.open(io.BytesIO(data)) as container:
        resampler = av.AudioResampler(format="s16", layout="mono")
        frames = [f for frame in container.decode(audio=0) for f in resampler.resample(frame)]
    return np.concatenate([frame.to_ndarray()[0] for frame in frames]), frames[0].sample_rate


def streamed(form: str, pcm: bytes, sizes: list[int], rate: int | None = None) -> bytes:
    encoder, parts, start = open_encoder(form, RATE, rate), [], 0
    for size in [*sizes, len(pcm)]:
        parts.append(encoder.push(pcm[start : start + 2 * size]))
        start += 2 * size
    return b"".join([*parts, encoder.finish()])


@pytest.mark.parametrize("form", FORMATS)
def test_what_is_streamed_decodes_to_the_same_sound(form):
    pcm = tone()
    data = streamed(form, pcm, [700] * 30)
    if form == "pcm":
        samples, rate = np.frombuffer(data, "<i2"), 24_000
    elif form == "wav":
        assert data[:44] == wav_header(RATE, None)
        samples, rate = np.frombuffer(data[44:], "<i2"), RATE
    else:
        samples, rate = decode(data)
    assert rate == output_rate(form, RATE)
    assert len(samples) / rate == pytest.approx(1.0, abs=0.08)  # encoders pad to whole frames
    level = np.sqrt(np.mean(samples[rate // 4 : rate * 3 // 4].astype(float) ** 2))
    assert level == pytest.approx(0.3 * 32767 / np.sqrt(2), rel=0.06)  # LAME takes off 5 %


@pytest.mark.parametrize("form", FORMATS)
def test_a_whole_file_has_its_true_length(form):
    data = encode(form, tone(), RATE)
    if form in ("flac", "wav"):
        with av.open(io.BytesIO(data)) as container:
            assert container.duration == 1_000_000
    samples = np.frombuffer(data, "<i2") if form == "pcm" else decode(data)[0]
    assert len(samples) / output_rate(form, RATE) == pytest.approx(1.0, abs=0.08)


@settings(max_examples=25, deadline=None)
@given(form=st.sampled_from(FORMATS), sizes=st.lists(st.integers(1, 9000), max_size=12))
def test_the_bytes_do_not_depend_on_the_pieces(form, sizes):
    pcm = tone(0.4)
    assert streamed(form, pcm, sizes) == streamed(form, pcm, [])


@pytest.mark.parametrize("form", FORMATS)
def test_a_piece_is_sent_soon_after_it_was_pushed(form):
    encoder = open_encoder(form, RATE)
    n_pushed = next(n for n in range(1, 100) if len(encoder.push(tone(0.02))) > 0)
    assert 0.02 * n_pushed <= 0.25  # seconds of sound; a page of Ogg holds 1 s by default


@pytest.mark.parametrize("form", FORMATS)
def test_no_sound_is_an_empty_file(form):
    assert isinstance(open_encoder(form, RATE).finish(), bytes)
    assert isinstance(encode(form, b"", RATE), bytes)


def test_telephones_get_8000_hertz():
    for form in FORMATS:
        assert output_rate(form, RATE, 8000) == 8000
    assert len(streamed("pcm", tone(), [], rate=8000)) == pytest.approx(16_000, abs=4)


def test_a_rate_that_opus_cannot_have_is_refused_with_those_that_it_can():
    with pytest.raises(InvalidRequestError, match=r"44100; it takes 8000, 16000, 24000, 48000"):
        output_rate("opus", RATE, 44_100)


@pytest.mark.parametrize("form", FORMATS)
def test_tags_are_in_the_formats_that_have_them_and_leave_the_sound_alone(form):
    tagged, plain, tags = io.BytesIO(), io.BytesIO(), {"title": "Spring sale", "artist": "anna"}
    encode_file(form, io.BytesIO(tone()), tagged, RATE, tags=tags)
    encode_file(form, io.BytesIO(tone()), plain, RATE)
    if form not in TAGGED:
        assert tagged.getvalue() == plain.getvalue()
        return
    with av.open(io.BytesIO(tagged.getvalue())) as file:
        assert {**file.metadata, **file.streams[0].metadata}.items() >= tags.items()
    assert np.array_equal(decode(tagged.getvalue())[0], decode(plain.getvalue())[0])
