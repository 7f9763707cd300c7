"""The models that an adaptation starts from: GPT, SoVITS, discriminator and content encoder.

A base is a folder BASES/NAME with a checkpoint in gpt/ and in sovits/, and often in discriminator/ and
content_encoder/. The repository comes with the base "starter". A pair as users share it has only a GPT and a SoVITS. It
can speak, but a voice cannot be adapted from it, because it lacks the discriminator and often the posterior encoder.

All official pairs were trained with the same encoders, which therefore have separate folders (SHARED_PARTS).
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

from torch import Tensor

from gpt_sovits.content_encoder.encoder import ContentEncoder, build_content_encoder, content_width, has_posteriors
from gpt_sovits.gpt.model import GPT, GPTConfig
from gpt_sovits.gpt.reranking import label_codewords
from gpt_sovits.sovits.config import DiscriminatorConfig, SoVITSConfig
from gpt_sovits.sovits.discriminator import Discriminator
from gpt_sovits.sovits.model import SoVITS
from gpt_sovits.weights.checkpoint import CheckpointError, load_checkpoint, load_weights, save_checkpoint
from gpt_sovits.weights.languages import ALL_LANGUAGES, base_languages, save_languages
from gpt_sovits.weights.places import BASES_FOLDER

STARTER = "starter"
OFFICIAL_SSL_DIM = 768  # of chinese-hubert-base
# Kind of a checkpoint -> the folder in BASES that holds it, in a subfolder with the name of the kind
SHARED_PARTS = {
    "content_encoder": "chinese-hubert-base",
    "bert": "chinese-roberta-wwm-ext-large",
    "speaker_encoder": "eres2netv2",
}


@dataclass(frozen=True, eq=False)
class Base:
    """Configs and weights of one base model.

    Invariant: the parts fit each other. The state dicts are on the CPU and must not be changed in place. A part that
    the base does not have is None, and then build_* and require_adaptable say what to do.
    """

    name: str
    gpt_config: GPTConfig
    gpt_state: dict[str, Tensor]
    sovits_config: SoVITSConfig
    sovits_state: dict[str, Tensor]
    discriminator_config: DiscriminatorConfig | None = None
    discriminator_state: dict[str, Tensor] | None = None
    content_encoder_config: dict[str, Any] | None = None
    content_encoder_state: dict[str, Tensor] | None = None
    languages: tuple[str, ...] = ALL_LANGUAGES  # that it was trained on, ISO 639 codes

    def __post_init__(self) -> None:
        if self.gpt_config.vocab_size != self.sovits_config.codebook_size + 1:
            raise ValueError(
                f"base {self.name}: the GPT has {self.gpt_config.vocab_size} tokens, the SoVITS "
                f"{self.sovits_config.codebook_size} codes; there must be one token per code and one for the end"
            )
        if self.gpt_config.phoneme_vocab_size != self.sovits_config.n_symbols:
            raise ValueError(
                f"base {self.name}: the GPT knows {self.gpt_config.phoneme_vocab_size} symbols, the SoVITS "
                f"{self.sovits_config.n_symbols}; they must share one table"
            )
        if self.content_encoder_config is None:
            return
        width = content_width(self.content_encoder_config)
        if width != self.sovits_config.ssl_dim:
            raise ValueError(
                f"base {self.name}: the content encoder makes features of width {width}, the SoVITS takes "
                f"{self.sovits_config.ssl_dim}; they must be equal"
            )

    def require_adaptable(self) -> None:
        """Check that a voice can be adapted from this base.

        Raises:
            CheckpointError: a part is missing. The message names all missing parts.
        """
        lacking = [
            part
            for part, is_there in (
                (
                    "a posterior encoder (enc_q; the exporter of the SoVITS dropped it)",
                    self.sovits_config.posterior_layers,
                ),
                ("a discriminator", self.discriminator_config),
                ("a content encoder", self.content_encoder_config),
            )
            if not is_there
        ]
        if lacking:
            raise CheckpointError(
                f"base {self.name} can speak but not be adapted: it lacks {', '.join(lacking)}; adapt from a complete "
                f"base, such as {STARTER!r} or one that `vox pull` fetches (v2, v2Pro, v2ProPlus)"
            )

    def build_gpt(self) -> GPT:
        """Build the GPT in eval mode."""
        gpt = GPT(self.gpt_config)
        load_weights(gpt, self.gpt_state, f"gpt of base {self.name}")
        return gpt.eval()

    def build_sovits(self) -> SoVITS:
        """Build the SoVITS in eval mode, with weight norms that are not folded."""
        sovits = SoVITS(self.sovits_config)
        load_weights(sovits, self.sovits_state, f"sovits of base {self.name}")
        return sovits.eval()

    def build_discriminator(self) -> Discriminator:
        """Build the discriminator in eval mode.

        Raises:
            CheckpointError: the base has no discriminator.
        """
        if self.discriminator_config is None:
            raise CheckpointError(
                f"base {self.name} has no discriminator; import the pair again with its s2D file (`--discriminator`)"
            )
        discriminator = Discriminator(self.discriminator_config)
        load_weights(discriminator, self.discriminator_state, f"discriminator of base {self.name}")
        return discriminator.eval()

    def build_content_encoder(self) -> ContentEncoder:
        """Build the content encoder in eval mode.

        Raises:
            CheckpointError: the base has no content encoder.
        """
        if self.content_encoder_config is None:
            raise CheckpointError(
                f"base {self.name} has no content encoder; run `vox pull {SHARED_PARTS['content_encoder']}`"
            )
        encoder = build_content_encoder(self.content_encoder_config)
        load_weights(encoder, self.content_encoder_state, f"content encoder of base {self.name}")
        return encoder

    def token_phones(self) -> tuple[str, ...] | None:
        """Return the phone that each semantic token says.

        Returns:
            One phone per token. None if the content encoder's features are not phone posteriors or if its config does
            not name the phones (`id2label`).
        """
        config = self.content_encoder_config or {}
        labels = config.get("id2label")
        if labels is None or not has_posteriors(config):
            return None
        codewords = self.sovits_state["quantizer.vq.layers.0._codebook.embed"]
        n_phones = len(labels)  # a codeword goes on with the melody
        return label_codewords(codewords[:, :n_phones], [labels[str(i)] for i in range(n_phones)])


def load_base(name: str, folder: Path | None = None) -> Base:
    """Load a base model.

    Args:
        name: name of the base.
        folder: where the bases lie. None is base_models/ beside the packages.

    Raises:
        CheckpointError: the base does not exist, or a part is missing or wrong. The message names it.
    """
    home = (BASES_FOLDER if folder is None else folder) / name
    if not name or name.startswith(".") or Path(name).name != name or not home.is_dir():
        raise CheckpointError(
            f"there is no base model {name!r}: {home} is not a folder; import a base, or use {STARTER!r}"
        )
    gpt_config, gpt_state = load_checkpoint(home / "gpt", "gpt")
    sovits_config, sovits_state = load_checkpoint(home / "sovits", "sovits")
    sovits = SoVITSConfig.from_dict(sovits_config)
    discriminator = discriminator_state = encoder = encoder_state = None
    if (home / "discriminator").is_dir():
        values, discriminator_state = load_checkpoint(home / "discriminator", "discriminator")
        discriminator = DiscriminatorConfig.from_dict(values)
    if (home / "content_encoder").is_dir():
        encoder, encoder_state = load_checkpoint(home / "content_encoder", "content_encoder")
    elif sovits.ssl_dim == OFFICIAL_SSL_DIM and _shared_part("content_encoder", home.parent).is_dir():
        encoder, encoder_state = load_shared_part("content_encoder", home.parent)
    return Base(
        name,
        GPTConfig.from_dict(gpt_config),
        gpt_state,
        sovits,
        sovits_state,
        discriminator,
        discriminator_state,
        encoder,
        encoder_state,
        base_languages(name, home.parent),
    )


def shared_part(kind: str, folder: Path | None = None) -> Path:
    """Return the checkpoint folder of an encoder that all official pairs share.

    Args:
        kind: a key of SHARED_PARTS.
        folder: where the bases lie. None is base_models/ beside the packages.

    Raises:
        CheckpointError: the folder does not exist. The message says which `vox pull` brings it.
    """
    home = _shared_part(kind, BASES_FOLDER if folder is None else folder)
    if not home.is_dir():
        raise CheckpointError(f"{home} does not exist; run `vox pull {SHARED_PARTS[kind]}`")
    return home


def load_shared_part(kind: str, folder: Path | None = None) -> tuple[dict[str, Any], dict[str, Tensor]]:
    """Load (config, state) of the checkpoint that shared_part finds."""
    return load_checkpoint(shared_part(kind, folder), kind)


def _shared_part(kind: str, folder: Path) -> Path:
    return folder / SHARED_PARTS[kind] / kind


def save_base(base: Base, folder: Path) -> None:
    """Write a base to folder/NAME, one checkpoint per part, for load_base(NAME, folder)."""
    home = folder / base.name
    home.mkdir(parents=True, exist_ok=True)
    save_languages(base.languages, home)
    for kind, config, state in (
        ("gpt", base.gpt_config, base.gpt_state),
        ("sovits", base.sovits_config, base.sovits_state),
        ("discriminator", base.discriminator_config, base.discriminator_state),
        ("content_encoder", base.content_encoder_config, base.content_encoder_state),
    ):
        if config is not None:
            save_checkpoint(home / kind, kind, config if isinstance(config, dict) else config.to_dict(), state)
