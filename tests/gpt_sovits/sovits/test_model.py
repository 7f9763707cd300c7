"""SoVITS: its config, and that the rows of a batch do not depend on each other."""

from __future__ import annotations

from dataclasses import replace

import pytest
import torch
from sovits_tiny import TINY, TINY_ISTFT, tiny_clip, tiny_sovits
from torch import Tensor

from gpt_sovits.adaptation.sovits_batch import collate
from gpt_sovits.sovits.config import OFFICIAL, DiscriminatorConfig, SoVITSConfig
from gpt_sovits.sovits.flow import Flow
from gpt_sovits.sovits.layers.attention import band_to_square, square_to_band
from gpt_sovits.sovits.model import SoVITS

WITH_SPEAKERS = SoVITSConfig.from_dict(TINY.to_dict() | {"speaker_dim": 5, "style_channels": 10})


@pytest.mark.parametrize("config", [TINY, TINY_ISTFT, *OFFICIAL.values(), DiscriminatorConfig()])
def test_the_config_survives_json(config: SoVITSConfig | DiscriminatorConfig) -> None:
    assert type(config).from_dict(config.to_dict()) == config


def test_the_config_refuses_unknown_and_missing_keys_and_changes() -> None:
    values = TINY.to_dict()
    with pytest.raises(ValueError, match="gin_channels"):
        SoVITSConfig.from_dict(values | {"gin_channels": 512})
    del values["n_fft"]
    with pytest.raises(ValueError, match="lacks n_fft"):
        SoVITSConfig.from_dict(values)
    with pytest.raises(ValueError, match="frozen"):
        TINY.n_fft = 3


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"hop_length": 60}, r"hop_length 60 must be sample_rate / 50 = 64"),
        ({"upsample_rates": (8, 4)}, r"product of upsample_rates \(8, 4\) must be hop_length 64"),
        ({"upsample_kernel_sizes": (16,)}, "one kernel per rate"),
        ({"upsample_kernel_sizes": (15, 16)}, "even number"),
        ({"reference_bins": 200}, "reference_bins 200 exceeds"),
        ({"style_channels": 16}, "style_channels 16 must equal mrte_channels 12"),
        ({"latent_channels": 7}, "latent_channels 7 must be even"),
        ({"n_heads": 3}, "hidden_channels 8 must be divisible by its 3 heads"),
        ({"resblock_kernel_sizes": (3, 4)}, "must be odd"),
        ({"codebook_size": 0}, "codebook_size"),
        ({"generator": "vocos"}, "generator"),
        ({"istft_hop": 8}, r"istft_hop 8 and trunk_dilations \(\) must be 0, 0 and \(\) with the generator hifigan"),
        ({"trunk_dilations": ((1,),)}, r"trunk_dilations \(\(1,\),\) must be 0, 0 and \(\)"),
    ],
)
def test_the_config_names_what_does_not_fit(change: dict[str, object], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        SoVITSConfig.from_dict(TINY.to_dict() | change)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"istft_hop": 0}, r"product of upsample_rates \(8,\) and istft_hop 0 must be hop_length 64"),
        ({"upsample_rates": (16,)}, r"product of upsample_rates \(16,\) and istft_hop 8 must be hop_length 64"),
        ({"istft_n_fft": 14}, "istft_n_fft 14 must be at least twice istft_hop 8"),
        ({"istft_n_fft": 33}, "istft_n_fft 33 and istft_hop 8 must be even"),
        ({"istft_n_fft": -2}, "istft_n_fft"),
        ({"generator": "hifigan", "upsample_rates": (8,)}, "must be hop_length 64.*only istft has such parts"),
    ],
)
def test_the_config_of_an_istft_generator_names_what_does_not_fit(change: dict[str, object], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        SoVITSConfig.from_dict(TINY_ISTFT.to_dict() | change)


def test_band_and_square_agree_with_their_definition() -> None:
    for n in (1, 3, 12):
        band, square = torch.randn(2, n, 9), torch.randn(2, n, n)
        expected_square, expected_band = torch.zeros(2, n, n), torch.zeros(2, n, 9)
        for i in range(n):
            for r in range(9):
                if 0 <= i + r - 4 < n:
                    expected_square[:, i, i + r - 4] = band[:, i, r]
                    expected_band[:, i, r] = square[:, i, i + r - 4]
        assert torch.equal(band_to_square(band), expected_square)
        assert torch.equal(square_to_band(square, 9), expected_band)


def test_the_flow_is_invertible() -> None:
    torch.manual_seed(0)
    flow = Flow(8, 8, 5, 2, 3, 4)
    for parameter in flow.parameters():
        torch.nn.init.normal_(parameter, std=0.3)
    z, mask, style = torch.randn(2, 8, 11), torch.ones(2, 1, 11), torch.randn(2, 4, 1)
    forward = flow(z, mask, style)
    assert not torch.allclose(forward, z)
    torch.testing.assert_close(flow(forward, mask, style, reverse=True), z, rtol=1e-4, atol=1e-5)


def _rows() -> list[tuple[Tensor, Tensor, Tensor]]:
    """Make (codes, phonemes, reference spectrogram) three times, each of another length."""
    g = torch.Generator().manual_seed(5)
    return [
        (
            torch.randint(0, TINY.codebook_size, (n,), generator=g),
            torch.randint(0, TINY.n_symbols, (x,), generator=g),
            torch.rand(TINY.spectrogram_bins, t, generator=g),
        )
        for n, x, t in ((7, 9, 20), (12, 4, 9), (3, 15, 13))
    ]


@pytest.mark.parametrize("speed", [1.0, 1.4, 0.7])
@pytest.mark.parametrize("config", [TINY, WITH_SPEAKERS, TINY_ISTFT], ids=["v2", "v2Pro", "istft"])
@torch.no_grad()
def test_a_row_of_a_batch_is_decoded_as_without_the_others(config: SoVITSConfig, speed: float) -> None:
    model, rows = tiny_sovits(config=config).for_inference(), _rows()
    speakers = torch.randn(3, config.speaker_dim, generator=torch.Generator().manual_seed(1))
    n_codes, n_phonemes, n_frames = (torch.tensor([r[i].shape[-1] for r in rows]) for i in range(3))
    codes = torch.stack([torch.nn.functional.pad(r[0], (0, 12 - len(r[0])), value=8) for r in rows])
    phonemes = torch.stack([torch.nn.functional.pad(r[1], (0, 15 - len(r[1])), value=3) for r in rows])
    references = torch.stack([torch.nn.functional.pad(r[2], (0, 20 - r[2].shape[1]), value=0.5) for r in rows])
    style = model.style_embedding(references, n_frames, speakers if config.speaker_dim else None)
    waveforms, lengths = model.decode(
        codes,
        phonemes,
        style,
        code_lengths=n_codes,
        phoneme_lengths=n_phonemes,
        speed=speed,
        generator=[torch.Generator().manual_seed(i) for i in range(3)],
    )
    for i, (row_codes, row_phonemes, reference) in enumerate(rows):
        alone_style = model.mean_style([reference], [speakers[i]] if config.speaker_dim else None)
        torch.testing.assert_close(style[i : i + 1], alone_style, rtol=1e-4, atol=1e-5)
        alone, alone_length = model.decode(
            row_codes[None],
            row_phonemes[None],
            alone_style,
            speed=speed,
            generator=torch.Generator().manual_seed(i),
        )
        n_frames_out = 2 * len(row_codes) if speed == 1 else int(2 * len(row_codes) / speed) + 1
        assert alone_length.tolist() == [lengths[i]] == [n_frames_out * TINY.hop_length]
        torch.testing.assert_close(waveforms[i, : lengths[i]], alone[0], rtol=1e-4, atol=1e-5)
        assert not waveforms[i, lengths[i] :].any()


@pytest.mark.parametrize("config", [TINY, TINY_ISTFT], ids=["hifigan", "istft"])
@torch.no_grad()
def test_a_clip_in_a_padded_training_batch_gets_what_it_gets_without_the_others(config: SoVITSConfig) -> None:
    model, clips = tiny_sovits(config=config), [tiny_clip(30, 1), tiny_clip(18, 2), tiny_clip(6, 3)]
    starts = torch.tensor([5, 10, 0])
    noise = torch.randn(3, TINY.latent_channels, 30, generator=torch.Generator().manual_seed(0))

    def run(batch_clips: list, rows: list[int]) -> tuple:
        b = collate(batch_clips, TINY, 8)
        n = b.spectrograms.shape[2]
        args = (b.ssl_features, b.spectrograms, b.frame_lengths, b.phoneme_ids, b.phoneme_lengths)
        return model(*args, noise[rows, :, :n], starts[rows], 8)

    together = run(clips, [0, 1, 2])
    for row, clip in enumerate(clips):
        alone = run([clip], [row])
        for name, a, t in zip(alone._fields, alone, together, strict=True):
            if name == "commitment_loss":
                continue
            torch.testing.assert_close(t[row, ..., : a.shape[-1]], a[0], rtol=1e-4, atol=1e-5, msg=name)
    assert not together.waveforms[2, 0, 6 * TINY.hop_length :].any()  # the crop is longer than the clip


@torch.no_grad()
def test_folding_the_weight_norms_changes_no_sample() -> None:
    codes, phonemes, reference = _rows()[0]
    plain, folded = tiny_sovits(), tiny_sovits().for_inference()
    assert not any(name.endswith(("weight_g", "weight_v")) for name, _ in folded.named_parameters())
    a, b = (
        m.decode(codes[None], phonemes[None], m.mean_style([reference]), noise_scale=0.0)[0]
        for m in (plain, folded.for_inference())  # twice: nothing more to fold
    )
    torch.testing.assert_close(a, b, rtol=1e-4, atol=1e-6)
    assert a.abs().max() < 1


@torch.no_grad()
def test_noise_comes_only_from_the_generator() -> None:
    codes, phonemes, reference = _rows()[0]
    model = tiny_sovits()
    style = model.mean_style([reference])

    def say(seed: int) -> Tensor:
        return model.decode(codes[None], phonemes[None], style, generator=torch.Generator().manual_seed(seed))[0]

    first = say(1)
    torch.manual_seed(99)
    assert torch.equal(first, say(1))
    assert not torch.equal(first, say(2))


def test_several_references_are_averaged() -> None:
    model, references = tiny_sovits(), [row[2] for row in _rows()]
    styles = torch.cat([model.mean_style([r]) for r in references])
    torch.testing.assert_close(model.mean_style(references), styles.mean(dim=0, keepdim=True))


def test_the_speaker_embedding_changes_the_style_where_the_config_has_one() -> None:
    model = tiny_sovits(config=WITH_SPEAKERS)
    codes, phonemes, reference = _rows()[0]
    styles = [model.mean_style([reference], [torch.full((5,), value)]) for value in (0.1, 2.0)]
    assert not torch.equal(*styles)
    model.decode(codes[None], phonemes[None], styles[0], noise_scale=0.0)
    with pytest.raises(ValueError, match=r"speaker_embedding is missing but config.speaker_dim is 5"):
        model.mean_style([reference])


@torch.no_grad()
def test_semantic_tokens_are_the_nearest_centres() -> None:
    model = tiny_sovits()
    wanted = torch.tensor([[3, 0, 8, 5]])
    model.ssl_proj.weight.copy_(torch.eye(TINY.ssl_dim)[:, :, None].expand(-1, -1, 2) / 2)
    model.ssl_proj.bias.zero_()
    features = model.quantizer.decode(wanted).repeat_interleave(2, dim=2)
    odd = torch.cat([features, features[:, :, -1:]], dim=2)  # half a token at the end is left out
    assert torch.equal(model.semantic_tokens(features), wanted)
    assert torch.equal(model.semantic_tokens(odd), wanted)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"codes": torch.tensor([[9]])}, r"codes holds values from 9 to 9; they must be in 0\.\.8"),
        ({"codes": torch.zeros(1, 0, dtype=torch.int64)}, r"codes has shape \(1, 0\)"),
        ({"phoneme_ids": torch.tensor([[-1, 2]])}, "phoneme_ids holds values from -1"),
        ({"codes": torch.tensor([[1], [2]])}, "2 rows of codes but 1 of phoneme_ids"),
        ({"style": torch.zeros(1, 11, 1)}, r"style has shape \(1, 11, 1\); it must be \(1 or 1, 12, 1\)"),
        ({"speed": 0.0}, "speed is 0.0"),
        ({"noise_scale": -1.0}, "noise_scale is -1.0"),
        ({"noise_scale": 0.5}, "noise_scale is 0.5 without a generator"),
        ({"generator": [torch.Generator()] * 2}, "2 generators for 1 rows of codes; pass one per row"),
        ({"code_lengths": torch.tensor([4])}, r"code_lengths is \[4\]; it must be 1 numbers from 1 to 3"),
    ],
)
def test_decode_names_what_is_wrong(change: dict[str, object], message: str) -> None:
    right = {
        "codes": torch.tensor([[1, 2, 3]]),
        "phoneme_ids": torch.tensor([[1, 2]]),
        "style": torch.zeros(1, 12, 1),
        "noise_scale": 0.0,
    }
    model = tiny_sovits()
    model.decode(**right)
    with pytest.raises(ValueError, match=message):
        model.decode(**right | change)


def test_wrong_feature_shapes_are_refused() -> None:
    model = tiny_sovits()
    with pytest.raises(ValueError, match=r"ssl_features has shape \(1, 5, 8\)"):
        model.semantic_tokens(torch.zeros(1, 5, 8))
    with pytest.raises(ValueError, match=r"spectrogram has shape \(1, 100, 8\)"):
        model.style_embedding(torch.zeros(1, 100, 8))
    with pytest.raises(ValueError, match="no reference"):
        model.mean_style([])


def test_the_quantiser_is_frozen() -> None:
    model = tiny_sovits().train()
    frozen = {name for name, p in model.named_parameters() if not p.requires_grad}
    assert frozen == {"ssl_proj.weight", "ssl_proj.bias"}
    assert not [name for name, _ in model.named_parameters() if name.startswith("quantizer")]  # buffers only
    batch = collate([replace(tiny_clip(20), clip_id="a")], TINY, 8)
    noise, starts = torch.zeros(1, TINY.latent_channels, 20), torch.zeros(1, dtype=torch.int64)
    out = model(
        batch.ssl_features,
        batch.spectrograms,
        batch.frame_lengths,
        batch.phoneme_ids,
        batch.phoneme_lengths,
        noise,
        starts,
        8,
    )
    (out.waveforms.sum() + out.z_prior.sum() + out.mean_prior.sum() + out.log_deviation_prior.sum()).backward()
    without = {name for name, p in model.named_parameters() if p.grad is None}
    assert without == frozen
    assert isinstance(model, SoVITS)
