"""Stage joint: all of SoVITS but the posterior encoder, with discriminators that notice what spectra do not show.

    python -m starter.joint

The sound of the prior, which is what a listener hears, is trained against the discriminators. So is the copy of the
speech, so that the latent keeps its meaning. The discriminators are saved for the adaptation of voices.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn

from gpt_sovits.determinism import deterministic
from gpt_sovits.sovits.config import DiscriminatorConfig
from gpt_sovits.sovits.discriminator import Discriminator
from gpt_sovits.sovits.losses import adversarial_loss, discriminator_loss, feature_matching_loss
from gpt_sovits.sovits.model import SoVITS, take_segments
from gpt_sovits.weights.checkpoint import save_checkpoint
from starter.prior import PriorBatch, held_out_losses, load_batches, load_sovits, run_prior
from starter.settings import JointSettings, load_settings, stage_folder
from starter.sovits_data import spectral_loss
from starter.training import Average, Losses, Task, optimizer_step, train

BETAS = (0.8, 0.99)


class JointTrainer:
    """A SoVITS and its discriminators, with their optimisers and the average of the SoVITS.

    The posterior encoder keeps its weights. If it learnt, it would reduce the latent to what the tokens can express: in
    a trial, the divergence fell from 11 to 3 nats in 100 steps, and the sound became worse.
    """

    def __init__(self, model: SoVITS, settings: JointSettings, n_crop: int) -> None:
        self.model, self.settings, self.n_crop = model, settings, n_crop  # n_crop: frames per crop that becomes sound
        self.discriminator = Discriminator(DiscriminatorConfig(**settings.discriminator))
        self.average = Average(model, settings.average_decay)
        model.enc_q.requires_grad_(False)
        self.generator_optimizer = self._adamw([p for p in model.parameters() if p.requires_grad])
        self.discriminator_optimizer = self._adamw(list(self.discriminator.parameters()))
        model.train()

    def learn(self, batch: PriorBatch, step: int) -> Losses:
        """Make one step of the discriminators, then one of the SoVITS."""
        # 1. Speak the batch through the prior, and copy it through the posterior encoder.
        with self._autocast():
            output = run_prior(self.model, batch, self.settings)
            copies = self.model.dec(take_segments(output.z, batch.starts, self.n_crop), output.style)[:, 0].float()
            sounds, reals = torch.cat((output.sound, copies)), torch.cat((output.real, output.real))
            # 2. Train the discriminators to tell both from the speech.
            self.discriminator.requires_grad_(True)
            real_scores, fake_scores = self._discriminate(output.real)[0], self._discriminate(sounds.detach())[0]
            critic_loss = discriminator_loss(real_scores, fake_scores)
        optimizer_step(self.discriminator_optimizer, critic_loss, self.settings.gradient_clip_norm)
        # 3. Train the SoVITS against the discriminators as they are now.
        self.discriminator.requires_grad_(False)
        with self._autocast():
            with torch.no_grad():
                real_features = self._discriminate(reals)[1]
            scores, features = self._discriminate(sounds)
        adversarial, feature = adversarial_loss(scores), feature_matching_loss(real_features, features)
        losses = {"spectral": spectral_loss(reals, sounds), "kl": output.kl, "latent": output.latent}
        losses |= {"adversarial": adversarial, "feature": feature}
        loss = self._weighted_sum(losses)
        norm = optimizer_step(self.generator_optimizer, loss, self.settings.gradient_clip_norm)
        self.average.update(self.model, step)
        return {name: value.item() for name, value in (losses | {"discriminator": critic_loss}).items()} | {
            "norm": norm
        }

    def _weighted_sum(self, losses: dict[str, Tensor]) -> Tensor:
        settings = self.settings
        return (
            settings.spectral_weight * losses["spectral"]
            + settings.kl_weight * losses["kl"]
            + settings.latent_weight * losses["latent"]
            + settings.adversarial_weight * losses["adversarial"]
            + settings.feature_weight * losses["feature"]
        )

    def _discriminate(self, waveforms: Tensor) -> tuple[list[Tensor], list[list[Tensor]]]:
        scores, features = self.discriminator(waveforms[:, None])
        return [s.float() for s in scores], [[f.float() for f in layers] for layers in features]

    def _autocast(self) -> torch.autocast:
        return torch.autocast("cpu", torch.bfloat16, enabled=self.settings.precision == "bf16")

    def _adamw(self, parameters: list[nn.Parameter]) -> torch.optim.AdamW:
        return torch.optim.AdamW(parameters, lr=1.0, betas=BETAS, weight_decay=self.settings.weight_decay)


def main() -> None:
    """Train the SoVITS with discriminators, and save its average and the discriminators."""
    settings, folder = load_settings().joint, stage_folder("joint")
    with deterministic(settings.seed, settings.n_threads):
        model = load_sovits(stage_folder("prior"), "prior")
        config = model.config.to_dict()
        batches, test_batches = load_batches(model.config, settings, "joint")
        trainer = JointTrainer(model, settings, batches.n_crop)
        discriminator, average = trainer.discriminator, trainer.average.module
        task = Task(
            name="joint",
            settings=settings,
            modules={"model": model, "average": average, "discriminator": discriminator},
            optimizers={"generator": trainer.generator_optimizer, "discriminator": trainer.discriminator_optimizer},
            make_batch=batches.batch,
            learn=trainer.learn,
            evaluate=lambda _: held_out_losses(average, test_batches, settings),
            folder=folder,
            inputs={"config": config},
        )
        train(task)
        save_checkpoint(folder / "sovits", "sovits", config, average.state_dict())
        critic_config, critic_state = discriminator.config.to_dict(), discriminator.state_dict()
        save_checkpoint(folder / "discriminator", "discriminator", critic_config, critic_state)


if __name__ == "__main__":
    main()
