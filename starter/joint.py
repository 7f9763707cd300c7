"""Stage joint: all of SoVITS but the posterior encoder, with discriminators that notice what spectra do not show.

    python -m starter.joint

The sound of the prior, which is what a listener hears, is trained against the discriminators. In some steps so is the
copy of the speech, so that the latent keeps its meaning. The discriminators are saved for the adaptation of voices.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import NamedTuple

import numpy as np
import torch
from torch import Tensor, nn

from gpt_sovits.determinism import derive_seed, deterministic
from gpt_sovits.sovits.config import DiscriminatorConfig, SoVITSConfig
from gpt_sovits.sovits.discriminator import Discriminator
from gpt_sovits.sovits.generators.harmonics import Voice
from gpt_sovits.sovits.layers.masks import length_mask, take_segments
from gpt_sovits.sovits.losses import adversarial_loss, discriminator_loss, feature_matching_loss, kl_loss, mel_loss
from gpt_sovits.sovits.model import SoVITS
from gpt_sovits.sovits.pitch import pitch_loss, track_pitch
from starter.clips import Clip, ClipRounds, Texts, held_out_clips
from starter.latents import load_sovits
from starter.settings import JointSettings, Settings, load_settings, stage_folder
from starter.sovits_data import spectral_loss, spectrogram
from starter.store import SAMPLE_RATE, Utterance
from starter.tokens import change_speed, read_tokens
from starter.training import (
    Average,
    Losses,
    Task,
    autocast,
    clipped_step,
    hash_inputs,
    save_network,
    thread_pool,
    train,
)
from starter.voices import held_out_names, read_trained_on, read_voice

BETAS = (0.8, 0.99)
N_HELD_OUT = 48  # utterances


class JointBatch(NamedTuple):
    """B clips, padded on the right to T frames."""

    texts: Texts
    waveforms: Tensor  # (B, T * hop) float32, zero beyond the lengths
    styles: Tensor  # (B, n_style) float32 of the same speakers
    noise: Tensor  # (B, latent_channels, T)
    starts: Tensor  # (B,) first frames of the crops that become sound


class Speech:
    """The sound of the rows of tokens.jsonl, at the speed that they have there."""

    def __init__(self, rows: Sequence[Mapping]) -> None:
        self.rows, self.corpora = rows, list(dict.fromkeys(row["voice"] for row in rows))
        utterances = {one.name: one for corpus in self.corpora for one in read_voice(corpus)}
        self.utterances = [utterances[row["name"]] for row in rows]
        self.of_speaker: dict[str, list[Utterance]] = {}  # whose speech gives the styles
        for one in (one for corpus in self.corpora for one in read_trained_on(corpus)):
            self.of_speaker.setdefault(one.voice, []).append(one)

    def waveform(self, clip: Clip, hop: int) -> np.ndarray:
        """Return the sound of a clip, (at most n_frames * hop,) int16."""
        whole = change_speed(self.utterances[clip.number], self.rows[clip.number]["ratio"]).waveform
        return whole[clip.first_frame * hop : (clip.first_frame + clip.n_frames) * hop]

    def style(self, clip: Clip, n: int, random: np.random.Generator) -> np.ndarray:
        """Return n samples of random speech of the clip's speaker, repeated where it is shorter, int16."""
        speech = self.of_speaker[self.utterances[clip.number].voice]
        whole = change_speed(speech[random.integers(len(speech))], self.rows[clip.number]["ratio"]).waveform
        start = int(random.integers(0, max(1, len(whole) - n)))
        return np.resize(whole[start : start + n], n)


def collate(
    clips: Sequence[Clip], speech: Speech, config: SoVITSConfig, settings: JointSettings, *, seed: int
) -> JointBatch:
    """Return clips as a batch with random levels, styles, noise and crop starts."""
    random = np.random.default_rng(seed)
    texts, hop = Texts(clips), config.hop_length
    n_crop, n_style = crop_frames(settings, config), round(settings.style_seconds * SAMPLE_RATE)
    waveforms, styles = torch.zeros(len(clips), texts.n_frames * hop), torch.zeros(len(clips), n_style)
    for row, clip in enumerate(clips):
        gain = 10 ** (random.uniform(-4, 4) / 20) / 32768
        sound = torch.from_numpy(speech.waveform(clip, hop).astype(np.float32)) * gain
        waveforms[row, : len(sound)] = sound
        styles[row] = torch.from_numpy(speech.style(clip, n_style, random).astype(np.float32)) * gain
    last_starts = [max(0, clip.n_frames - n_crop) for clip in clips]
    return JointBatch(
        texts,
        waveforms.clamp(-1, 1),
        styles.clamp(-1, 1),
        torch.randn(len(clips), config.latent_channels, texts.n_frames, generator=torch.Generator().manual_seed(seed)),
        torch.tensor([int(random.integers(0, last + 1)) for last in last_starts]),
    )


def crop_frames(settings: JointSettings, config: SoVITSConfig) -> int:
    """Return the number of frames of a crop that becomes sound."""
    return round(settings.crop_seconds * SAMPLE_RATE / config.hop_length)


class JointOutput(NamedTuple):
    """The losses and sounds of a batch spoken from its tokens and text."""

    kl: Tensor  # ()
    latent: Tensor  # () mean |difference| from the latent of the speech
    pitch: Tensor  # () mean |difference| of the pitch that both latents have from that of the speech, semitones
    sound: Tensor  # (B, crop samples) through the prior
    real: Tensor  # (B, crop samples) of the speech
    style: Tensor  # (B, style_channels, 1)
    z: Tensor  # (B, latent_channels, T) latent of the speech
    voice: Voice | None  # pitch of the crops of the speech, at which both sounds are made; None without harmonics


class Spoken(NamedTuple):
    """What the discriminators have heard of a part of a batch, and the SoVITS learns from next."""

    output: JointOutput
    sounds: Tensor  # (B or 2B, crop samples) of the prior, in some steps followed by copies
    reals: Tensor  # of the same shape, what the speech has there
    critic_loss: float


def speak(model: SoVITS, batch: JointBatch, settings: JointSettings) -> JointOutput:
    """Predict the latents of a batch from tokens, text and style, and decode a crop of each."""
    c, texts = model.config, batch.texts
    n_crop = crop_frames(settings, c)
    mask = length_mask(texts.lengths, texts.n_frames)
    style = model.style_embedding(spectrogram(batch.styles, c))
    _, mean_p, log_p, _ = model.enc_p(
        model.codewords(texts.tokens), texts.lengths, texts.phoneme_ids, texts.phoneme_lengths, style
    )
    z, mean_q, log_q = model.enc_q(model.prepare_spectrogram(spectrogram(batch.waveforms, c)), mask, style, batch.noise)
    latents = model.flow(z, mask, style), log_q, mean_p, log_p
    kl = kl_loss(*(latent.float() for latent in latents), mask)
    # not the posterior's own noise, which would reveal the latent of the speech to the flow
    noise = batch.noise.flip(0, 1) * settings.noise_scale
    guess = model.flow((mean_p + noise * log_p.exp()) * mask, mask, style, reverse=True)
    latent = mel_loss(mean_q.float(), guess.float(), mask)
    pitch, voice = kl.new_zeros(()), None
    if c.istft_harmonics:
        semitones, voiced = track_pitch(batch.waveforms, c.sample_rate)
        predicted = (model.dec.predict_pitch(x, style, texts.lengths) for x in (z, guess))
        pitch = sum(pitch_loss(one, semitones, voiced * mask[:, 0]) for one in predicted)
        voice = Voice(take_segments(semitones[:, None], batch.starts, n_crop)[:, 0])
    sound = model.dec(take_segments(guess, batch.starts, n_crop), style, voice=voice)[:, 0].float()
    real = take_segments(batch.waveforms[:, None], batch.starts * c.hop_length, n_crop * c.hop_length)[:, 0]
    return JointOutput(kl, latent, pitch, sound, real, style, z, voice)


@torch.no_grad()
def held_out_losses(model: SoVITS, batches: Sequence[JointBatch], settings: JointSettings) -> Losses:
    """Return the mean losses over batches of held-out speech."""
    sums = {"held_out_kl": 0.0, "held_out_latent": 0.0, "held_out_pitch": 0.0, "held_out_spectral": 0.0}
    for batch in batches:
        output = speak(model, batch, settings)
        sums["held_out_kl"] += output.kl.item() / len(batches)
        sums["held_out_latent"] += output.latent.item() / len(batches)
        sums["held_out_pitch"] += output.pitch.item() / len(batches)
        sums["held_out_spectral"] += spectral_loss(output.real, output.sound).item() / len(batches)
    return sums


class JointTrainer:
    """A SoVITS and its discriminators, with their optimisers and the average of the SoVITS.

    The posterior encoder keeps its weights. If it learnt, it would reduce the latent to what the tokens can express: in
    a trial, the divergence fell from 11 to 3 nats in 100 steps, and the sound became worse.
    """

    def __init__(self, model: SoVITS, settings: JointSettings) -> None:
        self.model, self.settings = model, settings
        self.discriminator = Discriminator(DiscriminatorConfig(**settings.discriminator))
        self.average = Average(model, settings.average_decay)
        model.enc_q.requires_grad_(False)
        self.generator_optimizer = self._adamw([p for p in model.parameters() if p.requires_grad])
        self.discriminator_optimizer = self._adamw(list(self.discriminator.parameters()))
        model.eval()  # without dropout, see thread_pool
        self.threads = thread_pool(settings.n_threads)

    def learn(self, parts: Sequence[JointBatch], step: int) -> Losses:
        """Make one step of the discriminators, then one of the SoVITS. Each part of the batch is a thread's work."""
        share = 1 / len(parts)
        copies = step % self.settings.copy_every == 0
        # 1. Train the discriminators to tell the sounds of the prior, in some steps copies too, from the speech.
        self.discriminator.requires_grad_(True)
        self.discriminator_optimizer.zero_grad(set_to_none=True)
        spoken = self._in_threads(lambda part: self._train_discriminator(part, share, copies=copies), parts)
        clipped_step(self.discriminator_optimizer, self.settings.gradient_clip_norm)
        # 2. Train the SoVITS against the discriminators as they are now.
        self.discriminator.requires_grad_(False)
        self.generator_optimizer.zero_grad(set_to_none=True)
        losses = self._in_threads(lambda part: self._train_generator(part, share), spoken)
        norm = clipped_step(self.generator_optimizer, self.settings.gradient_clip_norm)
        self.average.update(self.model, step)
        return {name: share * sum(part[name] for part in losses) for name in losses[0]} | {"norm": norm}

    def _in_threads(self, work: Callable, parts: Sequence) -> list:
        return list(self.threads.map(work, parts))

    def _train_discriminator(self, batch: JointBatch, share: float, *, copies: bool) -> Spoken:
        with autocast(self.settings.precision):
            output = speak(self.model, batch, self.settings)
            sounds, reals = output.sound, output.real
            if copies:
                segments = take_segments(output.z, batch.starts, crop_frames(self.settings, self.model.config))
                sounds = torch.cat((sounds, self.model.dec(segments, output.style, voice=output.voice)[:, 0].float()))
                reals = torch.cat((reals, reals))
            real_scores, fake_scores = self._discriminate(output.real)[0], self._discriminate(sounds.detach())[0]
            loss = discriminator_loss(real_scores, fake_scores)
        (share * loss).backward()
        return Spoken(output, sounds, reals, loss.item())

    def _train_generator(self, spoken: Spoken, share: float) -> Losses:
        output, sounds, reals, critic_loss = spoken
        with autocast(self.settings.precision):
            with torch.no_grad():
                real_features = self._discriminate(reals)[1]
            scores, features = self._discriminate(sounds)
        adversarial, feature = adversarial_loss(scores), feature_matching_loss(real_features, features)
        losses = {"spectral": spectral_loss(reals, sounds), "kl": output.kl, "latent": output.latent}
        losses |= {"pitch": output.pitch, "adversarial": adversarial, "feature": feature}
        loss = sum(getattr(self.settings, f"{name}_weight") * value for name, value in losses.items())
        (share * loss).backward()
        return {name: value.item() for name, value in losses.items()} | {"discriminator": critic_loss}

    def _discriminate(self, waveforms: Tensor) -> tuple[list[Tensor], list[list[Tensor]]]:
        scores, features = self.discriminator(waveforms[:, None])
        return [s.float() for s in scores], [[f.float() for f in layers] for layers in features]

    def _adamw(self, parameters: list[nn.Parameter]) -> torch.optim.AdamW:
        return torch.optim.AdamW(parameters, lr=1.0, betas=BETAS, weight_decay=self.settings.weight_decay)


class JointData:
    """The batches of every step, and those that are never trained on."""

    def __init__(self, settings: Settings, config: SoVITSConfig) -> None:
        self.settings, self.config, rows = settings.joint, config, read_tokens()
        longest, held_out = self.settings.longest_seconds, held_out_names()
        self.rounds = ClipRounds(rows, held_out, settings.shares, longest_seconds=longest, name="joint")
        self.speech = Speech(rows)
        self.tests = [
            self._collate(clips, seed)
            for seed, clips in enumerate(self._parts(held_out_clips(rows, held_out, longest, N_HELD_OUT)))
        ]

    def batch(self, step: int) -> list[JointBatch]:
        """Return the batch of a step in as many parts of similar lengths as there are threads."""
        clips, n = self.rounds.clips(step, self.settings.batch_size), self.settings.n_threads
        return [self._collate(clips[part::n], derive_seed("joint", step, part)) for part in range(n)]

    def _collate(self, clips: Sequence[Clip], seed: int) -> JointBatch:
        return collate(clips, self.speech, self.config, self.settings, seed=seed)

    def _parts(self, clips: Sequence[Clip]) -> list[Sequence[Clip]]:
        n = self.settings.batch_size
        return [clips[i : i + n] for i in range(0, len(clips), n)]


def main() -> None:
    """Train the SoVITS with discriminators, and save its average and the discriminators."""
    all_settings, folder = load_settings(), stage_folder("joint")
    settings = all_settings.joint
    with deterministic(settings.seed, n_threads=1):  # each of the trainer's threads computes alone
        model = load_sovits(stage_folder("prior"), "prior")
        config = model.config.to_dict()
        data, trainer = JointData(all_settings, model.config), JointTrainer(model, settings)
        discriminator, average = trainer.discriminator, trainer.average.module
        task = Task(
            name="joint",
            settings=settings,
            modules={"model": model, "average": average, "discriminator": discriminator},
            optimizers={"generator": trainer.generator_optimizer, "discriminator": trainer.discriminator_optimizer},
            make_batch=data.batch,
            learn=trainer.learn,
            evaluate=lambda _: held_out_losses(average, data.tests, settings),
            folder=folder,
            inputs=hash_inputs(
                *(stage_folder("corpus") / name / "samples.i16" for name in data.speech.corpora),
                stage_folder("prior") / "sovits",
                stage_folder("tokens") / "tokens.jsonl",
            )
            | {"shares": all_settings.shares},
        )
        train(task)
        save_network(folder / "sovits", "sovits", config, average.state_dict())
        critic_config, critic_state = discriminator.config.to_dict(), discriminator.state_dict()
        save_network(folder / "discriminator", "discriminator", critic_config, critic_state)


if __name__ == "__main__":
    main()
