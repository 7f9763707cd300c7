"""Key listings: every network at its official size has the names, shapes and types of the official file."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest
import torch
from sovits_golden import reference_folder
from torch import nn

from gpt_sovits.gpt.model import GPT, GPTConfig
from gpt_sovits.sovits.config import OFFICIAL, OFFICIAL_DISCRIMINATOR
from gpt_sovits.sovits.discriminator import Discriminator
from gpt_sovits.sovits.model import SoVITS
from gpt_sovits.speaker_encoder import UNUSED_TENSORS, SpeakerEncoder, SpeakerEncoderConfig

# listing: (the network, prefix of our names in the file, names of the file that we do not use)
NETWORKS: dict[str, tuple[Callable[[], nn.Module], str, frozenset[str]]] = {
    "s1_v2": (lambda: GPT(GPTConfig()), "model.", frozenset()),
    "s2_v2": (lambda: SoVITS(OFFICIAL["v2"]), "", frozenset()),
    "s2_v2Pro": (lambda: SoVITS(OFFICIAL["v2Pro"]), "", frozenset()),
    "s2_v2ProPlus": (lambda: SoVITS(OFFICIAL["v2ProPlus"]), "", frozenset()),
    "s2D_v2": (lambda: Discriminator(OFFICIAL_DISCRIMINATOR["v2"]), "", frozenset()),
    "s2D_v2Pro": (lambda: Discriminator(OFFICIAL_DISCRIMINATOR["v2Pro"]), "", frozenset()),
    "sv_eres2netv2": (lambda: SpeakerEncoder(SpeakerEncoderConfig()), "", UNUSED_TENSORS),
}


@pytest.mark.parametrize("name", NETWORKS)
def test_tensors_match_the_official_file(shared: Path, name: str) -> None:
    build, prefix, unused = NETWORKS[name]
    with torch.device("meta"):
        state = build().state_dict()
    actual = {prefix + k: (str(list(v.shape)), str(v.dtype).removeprefix("torch.")) for k, v in state.items()}
    lines = (reference_folder(shared) / f"keys_{name}.txt").read_text(encoding="utf-8").splitlines()
    listed = {k: (shape, dtype) for k, shape, dtype in (x.split("\t") for x in lines if x and not x.startswith("#"))}
    assert unused <= set(listed)
    assert actual == {k: v for k, v in listed.items() if k not in unused}


def test_every_listing_is_tested(shared: Path) -> None:
    found = {path.stem.removeprefix("keys_") for path in reference_folder(shared).glob("keys_*.txt")}
    assert found == set(NETWORKS)
