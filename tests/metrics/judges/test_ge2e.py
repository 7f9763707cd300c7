"""The speaker judge ge2e: a package's weights, our own network. Without the package it says what to install."""

import hashlib
import sys
from pathlib import Path

import numpy as np
import pytest
import soundfile
import torch

from metrics.errors import JudgeUnavailableError
from metrics.judges.ge2e import (
    PACKAGE,
    WEIGHTS_SHA256,
    WINDOW_FRAMES,
    Ge2eEncoder,
    embed_utterance,
    load_encoder,
    mel_windows,
    weights_file,
)
from metrics.judges.speaker import cosine, load_speaker_judge

NOISE = np.random.default_rng(0).normal(size=48_000).astype(np.float32) * 0.05


def install(root: Path, version: str, weights: bytes | None) -> Path:
    """Lay out what pip leaves of the package: its metadata, a weights file, and a module that must not be run."""
    metadata = root / f"Resemblyzer-{version}.dist-info" / "METADATA"
    metadata.parent.mkdir()
    metadata.write_text(f"Metadata-Version: 2.1\nName: Resemblyzer\nVersion: {version}\n", encoding="utf-8")
    package = root / "resemblyzer"
    package.mkdir()
    (package / "__init__.py").write_text("raise AssertionError('the package was imported')\n", encoding="utf-8")
    if weights is not None:
        (package / "pretrained.pt").write_bytes(weights)
    return root


@pytest.fixture
def only(monkeypatch: pytest.MonkeyPatch, tmp_path: Path):
    """Return a function that leaves one folder to look for installed packages in."""

    def use(folder: Path) -> None:
        monkeypatch.setattr(sys, "path", [str(folder)])

    return use


@pytest.fixture(scope="module")
def installed():
    try:
        return load_speaker_judge("ge2e")
    except JudgeUnavailableError:
        pytest.skip(f"the package {PACKAGE} is not installed")


def test_without_the_package_it_says_what_to_install(only, tmp_path: Path) -> None:
    only(tmp_path)
    with pytest.raises(JudgeUnavailableError, match=r"run `pip install --no-deps Resemblyzer==0\.1\.4`"):
        load_speaker_judge("ge2e")


def test_another_version_of_the_package_is_refused(only, tmp_path: Path) -> None:
    only(install(tmp_path, "0.2.0", b""))
    with pytest.raises(JudgeUnavailableError, match=r"knows the weights of Resemblyzer 0\.1\.4, and version 0\.2\.0"):
        load_speaker_judge("ge2e")


def test_another_weights_file_is_refused_before_it_is_read(only, tmp_path: Path) -> None:
    only(install(tmp_path, "0.1.4", b"not the published file"))
    with pytest.raises(JudgeUnavailableError, match=r"pretrained\.pt has sha256 .*--force-reinstall"):
        load_speaker_judge("ge2e")


def test_a_package_without_its_weights_is_refused(only, tmp_path: Path) -> None:
    only(install(tmp_path, "0.1.4", None))
    with pytest.raises(JudgeUnavailableError, match="is missing from the installed package"):
        load_speaker_judge("ge2e")


class Touch:
    """What a hostile checkpoint would hold: code that runs when it is unpickled."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def __reduce__(self):
        return Path.touch, (self.path,)


def test_no_code_of_a_checkpoint_is_run(tmp_path: Path) -> None:
    path, touched = tmp_path / "pretrained.pt", tmp_path / "touched"
    torch.save({"model_state": {"weight": Touch(touched)}}, path)
    with pytest.raises(Exception, match="Weights only load failed"):
        load_encoder(path, hashlib.sha256(path.read_bytes()).hexdigest())
    assert not touched.exists()


def test_the_package_layout_of_the_weights_is_loaded(only, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    torch.manual_seed(0)
    weights = Ge2eEncoder().state_dict() | {"similarity_weight": torch.ones(1), "similarity_bias": torch.ones(1)}
    root = install(tmp_path, "0.1.4", b"")
    path = root / "resemblyzer" / "pretrained.pt"
    torch.save({"step": 1, "model_state": weights, "optimizer_state": {}}, path)
    monkeypatch.setitem(WEIGHTS_SHA256, "0.1.4", hashlib.sha256(path.read_bytes()).hexdigest())
    only_path = sys.path.copy()
    only(root)
    version, found = weights_file()
    monkeypatch.setattr(sys, "path", only_path)
    assert (version, found.resolve()) == ("0.1.4", path.resolve())
    encoder = load_encoder(found, WEIGHTS_SHA256[version])
    assert torch.equal(encoder.linear.weight, weights["linear.weight"])
    assert "resemblyzer" not in sys.modules


def test_the_encoder_hears_windows_of_one_length() -> None:
    assert mel_windows(NOISE[:8000]).shape == (1, WINDOW_FRAMES, 40)
    assert mel_windows(NOISE).shape == (3, WINDOW_FRAMES, 40)
    torch.testing.assert_close(mel_windows(NOISE * 0.01), mel_windows(NOISE), rtol=1e-3, atol=1e-6)


def test_an_embedding_is_a_direction_without_negative_parts() -> None:
    torch.manual_seed(0)
    embedding = embed_utterance(Ge2eEncoder().eval(), NOISE)
    assert embedding.shape == (256,)
    assert np.linalg.norm(embedding) == pytest.approx(1, abs=1e-5)
    assert embedding.min() >= 0


def test_the_installed_judge_tells_readers_apart(installed, shared: Path) -> None:
    def embed(folder: str) -> list[np.ndarray]:
        files = sorted((shared / "data" / folder).glob("*.*"))[:4]
        return [installed.embed(*soundfile.read(file, dtype="float32")) for file in files]

    reader, other = embed("ljspeech/wavs"), embed("librispeech_speakers/test/1688")
    same = min(cosine(a, b) for a in reader for b in reader)
    assert same > max(cosine(a, b) for a in reader for b in other)


def test_the_installed_judge_refuses_silence_as_every_speaker_judge(installed) -> None:
    with pytest.raises(ValueError, match=r"1\.00 s of silence"):
        installed.embed(np.zeros(16_000, np.float32), 16_000)
