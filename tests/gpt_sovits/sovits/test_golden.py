"""Our SoVITS against vectors of upstream's code: each module, the whole network and the training losses."""

from __future__ import annotations

import copy
import functools
from collections.abc import Iterator
from pathlib import Path

import pytest
import torch
from sovits_golden import (
    Golden,
    build_discriminator,
    build_sovits,
    formula,
    formula_fill,
    key_listing,
    unused_outputs,
)
from torch import Tensor

from gpt_sovits.sovits.layers.masks import take_segments
from gpt_sovits.sovits.losses import adversarial_loss, discriminator_loss, feature_matching_loss, kl_loss, mel_loss
from gpt_sovits.sovits.model import SoVITS, TrainingOutput
from gpt_sovits.sovits.spectrogram import linear_spectrogram, log_mel_from_spectrogram, log_mel_spectrogram
from gpt_sovits.sovits.streaming import decode_latest

VERSIONS = ("v2", "v2Pro", "v2ProPlus")


@pytest.fixture(autouse=True)
def _one_thread() -> Iterator[None]:
    before = torch.get_num_threads()
    torch.set_num_threads(1)  # the goldens were made with one
    yield
    torch.set_num_threads(before)


@pytest.fixture(scope="module", autouse=True)
def _every_output_is_used(request: pytest.FixtureRequest) -> Iterator[None]:
    """Check after the last test that every stored output was used."""
    yield
    files = ("s2_", "mpd ", "spectrogram ")
    assert not [entry for entry in unused_outputs(request.config) if entry.startswith(files)]


def test_the_fast_formula_equals_the_formula(shared: Path) -> None:
    for name, shape in (("dec.ups.0.weight_g", (700, 1, 1)), ("enc_p.proj.weight", (96, 700)), ("x.alpha", (1,))):
        expected = torch.from_numpy(formula(shared).fill(name, shape))
        assert torch.equal(formula_fill(shared, name, shape), expected)


def test_spectrograms(shared: Path) -> None:
    golden = Golden(shared, "spectrogram")
    waveform = golden["in/wav"]
    spectrogram = linear_spectrogram(waveform, 2048, 640)
    golden.compare("out/spec", spectrogram)
    golden.compare("out/mel_from_spec", log_mel_from_spectrogram(spectrogram, 32000, 128))
    # a spectrum of ones gives the sums of the filters
    golden.compare(
        "out/mel_filter_checksum", log_mel_from_spectrogram(torch.ones(1, 1025, 1), 32000, 128).exp()[0, :, 0]
    )
    golden.compare("out/mel", log_mel_spectrogram(waveform, 32000, 2048, 640, 128))
    # other sizes; this one was made from the first 6000 samples, though the index does not mention it
    golden.compare("out/mel_v3_24k", log_mel_spectrogram(waveform[:, :6000], 24000, 1024, 256, 100))


def _feature_statistics(real: list[list[Tensor]], generated: list[list[Tensor]]) -> Tensor:
    """Make one row per feature map: critic, layer, channels, numel, mean and deviation of real and of generated."""
    return torch.tensor(
        [
            [disc, layer, r.shape[1], r.numel()]
            + [float(s) for x in (r.detach().double(), g.detach().double()) for s in (x.mean(), x.std())]
            for disc, (reals, generateds) in enumerate(zip(real, generated, strict=True))
            for layer, (r, g) in enumerate(zip(reals, generateds, strict=True))
        ],
        dtype=torch.float64,
    )


@torch.no_grad()
def test_discriminator(shared: Path) -> None:
    """v2 has the first critics of v2Pro, without the two longest periods."""
    golden = Golden(shared, "mpd")
    discriminator = build_discriminator(shared, "v2Pro")
    all_real, all_generated = discriminator(golden["in/real"]), discriminator(golden["in/gen"])
    for version, n in (("v2", 6), ("v2Pro", 8)):
        (real_scores, real_features), (generated_scores, generated_features) = (
            (scores[:n], features[:n]) for scores, features in (all_real, all_generated)
        )
        for i, (real, generated) in enumerate(zip(real_scores, generated_scores, strict=True)):
            golden.compare(f"out/{version}.score_real.{i}", real[:, :64])  # the first 64 are stored
            golden.compare(f"out/{version}.score_gen.{i}", generated[:, :64])
        statistics = _feature_statistics(real_features, generated_features)
        expected = golden[f"out/{version}.fmap_stats"]
        torch.testing.assert_close(statistics[:, :4], expected[:, :4])
        torch.testing.assert_close(statistics[:, 4:], expected[:, 4:], rtol=1e-4, atol=1e-6)
        golden.compare(f"out/{version}.loss_fm", feature_matching_loss(real_features, generated_features))
        golden.compare(f"out/{version}.loss_gen", adversarial_loss(generated_scores))
        golden.compare(f"out/{version}.loss_disc", discriminator_loss(real_scores, generated_scores))


@functools.cache
@torch.no_grad()
def discriminated(shared: Path, starts: tuple[int, ...]) -> tuple[list[Tensor], list[list[Tensor]]]:
    """Compute scores and features of the real crops, the same for every size. v2 has the first ones of v2Pro."""
    waveforms = Golden(shared, "s2_inputs")["in/train.wav"]
    crops = take_segments(waveforms, torch.tensor(starts) * 640, 32 * 640)
    return build_discriminator(shared, "v2Pro")(crops)


QUICK = {("small", "v2"), ("small", "v2Pro")}  # the others take seconds each and differ only in numbers
SIZES = [
    pytest.param(
        (size, version), marks=[pytest.mark.slow] if (size, version) not in QUICK else [], id=f"{size}-{version}"
    )
    for size in ("small", "full")
    for version in VERSIONS
]


class Case:
    """A golden file, the network with its weights and the shared inputs."""

    def __init__(self, shared: Path, size: str, version: str) -> None:
        self.golden = Golden(shared, f"s2_{size}_{version}")
        self.inputs = Golden(shared, "s2_inputs")
        self.model = build_sovits(self.golden, shared, version)
        self.full = size == "full"
        self.shared = shared
        self.version = version

    def speakers(self, name: str) -> Tensor | None:
        """Return "sv_emb.0", "sv_emb.1" or "train.sv_emb", (B, speaker_dim). The full-size ones are not stored."""
        if not self.model.config.speaker_dim:
            return None
        if not self.full:
            return self.golden[f"in/{name}"]
        n_rows, source = (2, "s2.train.sv") if name == "train.sv_emb" else (1, f"s2.sv{name[-1]}")
        return torch.from_numpy(formula(self.shared).rand(source, (n_rows, self.model.config.speaker_dim))).float()

    def style(self, n_references: int) -> Tensor:
        """Compute the mean style of the first references."""
        names = range(n_references)
        speakers = [self.speakers(f"sv_emb.{i}") for i in names]
        return self.model.mean_style(
            [self.inputs[f"in/refer.{i}"][0] for i in names],
            [speaker[0] for speaker in speakers] if self.model.config.speaker_dim else None,
        )

    def compare_waveform(self, name: str, waveform: Tensor) -> None:
        """Compare a waveform, of which full-size goldens mostly keep the first 3072 and the last 1024 samples."""
        if self.full and waveform.shape[-1] != self.golden[name].shape[-1]:
            waveform = torch.cat([waveform[..., :3072], waveform[..., -1024:]], dim=-1)
        self.golden.compare(name, waveform)


@pytest.fixture(scope="module", params=SIZES)  # of the module: tests are ordered so that each is built once
def case(shared: Path, request: pytest.FixtureRequest) -> Case:
    return Case(shared, *request.param)


@torch.no_grad()
def test_semantic_tokens_and_decoding(case: Case) -> None:
    golden, model = case.golden, case.model
    ssl, text = golden["in/ssl"], golden["in/text"]
    golden.compare("out/ssl_proj", model.ssl_proj(ssl))
    codes = model.semantic_tokens(ssl)
    golden.compare("out/codes", codes[None])
    golden.compare("out/quantized", model.quantizer.decode(codes))

    seen: dict[str, Tensor] = {}
    hooks = [
        module.register_forward_hook(lambda _m, _i, out, name=name: seen.__setitem__(name, out))
        for name, module in model.named_modules()
        if name in {"ref_enc", "flow"} or name in {f"enc_p.{x}" for x in ENCODER_PARTS}
    ]
    style = case.style(1)
    waveform, lengths = model.decode(codes, text, style, noise_scale=0.0)
    for hook in hooks:
        hook.remove()
    assert lengths.tolist() == [15360]
    for name, value in seen.items():
        golden.compare(f"out/decode.speed1.{name}", value)
    case.compare_waveform("out/decode.speed1.wav", waveform[None])
    waveform, _ = model.decode(codes, text, style, noise_scale=0.0, speed=1.3)
    case.compare_waveform("out/decode.speed1.3.wav", waveform[None])
    for speed in (1, 1.3):
        out = model.enc_p(
            model.codewords(codes), torch.tensor([24]), text, torch.tensor([15]), model.prior_style(style), speed
        )
        for name, value in zip(("y", "m", "logs", "mask"), out, strict=True):
            golden.compare(f"out/enc_p.speed{speed}.{name}", value)
    mean, log_deviation = golden["out/enc_p.speed1.m"], golden["out/enc_p.speed1.logs"]
    z_prior = mean + golden["in/decode.noise"] * log_deviation.exp() * 0.5
    case.compare_waveform("out/decode.noise0.5.wav", model.render(z_prior, style, torch.tensor([24]))[None])
    waveform, _ = model.decode(codes, text, case.style(2), noise_scale=0.0)
    case.compare_waveform("out/decode.two_refs.wav", waveform[None])


@pytest.mark.parametrize(("precision", "tolerance"), [("float32", None), ("bfloat16", 0.06)])
def test_decoding_for_inference(case: Case, precision: str, tolerance: float | None) -> None:
    """float32 keeps the golden's tolerance. In bfloat16 the largest error was 3 % of the largest sample, measured."""
    golden, style = case.golden, case.style(1)
    model = copy.deepcopy(case.model).for_inference(precision)
    waveform, _ = model.decode(golden["out/codes"][0], golden["in/text"], style, noise_scale=0.0)
    if case.full and waveform.shape[-1] != golden["out/decode.speed1.wav"].shape[-1]:
        waveform = torch.cat([waveform[:, :3072], waveform[:, -1024:]], dim=-1)
    golden.compare("out/decode.speed1.wav", waveform[None], tolerance)


def test_upstreams_streaming(case: Case) -> None:
    golden, model = case.golden, case.model
    codes, text, style = golden["out/codes"][0], golden["in/text"], case.style(1)
    waveform, hidden = decode_latest(model, codes[:, :7], text, style, 7, noise_scale=0.0)
    golden.compare("out/stream.0.latent", hidden)
    case.compare_waveform("out/stream.0.wav", waveform[None])
    waveform, hidden = decode_latest(model, codes, text, style, 7, hidden[:, :, -4:], noise_scale=0.0)
    golden.compare("out/stream.1.latent", hidden)
    case.compare_waveform("out/stream.1.wav", waveform[None])


ENCODER_PARTS = ("ssl_proj", "encoder_ssl", "encoder_text", "mrte", "encoder2")


@torch.no_grad()
def test_posterior_flow_and_generator(case: Case) -> None:
    golden, model = case.golden, case.model
    spectrogram = case.inputs["in/refer.0"]
    style = case.style(1)
    if model.config.speaker_dim:
        golden.compare("out/ge", style)
        golden.compare("out/ge512", model.prior_style(style))
    mask = torch.ones(1, 1, 24)
    z, mean, log_deviation = model.enc_q(spectrogram, mask, style, golden["in/enc_q.noise"])
    for name, value in (("z", z), ("m", mean), ("logs", log_deviation)):
        golden.compare(f"out/enc_q.{name}", value)
    forward = model.flow(z, mask, style)
    golden.compare("out/flow.forward", forward)
    golden.compare("out/flow.reverse_of_forward", model.flow(forward, mask, style, reverse=True))
    case.compare_waveform("out/dec.wav", model.dec(z[:, :, :10], style))


@pytest.mark.parametrize("case", SIZES[: len(VERSIONS)], indirect=True)  # stored at the small sizes only
@torch.no_grad()
def test_a_step_of_learning_the_codebook(case: Case) -> None:
    golden = case.golden
    quantizer = copy.deepcopy(case.model.quantizer)
    step = quantizer.learn(case.model.ssl_proj(golden["in/ssl"]))
    golden.compare("out/vq_train.codes", step.codes[None])
    golden.compare("out/vq_train.quantized", step.quantized)
    golden.compare("out/vq_train.commit", step.commitment_loss)
    for name in ("cluster_size", "embed_avg", "embed"):
        golden.compare(f"out/vq_train.{name}", getattr(quantizer.codebook, name))


def _training_inputs(case: Case) -> tuple[Tensor, Tensor]:
    """Return content features and spectrograms of the training batch, zero beyond each clip's length."""
    golden, c = case.golden, case.model.config
    waveforms, lengths = case.inputs["in/train.wav"], golden["in/train.spec_lengths"]
    n_frames = golden["in/train.enc_q_noise"].shape[2]
    spectrograms = torch.zeros(2, c.spectrogram_bins, n_frames)
    for row, n in enumerate(lengths.tolist()):
        spectrograms[row, :, :n] = linear_spectrogram(waveforms[row, :, : n * 640], c.n_fft, c.hop_length)[0]
    if "in/train.ssl" in golden.tensors:
        return golden["in/train.ssl"], spectrograms
    random = formula(case.shared).rand("s2.train.ssl768", (2, 768, n_frames))
    ssl = torch.from_numpy(2.0 * random).float()
    for row, n in enumerate(lengths.tolist()):
        ssl[row, :, n:] = 0
    return ssl, spectrograms


def _compare_training_output(case: Case, out: TrainingOutput) -> None:
    golden = case.golden
    golden.compare("out/train.y_hat", out.waveforms[..., :4096] if case.full else out.waveforms)
    for name, value in (
        ("z", out.z),
        ("z_p", out.z_prior),
        ("m_p", out.mean_prior),
        ("logs_p", out.log_deviation_prior),
        ("m_q", out.mean_posterior),
        ("logs_q", out.log_deviation_posterior),
    ):
        golden.compare(f"out/train.{name}", value[:, ::8] if case.full else value)


def _compare_adversarial_losses(case: Case, out: TrainingOutput, starts: Tensor) -> tuple[Tensor, Tensor]:
    """Compare the critics and their losses. Return the generator's adversarial and feature matching loss."""
    golden = case.golden
    generated_scores, generated_features = build_discriminator(case.shared, case.version)(out.waveforms)
    real_scores, real_features = (x[: len(generated_scores)] for x in discriminated(case.shared, (*starts.tolist(),)))
    for i, (r, g) in enumerate(zip(real_scores, generated_scores, strict=True)):
        golden.compare(f"out/mpd.score_real.{i}", r[:, :64])
        golden.compare(f"out/mpd.score_gen.{i}", g[:, :64])
    statistics, expected = _feature_statistics(real_features, generated_features), golden["out/mpd.fmap_stats"]
    torch.testing.assert_close(statistics[:, :4], expected[:, :4])
    golden.compare("out/mpd.fmap_stats", statistics)
    torch.testing.assert_close(statistics[:, 4:], expected[:, 4:], rtol=2e-3, atol=1e-5)
    golden.compare("out/loss.disc", discriminator_loss(real_scores, [g.detach() for g in generated_scores]))
    for i, (r, g) in enumerate(zip(real_scores, generated_scores, strict=True)):  # the losses of one critic at a time
        loss = discriminator_loss([r], [g])
        real_part, generated_part = golden["out/loss.disc_real_each"][i], golden["out/loss.disc_gen_each"][i]
        torch.testing.assert_close(loss.detach(), real_part + generated_part, rtol=1e-4, atol=0)
        torch.testing.assert_close(adversarial_loss([g]).detach(), golden["out/loss.gen_each"][i], rtol=1e-4, atol=0)
    return adversarial_loss(generated_scores), feature_matching_loss(real_features, generated_features)


def _compare_mel_loss(case: Case, out: TrainingOutput, spectrograms: Tensor, starts: Tensor, n: int) -> Tensor:
    golden, c = case.golden, case.model.config
    real = take_segments(log_mel_from_spectrogram(spectrograms, c.sample_rate, c.n_mels), starts, n)
    generated = log_mel_spectrogram(out.waveforms[:, 0], c.sample_rate, c.n_fft, c.hop_length, c.n_mels)
    step = real.shape[1] // golden["out/train.y_mel"].shape[1]
    golden.compare("out/train.y_mel", real[:, ::step])
    golden.compare("out/train.y_hat_mel", generated[:, ::step])
    return 45 * mel_loss(real, generated)


def _compare_gradient_norms(case: Case, model: SoVITS) -> None:
    parameters = dict(model.named_parameters())
    order = case.golden.entry["param_order"]
    if not isinstance(order, list):  # full size: the order of the listing without the quantiser's buffers
        order = [k for k in key_listing(case.shared, f"s2_{case.version}") if not k.startswith("quantizer.")]
    norms = torch.stack(
        [
            torch.tensor(-1.0) if parameters[name].grad is None else torch.linalg.vector_norm(parameters[name].grad)
            for name in order
        ]
    )
    case.golden.compare("out/train.grad_norms_g", norms)
    expected = case.golden["out/train.grad_norms_g"]
    torch.testing.assert_close(norms, expected, rtol=2e-3, atol=1e-5 * float(expected.max()))


def test_training_losses_and_gradients(case: Case) -> None:
    golden, model = case.golden, case.model
    ssl, spectrograms = _training_inputs(case)
    lengths, segment_frames = golden["in/train.spec_lengths"], golden.entry["config"]["segment_frames"]
    starts = (golden["in/train.slice_rand"] * (lengths - segment_frames + 1)).long()
    golden.compare("out/train.ids_slice", starts)
    model.zero_grad()
    out = model(
        ssl,
        spectrograms,
        lengths,
        golden["in/train.text"],
        golden["in/train.text_lengths"],
        golden["in/train.enc_q_noise"],
        starts,
        segment_frames,
        case.speakers("train.sv_emb"),
    )
    _compare_training_output(case, out)
    mel = _compare_mel_loss(case, out, spectrograms, starts, segment_frames)
    adversarial, matching = _compare_adversarial_losses(case, out, starts)
    kl = kl_loss(out.z_prior, out.log_deviation_posterior, out.mean_prior, out.log_deviation_prior, out.mask)
    total = adversarial + matching + mel + out.commitment_loss + kl
    for name, value in (
        ("mel", mel),
        ("kl", kl),
        ("fm", matching),
        ("gen", adversarial),
        ("commit", out.commitment_loss),
        ("total_g", total),
    ):
        golden.compare(f"out/loss.{name}", value)
    total.backward()
    _compare_gradient_norms(case, model)
