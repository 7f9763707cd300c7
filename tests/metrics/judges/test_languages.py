"""The languages that a judge's name promises are those that the judge hears."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch
from whisper.model import ModelDimensions, Whisper

from metrics.judges.asr import load_transcriber
from metrics.judges.languages import languages_heard
from metrics.normalize import LANGUAGES


def heard(name: str, folder: Path | None = None) -> set[str]:
    return set(load_transcriber(name, folder, download=False).languages) & set(LANGUAGES)


@pytest.mark.parametrize("name", ["pocketsphinx", "faster-whisper-tiny.en"])
def test_the_offline_judges_hear_what_their_names_promise(name: str) -> None:
    assert set(languages_heard(name)) == heard(name) == {"en"}


@pytest.mark.parametrize(
    ("size", "n_vocab"),
    [("tiny", 51865), ("tiny.en", 51864), ("large-v2", 51865), ("large-v3", 51866), ("turbo", 51866)],
)
def test_a_whisper_with_the_vocabulary_of_its_size_hears_what_its_name_promises(
    tmp_path: Path, size: str, n_vocab: int
) -> None:
    """The weights are random and small, but the vocabulary is the published one, from which the languages follow."""
    dims = ModelDimensions(80, 1500, 8, 2, 1, n_vocab, 32, 8, 2, 1)
    (tmp_path / f"whisper-{size}").mkdir()
    torch.save(
        {"dims": vars(dims), "model_state_dict": Whisper(dims).state_dict()}, tmp_path / f"whisper-{size}/{size}.pt"
    )
    assert set(languages_heard(f"whisper-{size}")) == heard(f"whisper-{size}", tmp_path)
    assert languages_heard(f"faster-whisper-{size}") == languages_heard(f"whisper-{size}")


def test_a_distilled_whisper_hears_english_only() -> None:
    assert languages_heard("faster-whisper-distil-large-v3") == ("en",)


def test_a_name_that_says_nothing_is_left_to_the_judge() -> None:
    assert languages_heard("stand-in") is None
