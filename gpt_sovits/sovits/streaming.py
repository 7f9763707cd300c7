"""Speech piece by piece: the modules of SoVITS.decode, applied to windows of the utterance.

The prior (enc_p) looks at all tokens. The flow and the generator look at a fixed number of frames on either side. So
once the prior is known, a window with that much context around it sounds as it does in the whole, up to rounding:

    decode_in_pieces    all tokens are known and the sound is wanted early: equals decode
    StreamingDecoder    tokens still arrive: each piece continues where the last one ended, without a seam
    decode_latest       upstream's method, for comparison: no context, a cross-fade of the hidden frames

Shapes: B batch (1 here), C channels, T frames at 50 Hz, two per token.
"""

from __future__ import annotations

import math
from collections.abc import Iterator

import torch
from torch import Tensor

from gpt_sovits.sovits.checks import check_decode, require
from gpt_sovits.sovits.config import FRAMES_PER_TOKEN, SoVITSConfig
from gpt_sovits.sovits.generators.harmonics import PITCH_CONTEXT, Voice, phase_of_frames
from gpt_sovits.sovits.generators.hifigan import EDGE_KERNEL
from gpt_sovits.sovits.generators.istft import TRUNK_KERNEL
from gpt_sovits.sovits.layers.masks import length_mask
from gpt_sovits.sovits.model import SoVITS
from gpt_sovits.sovits.noise import frame_noise
from gpt_sovits.sovits.text_encoder import change_speed


def flow_context(config: SoVITSConfig) -> int:
    """Return how many frames on either side a frame of the latent depends on, 32 at the official sizes."""
    return config.n_flows * config.flow_layers * (config.wavenet_kernel // 2)


def generator_context(config: SoVITSConfig) -> int:
    """Return how many frames on either side the sound of a frame depends on, 11 at the official sizes.

    It is computed from the samples of one frame back to the frames that they depend on.
    """
    edge, pitch = EDGE_KERNEL // 2, 0
    first, last = 0, config.hop_length - 1
    if config.istft_harmonics:
        pitch = _harmonics_context(config)
    if config.generator == "istft":  # an inverse STFT reaches as far as a transposed convolution
        first, last = _upsampling_inputs(first, last, config.istft_hop, config.istft_n_fft)
    first, last = first - edge, last + edge
    widest = max(
        sum((d + 1) * (kernel // 2) for d in dilations)
        for kernel, dilations in zip(config.resblock_kernel_sizes, config.resblock_dilations, strict=True)
    )
    for rate, kernel in zip(reversed(config.upsample_rates), reversed(config.upsample_kernel_sizes), strict=True):
        first, last = _upsampling_inputs(first - widest, last + widest, rate, kernel)
    at_frame_rate = edge + sum((d + 1) * (TRUNK_KERNEL // 2) for row in config.trunk_dilations for d in row)
    return max(pitch, at_frame_rate - first, last + at_frame_rate)


def _harmonics_context(config: SoVITSConfig) -> int:
    """Return how many frames on either side the harmonics of a frame depend on, but for their phase."""
    hop, n_fft, n = config.istft_hop, config.istft_n_fft, config.hop_length
    frames = _upsampling_inputs(0, n - 1, hop, n_fft)  # of the inverse STFT, each of which a forward STFT made
    overhang = (n_fft - hop) // 2
    first, last = frames[0] * hop - overhang, frames[1] * hop - overhang + n_fft - 1
    # the pitch of a sample lies between those of the two nearest middles of frames
    return PITCH_CONTEXT + max((n // 2 - first + n - 1) // n, (last + n // 2) // n)


def _upsampling_inputs(first: int, last: int, rate: int, kernel: int) -> tuple[int, int]:
    """Return the first and last input of a transposed convolution that its outputs first to last depend on."""
    padding = (kernel - rate) // 2  # input i makes outputs i * rate - padding ... + kernel - 1
    return -((kernel - 1 - padding - first) // rate), (last + padding) // rate


def render_window(
    model: SoVITS,
    z_prior: Tensor,
    style: Tensor,
    start: int,
    stop: int,
    *,
    context: int | None = None,
    cycles: Tensor | None = None,
) -> tuple[Tensor, Tensor | None]:
    """Turn frames start to stop of a longer latent into sound.

    Args:
        model: The network.
        z_prior: Latent of the prior, as `SoVITS.render` takes it, (B, latent_channels, T).
        style: (B or 1, style_channels, 1)
        start: First frame.
        stop: Frame after the last.
        context: Frames on either side that are taken into account. With None, all that matter, the window equals that
            part of the whole up to rounding (a few 1e-6 in float32, and more with harmonics, whose phase adds it up).
        cycles: (B, 1) phase of the harmonics at the beginning of the window, of a generator that has them. None: 0.

    Returns:
        (B, (stop - start) * hop_length) in [-1, 1], and the phase of the harmonics at the beginning of each frame and
        at the end, (B, stop - start + 1) float64, or None where the generator has none.
    """
    c = model.config
    n_frames = z_prior.shape[2]
    require(0 <= start < stop <= n_frames, f"frames {start} to {stop} are not a window of {n_frames} frames")
    after_flow = generator_context(c) if context is None else min(context, generator_context(c))
    before_flow = flow_context(c) + generator_context(c) if context is None else context
    style = style.expand(z_prior.shape[0], -1, -1)
    left, right = max(0, start - before_flow), min(n_frames, stop + before_flow)
    window = z_prior[:, :, left:right]
    z = model.flow(window, torch.ones_like(window[:, :1]), style, reverse=True)
    near_left, near_right = max(0, start - after_flow), min(n_frames, stop + after_flow)
    z, voice, phases = z[:, :, near_left - left : near_right - left], None, None
    if c.istft_harmonics:
        voice = Voice(model.dec.predict_pitch(z, style), start - near_left, cycles)
        phases = phase_of_frames(voice, c.hop_length, c.sample_rate)[:, : stop - start + 1]
    waveform = model.generate_waveform(z, style, voice=voice)
    return waveform[:, (start - near_left) * c.hop_length : (stop - near_left) * c.hop_length], phases


@torch.no_grad()
def decode_in_pieces(
    model: SoVITS,
    codes: Tensor,
    phoneme_ids: Tensor,
    style: Tensor,
    *,
    piece_frames: int,
    speed: float = 1.0,
    noise_scale: float = 0.5,
    generator: torch.Generator | None = None,
) -> Iterator[Tensor]:
    """Yield the sound of one utterance in pieces, which concatenated equal `SoVITS.decode` up to rounding.

    Args:
        model: The network.
        codes: (1, Y) int64
        phoneme_ids: (1, X) int64
        style: As in `SoVITS.decode`.
        piece_frames: Length of a piece, at least 1. A piece costs its context too, see `generator_context`.
        speed: As in `SoVITS.decode`.
        noise_scale: As in `SoVITS.decode`.
        generator: As in `SoVITS.decode`.

    Yields:
        (n,) in [-1, 1], n = piece_frames * hop_length except for the last piece.

    Raises:
        ValueError: As `SoVITS.decode` does, and for more than one utterance.
    """
    _check_single(codes, phoneme_ids, piece_frames)
    check_decode(model.config, codes, phoneme_ids, style, speed, noise_scale, generator)
    one = torch.ones(1, dtype=torch.int64, device=codes.device)
    _, mean, log_deviation, _ = model.enc_p(
        model.codewords(codes),
        one * codes.shape[1] * FRAMES_PER_TOKEN,
        phoneme_ids,
        one * phoneme_ids.shape[1],
        model.prior_style(style),
        speed,
    )
    z_prior = _sample(mean, log_deviation, noise_scale, generator)
    n_frames, cycles = z_prior.shape[2], None
    for start in range(0, n_frames, piece_frames):
        stop = min(start + piece_frames, n_frames)
        waveform, phases = render_window(model, z_prior, style, start, stop, cycles=cycles)
        cycles = None if phases is None else phases[:, -1:]
        yield waveform[0]


class StreamingDecoder:
    """A decoder of one utterance whose tokens still arrive.

    A frame's prior is fixed once `prior_lookahead` more frames are known. It blends into the prior of the previous pass
    over `blend_frames`. A frame is rendered once the prior of `render_lookahead` more frames is fixed.

    Invariant: what was returned never changes. The concatenated pieces are `SoVITS.render` of one latent, up to
    rounding, where render_lookahead is flow_context + generator_context frames, its default. A smaller value returns
    the first piece earlier and leaves a step at each seam, which is cross-faded over `crossfade_frames`. With all
    tokens at once and speed 1 the result is that of `SoVITS.decode` with the same generator.
    """

    def __init__(
        self,
        model: SoVITS,
        phoneme_ids: Tensor,
        style: Tensor,
        *,
        speed: float = 1.0,
        noise_scale: float = 0.5,
        generator: torch.Generator | None = None,
        prior_lookahead: int = 8,
        blend_frames: int = 4,
        render_lookahead: int | None = None,
        crossfade_frames: int = 1,
    ) -> None:
        """Start an utterance.

        Args:
            model: The network.
            phoneme_ids: The whole text, (1, X) int64.
            style: (1, style_channels, 1)
            speed: As in `SoVITS.decode`.
            noise_scale: As in `SoVITS.decode`.
            generator: As in `SoVITS.decode`.
            prior_lookahead: Frames of 20 ms.
            blend_frames: Frames, at most prior_lookahead.
            render_lookahead: Frames. None means as many as matter.
            crossfade_frames: Frames, at most render_lookahead.
        """
        one_token = phoneme_ids.new_zeros(phoneme_ids.shape[0], 1)
        check_decode(model.config, one_token, phoneme_ids, style, speed, noise_scale, generator)
        _check_single(phoneme_ids, phoneme_ids, 1)
        enough = flow_context(model.config) + generator_context(model.config)
        self._render_lookahead = enough if render_lookahead is None else min(render_lookahead, enough)
        self._crossfade = crossfade_frames if self._render_lookahead < enough else 0
        for name, value, limit in (
            ("prior_lookahead", prior_lookahead, math.inf),
            ("blend_frames", blend_frames, prior_lookahead),
            ("render_lookahead", self._render_lookahead, math.inf),
            ("crossfade_frames", self._crossfade, self._render_lookahead),
        ):
            require(0 <= value <= limit, f"{name} is {value}; it must be in 0..{limit}")
        self._model, self._style = model, style
        self._speed, self._noise_scale, self._generator = speed, noise_scale, generator
        self._prior_lookahead, self._blend_frames = prior_lookahead, blend_frames
        with torch.no_grad():
            self._prior_style = model.prior_style(style)
            n_phonemes = torch.tensor([phoneme_ids.shape[1]], device=phoneme_ids.device)
            self._text = model.enc_p.encode_text(phoneme_ids, n_phonemes)  # once: the text does not change
        self._codes = phoneme_ids.new_zeros(1, 0)
        self._hidden = style.new_zeros(1, model.config.hidden_channels, 0)  # fixed frames
        self._outgoing = self._hidden  # the next frames as the previous pass computed them
        self._z_prior = style.new_zeros(1, model.config.latent_channels, 0)
        self._n_rendered, self._cycles = 0, None
        self._tail = style.new_zeros(0)  # rendered already, fades out under the next piece
        self._finished = False

    @torch.no_grad()
    def push(self, codes: Tensor, *, final: bool = False) -> Tensor:
        """Take the tokens that came since the last call and return the sound that is now fixed.

        Args:
            codes: (n,) int64 in [0, codebook_size), n may be 0.
            final: No more tokens will come, so everything left is returned.

        Returns:
            (n_samples,) in [-1, 1], empty where more tokens are needed first.

        Raises:
            ValueError: For tokens outside the codebook, after the final call, or where no token ever came.
        """
        c = self._model.config
        require(not self._finished, "the utterance was finished; make a new StreamingDecoder for the next one")
        require(codes.dim() == 1, f"codes has shape {tuple(codes.shape)}; it must be (n,), the tokens of one utterance")
        if codes.numel():
            check_decode(c, codes[None], self._codes.new_zeros(1, 1), self._style, self._speed, 0.0, None)
        self._codes = torch.cat([self._codes, codes[None].to(self._codes)], dim=1)
        n_known = self._codes.shape[1] * FRAMES_PER_TOKEN
        require(n_known > 0 or not final, "no token came before the end; an utterance needs at least one")
        self._finished = final
        n_fixed = n_known if final else n_known - self._prior_lookahead
        if final or n_fixed > self._hidden.shape[2]:
            self._fix_prior(n_fixed)
        n_latent = self._z_prior.shape[2]
        stop = n_latent if final else n_latent - self._render_lookahead
        return self._render_until(stop) if stop > self._n_rendered else self._tail.new_zeros(0)

    def _fix_prior(self, n_fixed: int) -> None:
        """Run the prior over all tokens so far and keep its frames up to n_fixed."""
        n_known = self._codes.shape[1] * FRAMES_PER_TOKEN
        lengths = torch.tensor([n_known], device=self._codes.device)
        hidden = self._model.enc_p.encode_content(
            self._model.codewords(self._codes), lengths, *self._text, self._prior_style
        )
        new = hidden[:, :, self._hidden.shape[2] : n_fixed].clone()
        n = min(self._outgoing.shape[2], new.shape[2])
        weight = (torch.arange(n, device=new.device, dtype=new.dtype) + 0.5) / max(n, 1)
        new[:, :, :n] = torch.lerp(self._outgoing[:, :, :n], new[:, :, :n], weight)
        self._outgoing = hidden[:, :, n_fixed : n_fixed + self._blend_frames]
        self._hidden = torch.cat([self._hidden, new], dim=2)
        frames = _at_speed(self._hidden, self._speed, self._z_prior.shape[2], self._finished)
        if frames.shape[2]:
            mean, log_deviation = self._model.enc_p.project(frames, torch.ones_like(frames[:, :1]))
            z_prior = _sample(mean, log_deviation, self._noise_scale, self._generator)
            self._z_prior = torch.cat([self._z_prior, z_prior], dim=2)

    def _render_until(self, stop: int) -> Tensor:
        """Render the frames up to stop, faded in over the tail of the previous piece."""
        hop = self._model.config.hop_length
        end = min(stop + self._crossfade, self._z_prior.shape[2])
        waveforms, phases = render_window(
            self._model, self._z_prior, self._style, self._n_rendered, end, cycles=self._cycles
        )
        if phases is not None:
            self._cycles = phases[:, stop - self._n_rendered, None]
        waveform = waveforms[0]
        n = min(len(self._tail), len(waveform))
        weight = (torch.arange(n, device=waveform.device, dtype=waveform.dtype) + 0.5) / max(n, 1)
        waveform[:n] = torch.lerp(self._tail[:n], waveform[:n], weight)
        n_new = (stop - self._n_rendered) * hop
        self._tail, self._n_rendered = waveform[n_new:], stop
        return waveform[:n_new]


@torch.no_grad()
def decode_latest(
    model: SoVITS,
    codes: Tensor,
    phoneme_ids: Tensor,
    style: Tensor,
    n_latest: int,
    previous: Tensor | None = None,
    *,
    speed: float = 1.0,
    noise_scale: float = 0.5,
    generator: torch.Generator | None = None,
) -> tuple[Tensor, Tensor]:
    """Speak the last n_latest of all tokens so far as upstream does: the flow and the generator see only those.

    Source: GPT-SoVITS, module/models.py `decode_streaming`.

    Args:
        model: The network.
        codes: All tokens so far, (1, Y) int64.
        phoneme_ids: (1, X) int64
        style: As in `SoVITS.decode`.
        n_latest: How many tokens to speak.
        previous: Hidden frames (1, hidden_channels, L) of the previous call that lie where this call begins. They are
            blended in with a sine and a cosine, whose sum exceeds 1 by up to 0.41, as upstream does.
        speed: As in `SoVITS.decode`.
        noise_scale: As in `SoVITS.decode`.
        generator: As in `SoVITS.decode`.

    Returns:
        The waveform (1, n) in [-1, 1], and the hidden frames (1, hidden_channels, 2 n_latest) for the next call.
    """
    check_decode(model.config, codes, phoneme_ids, style, speed, noise_scale, generator)
    _check_single(codes, phoneme_ids, 1)
    require(1 <= n_latest <= codes.shape[1], f"n_latest is {n_latest}; it must be in 1..{codes.shape[1]}")
    one = torch.ones(1, dtype=torch.int64, device=codes.device)
    text = model.enc_p.encode_text(phoneme_ids, one * phoneme_ids.shape[1])
    lengths = one * codes.shape[1] * FRAMES_PER_TOKEN
    hidden = model.enc_p.encode_content(model.codewords(codes), lengths, *text, model.prior_style(style))
    hidden = hidden[:, :, -n_latest * FRAMES_PER_TOKEN :]
    if previous is not None:
        hidden = _blend_as_upstream(hidden, previous)
    frames, n_frames = hidden, one * hidden.shape[2]
    if speed != 1.0:
        frames, n_frames = change_speed(hidden, n_frames, speed)
    mean, log_deviation = model.enc_p.project(frames, length_mask(n_frames, frames.shape[2]))
    return model.render(_sample(mean, log_deviation, noise_scale, generator), style, n_frames), hidden


def _blend_as_upstream(hidden: Tensor, previous: Tensor) -> Tensor:
    n = previous.shape[2]
    require(n <= hidden.shape[2], f"previous has {n} frames; it must have at most {hidden.shape[2]}")
    angle = torch.arange(n, device=hidden.device) * (math.pi / 2 / n)
    blended = angle.sin() * hidden[:, :, :n] + angle.cos() * previous
    return torch.cat([blended, hidden[:, :, n:]], dim=2)


def _sample(mean: Tensor, log_deviation: Tensor, noise_scale: float, generator: torch.Generator | None) -> Tensor:
    """Sample the prior (1, C, T) of this mean and log deviation."""
    if noise_scale == 0:
        return mean
    noise = frame_noise(mean.shape[1], mean.shape[2], generator)[None].to(mean)
    return mean + noise * log_deviation.exp() * noise_scale


def _at_speed(hidden: Tensor, speed: float, start: int, final: bool) -> Tensor:
    """Return the frames from `start` on of (1, C, T) at another speed, as many as T allows.

    At the end they are int(T / speed) + 1 in all. Frame j lies at (j + 0.5) * speed - 0.5, whatever comes later.
    `change_speed` spreads its one additional frame over the whole instead, so the two differ by less than a frame.
    """
    n = hidden.shape[2]
    if speed == 1.0:
        return hidden[:, :, start:]
    stop = int(n / speed) + 1 if final else math.floor((n - 0.5) / speed + 0.5)
    positions = ((torch.arange(start, max(start, stop), dtype=torch.float64) + 0.5) * speed - 0.5).clamp(0, n - 1)
    before = positions.floor().long()
    after = (before + 1).clamp(max=n - 1)
    weight = (positions - before).to(hidden)
    return torch.lerp(hidden[:, :, before], hidden[:, :, after], weight)


def _check_single(codes: Tensor, phoneme_ids: Tensor, piece_frames: int) -> None:
    require(
        codes.shape[0] == phoneme_ids.shape[0] == 1,
        f"{codes.shape[0]} rows of codes and {phoneme_ids.shape[0]} of phoneme_ids; a stream speaks a single utterance",
    )
    require(piece_frames >= 1, f"piece_frames is {piece_frames}; it must be at least 1")
