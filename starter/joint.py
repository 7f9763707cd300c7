"""Stage joint: all of SoVITS but the posterior encoder, with critics that hear what spectra do not say.

    python -m starter.joint

The sound of the prior, which is what a listener gets, is trained against the critics; so is the copy of the speech, so
that the latent keeps its meaning. The discriminators are kept for the adaptation.
"""

from __future__ import annotations

import torch

from gpt_sovits.determinism import deterministic
from gpt_sovits.sovits.config import DiscriminatorConfig
from gpt_sovits.sovits.discriminator import Discriminator
from gpt_sovits.sovits.losses import adversarial_loss, discriminator_loss, feature_matching_loss
from gpt_sovits.sovits.model import take_segments
from gpt_sovits.weights.checkpoint import save_checkpoint
from starter.prior import Draws, SpokenBatch, held_out_losses, load_sovits, say, spoken
from starter.settings import load_settings, stage_folder
from starter.sovits_data import spectral_loss
from starter.tokens import read_tokens
from starter.training import Average, Losses, step_of, train

BETAS = (0.8, 0.99)


def main() -> None:
    own = load_settings().joint
    with deterministic(own.seed, own.n_threads):
        model = load_sovits(stage_folder("prior"), "prior")
        config = model.config
        discriminator = Discriminator(DiscriminatorConfig(**own.discriminator))
        rows = read_tokens()
        draws = Draws(spoken(rows, own.longest_seconds, is_held_out=False), config, own, "joint")
        tests = Draws(spoken(rows, own.longest_seconds, is_held_out=True), config, own, "joint, held out")
        test_batches = [tests.batch(i) for i in range(min(6, tests.n_a_round))]
        average = Average(model, own.average_decay)
        # The posterior encoder stays: it would come down to what the tokens can say, and the latent would lose the rest
        # (with it learning, the divergence fell from 11 to 3 nats in 100 steps and the sound became worse).
        model.enc_q.requires_grad_(False)
        learning = [p for p in model.parameters() if p.requires_grad]
        speaker = torch.optim.AdamW(learning, lr=1.0, betas=BETAS, weight_decay=own.weight_decay)
        critic = torch.optim.AdamW(discriminator.parameters(), lr=1.0, betas=BETAS, weight_decay=own.weight_decay)
        model.train()
        n_crop = draws.n_crop

        def heard(waveforms: torch.Tensor) -> tuple[list[torch.Tensor], list[list[torch.Tensor]]]:
            scores, features = discriminator(waveforms[:, None])
            return [s.float() for s in scores], [[f.float() for f in layers] for layers in features]

        def learn(batch: SpokenBatch, step: int) -> Losses:
            with torch.autocast("cpu", torch.bfloat16, enabled=own.precision == "bf16"):
                said = say(model, batch, own)
                copied = model.dec(take_segments(said.z, batch.starts, n_crop), said.style)[:, 0].float()
                sounds, reals = torch.cat((said.sound, copied)), torch.cat((said.real, said.real))
                discriminator.requires_grad_(True)
                judged = discriminator_loss(heard(said.real)[0], heard(sounds.detach())[0])
            step_of(critic, judged, own.gradient_clip_norm)
            discriminator.requires_grad_(False)
            with torch.autocast("cpu", torch.bfloat16, enabled=own.precision == "bf16"):
                with torch.no_grad():
                    real_features = heard(reals)[1]
                scores, features = heard(sounds)
            adversarial, matching = adversarial_loss(scores), feature_matching_loss(real_features, features)
            spectral = spectral_loss(reals, sounds)
            loss = (
                own.spectral_weight * spectral
                + own.kl_weight * said.kl
                + own.latent_weight * said.latent
                + own.adversarial_weight * adversarial
                + own.feature_weight * matching
            )
            norm = step_of(speaker, loss, own.gradient_clip_norm)
            average.follow(model, step)
            return {
                "spectral": spectral.item(),
                "kl": said.kl.item(),
                "latent": said.latent.item(),
                "adversarial": adversarial.item(),
                "feature": matching.item(),
                "discriminator": judged.item(),
                "norm": norm,
            }

        train(
            "joint",
            own,
            {"model": model, "average": average.module, "discriminator": discriminator},
            {"speaker": speaker, "critic": critic},
            draws.batch,
            learn,
            lambda _: held_out_losses(average.module, test_batches, own),
            stage_folder("joint"),
            {"config": config.to_dict()},
        )
        save_checkpoint(stage_folder("joint") / "sovits", "sovits", config.to_dict(), average.module.state_dict())
        save_checkpoint(
            stage_folder("joint") / "discriminator",
            "discriminator",
            discriminator.config.to_dict(),
            discriminator.state_dict(),
        )


if __name__ == "__main__":
    main()
