"""Streaming: the concatenated pieces equal the whole."""

from __future__ import annotations

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from sovits_tiny import TINY, TINY_HARMONICS, TINY_ISTFT, tiny_sovits
from torch import Tensor

from gpt_sovits.sovits.config import OFFICIAL, SoVITSConfig
from gpt_sovits.sovits.model import SoVITS
from gpt_sovits.sovits.noise import frame_noise
from gpt_sovits.sovits.streaming import (
    StreamingDecoder,
    decode_in_pieces,
    decode_latest,
    flow_context,
    generator_context,
    render_window,
)

# A few units in the last place of float32 for waveforms in (-1, 1): what "equal up to rounding" means here.
BOUND = 1e-5
PHASE_BOUND = 1e-3  # with harmonics, whose phase adds up the rounding of the pitch
N_TOKENS = 40
WITH_SPEAKERS = SoVITSConfig.from_dict(TINY.to_dict() | {"speaker_dim": 5, "style_channels": 10})


def utterance(n_tokens: int = N_TOKENS) -> tuple[Tensor, Tensor]:
    """Make codes (1, n_tokens) and phonemes (1, 9)."""
    g = torch.Generator().manual_seed(3)
    return torch.randint(0, 9, (1, n_tokens), generator=g), torch.randint(0, 20, (1, 9), generator=g)


def bound(config: SoVITSConfig) -> float:
    return PHASE_BOUND if config.istft_harmonics else BOUND


def seeded(seed: int = 7) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


def a_style(model: SoVITS) -> Tensor:
    return torch.randn(1, model.config.style_channels, 1, generator=seeded(1))


def local_model(config: SoVITSConfig = TINY) -> SoVITS:
    """Build a model whose prior looks only at a frame's own token, so that more lookahead changes nothing."""
    model = tiny_sovits(config=config).for_inference()
    model.enc_p.encode_content = lambda quantized, *_: model.enc_p.ssl_proj(quantized)
    return model


ISTFT = TINY_ISTFT.to_dict()
OTHER_SHAPES = [
    {},
    {"n_flows": 3, "flow_layers": 1, "wavenet_kernel": 3},
    {"upsample_rates": (4, 16), "upsample_kernel_sizes": (4, 22), "resblock_kernel_sizes": (3, 7)},
    {"upsample_rates": (16, 2, 2), "upsample_kernel_sizes": (18, 8, 2), "resblock_dilations": ((5, 1), (1, 2))},
    ISTFT,
    ISTFT | {"trunk_dilations": ((5, 2), (1,), (3, 3)), "istft_n_fft": 16},
    ISTFT | {"upsample_rates": (2,), "upsample_kernel_sizes": (4,), "istft_hop": 32, "istft_n_fft": 150},
    ISTFT | {"upsample_rates": (), "upsample_kernel_sizes": (), "istft_hop": 64, "istft_n_fft": 128},
]


@pytest.mark.parametrize("change", OTHER_SHAPES)
def test_contexts_are_exactly_as_wide_as_the_layers_see(change: dict[str, object]) -> None:
    config = SoVITSConfig.from_dict(TINY.to_dict() | change)
    model = tiny_sovits(config=config).double()
    style, middle, n = a_style(model).double(), 40, 81

    def reach(module_output: Tensor, latent: Tensor) -> int:
        """Return the distance of the farthest frame that has any influence."""
        (influence,) = torch.autograd.grad(module_output.square().sum(), latent)
        touched = influence.abs().sum(dim=(0, 1)).nonzero().flatten() - middle
        return int(touched.abs().max())

    z = torch.randn(1, config.latent_channels, n, dtype=torch.float64, generator=seeded(), requires_grad=True)
    out = model.flow(z, torch.ones(1, 1, n, dtype=torch.float64), style, reverse=True)
    assert reach(out[:, :, middle], z) == flow_context(config)
    waveform = model.dec(z, style).unflatten(2, (n, config.hop_length))
    assert reach(waveform[:, :, middle], z) == generator_context(config)


def test_contexts_at_the_official_sizes() -> None:
    assert {(flow_context(c), generator_context(c)) for c in OFFICIAL.values()} == {(32, 11)}


@given(st.data())
@settings(max_examples=40, deadline=None)
def test_any_window_equals_that_part_of_the_whole(data: st.DataObject) -> None:
    model = tiny_sovits(config=data.draw(st.sampled_from([TINY, TINY_ISTFT, TINY_HARMONICS])))
    n = data.draw(st.integers(1, 60))
    start = data.draw(st.integers(0, n - 1))
    stop = data.draw(st.integers(start + 1, n))
    z, style = torch.randn(1, 8, n, generator=seeded(n)), a_style(model)
    with torch.no_grad():
        whole = model.render(z, style, torch.tensor([n]))
        cycles = render_window(model, z, style, 0, start)[1] if start else None
        window, phases = render_window(model, z, style, start, stop, cycles=None if cycles is None else cycles[:, -1:])
    assert (phases is None) == (model.config is not TINY_HARMONICS)
    assert phases is None or phases.shape == (1, stop - start + 1)
    assert window.shape == (1, (stop - start) * TINY.hop_length)
    torch.testing.assert_close(window, whole[:, start * 64 : stop * 64], rtol=0, atol=bound(model.config))


@pytest.mark.parametrize("piece_frames", [1, 9, 200])
@pytest.mark.parametrize("speed", [1.0, 1.3])
@pytest.mark.parametrize(
    "config", [TINY, WITH_SPEAKERS, TINY_ISTFT, TINY_HARMONICS], ids=["v2", "v2Pro", "istft", "harmonics"]
)
def test_pieces_of_known_tokens_equal_the_whole(config: SoVITSConfig, piece_frames: int, speed: float) -> None:
    model, (codes, phonemes) = tiny_sovits(config=config).for_inference(), utterance()
    arguments = {"style": a_style(model), "speed": speed}
    whole, _ = model.decode(codes, phonemes, **arguments, generator=seeded())
    pieces = list(decode_in_pieces(model, codes, phonemes, **arguments, piece_frames=piece_frames, generator=seeded()))
    assert all(len(piece) == piece_frames * 64 for piece in pieces[:-1])
    torch.testing.assert_close(torch.cat(pieces), whole[0], rtol=0, atol=bound(config))


def stream(model: SoVITS, cuts: list[int], **options: object) -> list[Tensor]:
    """Return the pieces for tokens that come in parts of these sizes and then the rest."""
    codes, phonemes = utterance()
    decoder = StreamingDecoder(model, phonemes, a_style(model), generator=seeded(), **options)
    return [
        decoder.push(part, final=i == len(cuts))
        for i, part in enumerate(codes[0].split([*cuts, codes.shape[1] - sum(cuts)]))
    ]


@pytest.mark.parametrize("prior_lookahead", [0, 8, 1000])
def test_a_stream_whose_tokens_come_at_once_equals_the_whole(prior_lookahead: int) -> None:
    model, (codes, phonemes) = tiny_sovits().for_inference(), utterance()
    whole, _ = model.decode(codes, phonemes, a_style(model), generator=seeded())
    (waveform,) = stream(model, [], prior_lookahead=prior_lookahead, blend_frames=0)
    torch.testing.assert_close(waveform, whole[0], rtol=0, atol=BOUND)


@given(
    st.lists(st.integers(0, 12), max_size=8).filter(lambda cuts: sum(cuts) <= N_TOKENS),
    st.sampled_from([TINY, TINY_ISTFT, TINY_HARMONICS]),
)
@settings(max_examples=40, deadline=None)
def test_with_a_local_prior_a_stream_equals_the_whole_whatever_its_parts(cuts: list[int], config: SoVITSConfig) -> None:
    model, (codes, phonemes) = local_model(config), utterance()
    whole, _ = model.decode(codes, phonemes, a_style(model), generator=seeded())
    torch.testing.assert_close(torch.cat(stream(model, cuts)), whole[0], rtol=0, atol=bound(config))


@pytest.mark.parametrize("speed", [0.7, 1.4, 2.5])
@pytest.mark.parametrize("cuts", [[3, 5, 9], [40], [39, 0]])
def test_the_parts_do_not_matter_at_another_speed_either(speed: float, cuts: list[int]) -> None:
    at_once, parts = (torch.cat(stream(local_model(), c, speed=speed)) for c in ([], cuts))
    assert len(parts) == (int(2 * N_TOKENS / speed) + 1) * 64
    torch.testing.assert_close(parts, at_once, rtol=0, atol=BOUND)


def test_more_lookahead_of_a_real_prior_comes_closer_to_the_whole() -> None:
    model, (codes, phonemes) = tiny_sovits().for_inference(), utterance()
    whole, _ = model.decode(codes, phonemes, a_style(model), generator=seeded())
    error = {
        n: float((torch.cat(stream(model, [10, 10, 10], prior_lookahead=n)) - whole[0]).square().mean())
        for n in (4, 1000)
    }
    assert error[1000] < BOUND**2 < error[4] < float(whole.square().mean())


def test_less_render_lookahead_is_earlier_and_stays_close() -> None:
    pieces = stream(local_model(), [10, 10, 10])
    early = stream(local_model(), [10, 10, 10], render_lookahead=5, crossfade_frames=2)
    assert [len(p) for p in early[:2]] == [(20 - 8 - 5) * 64, 20 * 64]
    assert len(pieces[0]) < len(early[0])
    exact, near = torch.cat(pieces), torch.cat(early)
    assert near.shape == exact.shape
    assert 0 < float((near - exact).square().mean()) < 0.05 * float(exact.square().mean())


def test_noise_of_frames_drawn_later_continues_the_same_stream() -> None:
    for channels in (1, 8, 16, 192):
        whole, source = frame_noise(channels, 30, seeded()), seeded()
        parts = torch.cat([frame_noise(channels, n, source) for n in (1, 0, 12, 17)], dim=1)
        assert whole.shape == (channels, 30)
        assert torch.equal(whole, parts)
    noise = frame_noise(192, 500, seeded())
    assert abs(float(noise.mean())) < 0.01 and abs(float(noise.std()) - 1) < 0.01


def test_upstreams_method_for_all_tokens_equals_the_whole() -> None:
    model, (codes, phonemes) = tiny_sovits(), utterance()
    for speed in (1.0, 1.4):
        whole, _ = model.decode(codes, phonemes, a_style(model), speed=speed, generator=seeded())
        latest, hidden = decode_latest(
            model, codes, phonemes, a_style(model), N_TOKENS, speed=speed, generator=seeded()
        )
        assert hidden.shape == (1, 8, 2 * N_TOKENS)
        torch.testing.assert_close(latest, whole, rtol=0, atol=BOUND)


def test_impossible_streams_are_refused() -> None:
    model, (codes, phonemes) = tiny_sovits(), utterance()
    style = a_style(model)

    def decoder(**options: object) -> StreamingDecoder:
        return StreamingDecoder(model, phonemes, style, noise_scale=0.0, **options)

    with pytest.raises(ValueError, match=r"codes holds values from 9 to 9; they must be in 0\.\.8"):
        decoder().push(torch.tensor([9]))
    with pytest.raises(ValueError, match="no token came before the end"):
        decoder().push(torch.zeros(0, dtype=torch.int64), final=True)
    with pytest.raises(ValueError, match=r"codes has shape \(1, 40\); it must be \(n,\)"):
        decoder().push(codes)
    with pytest.raises(ValueError, match=r"blend_frames is 9; it must be in 0\.\.8"):
        decoder(blend_frames=9)
    with pytest.raises(ValueError, match=r"crossfade_frames is 4; it must be in 0\.\.3"):
        decoder(render_lookahead=3, crossfade_frames=4)
    with pytest.raises(ValueError, match=r"noise_scale is 0\.5 without a generator"):
        StreamingDecoder(model, phonemes, style)
    finished = decoder()
    finished.push(codes[0], final=True)
    with pytest.raises(ValueError, match="the utterance was finished"):
        finished.push(codes[0])
    with pytest.raises(ValueError, match="2 rows of codes and 2 of phoneme_ids; a stream speaks a single utterance"):
        next(decode_in_pieces(model, codes.repeat(2, 1), phonemes.repeat(2, 1), style, piece_frames=3, noise_scale=0.0))
    with pytest.raises(ValueError, match="piece_frames is 0"):
        next(decode_in_pieces(model, codes, phonemes, style, piece_frames=0, noise_scale=0.0))
    with pytest.raises(ValueError, match=r"n_latest is 41; it must be in 1\.\.40"):
        decode_latest(model, codes, phonemes, style, 41, noise_scale=0.0)
    with pytest.raises(ValueError, match="frames 3 to 3 are not a window of 5 frames"):
        render_window(model, torch.zeros(1, 8, 5), style, 3, 3)
