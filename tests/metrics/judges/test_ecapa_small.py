"""The small ECAPA: its recipe on made-up speakers, its shipped weights on real ones."""

import dataclasses
import json
import os
from pathlib import Path

import numpy as np
import pytest
import soundfile
import torch
from hypothesis import given
from hypothesis import strategies as st

from metrics.errors import JudgeUnavailableError
from metrics.judges.ecapa_small import train as recipe
from metrics.judges.ecapa_small.augment import mask_features, new_sessions
from metrics.judges.ecapa_small.config import HERE, EcapaConfig, config_json, load_config
from metrics.judges.ecapa_small.data import speakers_at_speeds, train_files
from metrics.judges.ecapa_small.evaluate import embed_files
from metrics.judges.ecapa_small.model import load_trained, log_mel_features
from metrics.judges.ecapa_small.trials import Trials, all_pairs, centroid_trials, cross_pairs, equal_error_rate
from metrics.judges.speaker import SmallEcapa

MAX_WEIGHTS_BYTES = 3_000_000


@pytest.fixture
def one_thread():
    before = torch.get_num_threads()
    yield
    torch.set_num_threads(before)


@pytest.fixture(scope="module")
def made_up(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A shared folder with ten voices: buzzes of different pitch, seven seconds each."""
    root = tmp_path_factory.mktemp("shared")
    folder = root / "data/librispeech_speakers/train"
    folder.mkdir(parents=True)
    time = np.arange(7 * 16_000) / 16_000
    for speaker in range(10):
        pitch = 90 * 1.12**speaker * (1 + 0.05 * np.sin(2 * np.pi * 3 * time))
        buzz = 0.1 * np.sign(np.sin(2 * np.pi * np.cumsum(pitch) / 16_000)) * (0.6 + 0.4 * np.sin(2 * np.pi * 4 * time))
        soundfile.write(folder / f"{speaker + 1}-1-0000.flac", buzz, 16_000)
    return root


@pytest.fixture(scope="module")
def tiny() -> EcapaConfig:
    config = load_config(HERE)
    model = dataclasses.replace(
        config.model,
        channels=(16, 16, 16, 16, 32),
        attention_channels=8,
        res2net_scale=2,
        se_channels=8,
        embedding_size=16,
    )
    training = dataclasses.replace(
        config.training, n_steps=4, batch_size=8, validation_every_nth_speaker=5, ramp_steps=2
    )
    return dataclasses.replace(config, model=model, training=training, weights_sha256="")


def test_a_stopped_training_continues_as_if_never_stopped(
    made_up: Path, tiny: EcapaConfig, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, one_thread: None
) -> None:
    recipe.train(tiny, made_up, tmp_path / "undisturbed", report_every=2)

    def save_then_die(*arguments: object) -> None:
        recipe_save(*arguments)
        raise KeyboardInterrupt

    recipe_save = recipe.save_resume
    with monkeypatch.context() as patch:
        patch.setattr(recipe, "save_resume", save_then_die)
        with pytest.raises(KeyboardInterrupt):
            recipe.train(tiny, made_up, tmp_path / "stopped", report_every=2)
    assert not (tmp_path / "stopped/weights.safetensors").exists()
    recipe.train(tiny, made_up, tmp_path / "stopped", report_every=2)

    for name in ("weights.safetensors", "config.json"):
        assert (tmp_path / "stopped" / name).read_bytes() == (tmp_path / "undisturbed" / name).read_bytes()
    assert sorted(p.name for p in (tmp_path / "stopped").iterdir()) == ["config.json", "weights.safetensors"]
    config, model = load_trained(tmp_path / "stopped")
    assert dataclasses.replace(config, weights_sha256="") == tiny
    assert not model.training


def test_a_state_of_another_run_is_refused(
    made_up: Path, tiny: EcapaConfig, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, one_thread: None
) -> None:
    def die(*_: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(recipe, "write_atomic", die)  # after the last state, before the end
    with pytest.raises(KeyboardInterrupt):
        recipe.train(tiny, made_up, tmp_path)
    other = dataclasses.replace(tiny, training=dataclasses.replace(tiny.training, seed=1))
    with pytest.raises(ValueError, match="state of another config or other training clips; delete it first"):
        recipe.train(other, made_up, tmp_path)


def test_a_clip_at_other_speeds_is_another_speaker(made_up: Path) -> None:
    speakers = speakers_at_speeds(train_files(made_up)[:2], (0.9, 1.0, 1.1), 16_000)
    assert [s.name for s in speakers] == ["1@0.9", "1@1", "1@1.1", "2@0.9", "2@1", "2@1.1"]
    lengths = [len(s.samples) for s in speakers[:3]]
    assert lengths == pytest.approx([7 * 16_000 / 0.9, 7 * 16_000, 7 * 16_000 / 1.1], rel=1e-3)

    def pitch(samples: torch.Tensor) -> int:
        return int(torch.fft.rfft(samples[: 2 * 16_000].float()).abs().argmax())

    assert pitch(speakers[2].samples) / pitch(speakers[0].samples) == pytest.approx(1.1 / 0.9, rel=0.05)


def test_a_missing_training_set_is_named(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError, match=r"librispeech_speakers/train holds no \.flac file"):
        train_files(tmp_path)


def speech_like(n: int = 4, n_samples: int = 16_000) -> torch.Tensor:
    return torch.randn((n, n_samples), generator=torch.Generator().manual_seed(0)) * 0.05


def test_a_session_is_a_function_of_its_generator() -> None:
    def make(seed: int, share: float = 1.0) -> torch.Tensor:
        return new_sessions(speech_like(), torch.Generator().manual_seed(seed), share)

    assert torch.equal(make(1), make(1))
    assert not torch.equal(make(1), make(2))
    assert torch.equal(make(1, share=0.0), speech_like())
    assert torch.isfinite(make(3)).all()


def test_masks_hide_only_bands_and_stretches() -> None:
    features = torch.ones(16, 200, 80)
    masked = mask_features(features, torch.Generator().manual_seed(0))
    assert set(masked.unique().tolist()) == {0.0, 1.0}
    hidden = (masked == 0).float()
    whole_bands, whole_frames = hidden.min(dim=1).values, hidden.min(dim=2).values  # (16, 80), (16, 200)
    explained = torch.maximum(whole_bands[:, None, :], whole_frames[:, :, None])
    assert torch.equal(hidden, explained)
    assert whole_bands.sum(dim=1).max() <= 20
    assert whole_frames.sum(dim=1).max() <= 50


def test_features_ignore_level_and_a_fixed_channel() -> None:
    features = log_mel_features(load_config(HERE).features)
    speech = speech_like()
    plain = features(speech)
    assert plain.shape == (4, 101, 80)
    torch.testing.assert_close(features(speech * 0.01), plain, atol=1e-3, rtol=0)
    torch.testing.assert_close(plain.mean(dim=1), torch.zeros(4, 80), atol=1e-4, rtol=0)
    # a first-order filter is a fixed channel: what remains of it comes from windowing
    coloured = torch.nn.functional.conv1d(speech[:, None], torch.tensor([[[-0.3, 1.0]]]), padding=1)[:, 0, :-1]
    assert (features(coloured) - plain).abs().mean() < 0.1


def test_equal_error_rate_of_known_distributions() -> None:
    assert equal_error_rate(Trials(np.array([0.8, 0.9]), np.array([0.1, 0.2, 0.3])))[0] == 0
    assert equal_error_rate(Trials(np.array([0.1, 0.2]), np.array([0.8, 0.9])))[0] == 1
    rng = np.random.default_rng(0)
    rate, threshold = equal_error_rate(Trials(rng.normal(2, 1, 20_000), rng.normal(0, 1, 20_000)))
    assert rate == pytest.approx(0.1587, abs=0.01)  # P(N(0, 1) > 1)
    assert threshold == pytest.approx(1, abs=0.05)


@given(st.lists(st.floats(-1, 1), min_size=1, max_size=20), st.lists(st.floats(-1, 1), min_size=1, max_size=20))
def test_equal_error_rate_is_a_share_and_0_where_the_distributions_do_not_overlap(
    same: list[float], different: list[float]
) -> None:
    rate, _ = equal_error_rate(Trials(np.array(same), np.array(different)))
    assert 0 <= rate <= 1
    if min(same) > max(different):
        assert rate == 0


def test_pairs_are_counted_once() -> None:
    embeddings = np.eye(5)
    pairs = all_pairs(embeddings, ["a", "a", "a", "b", "b"])
    assert (len(pairs.same), len(pairs.different)) == (4, 6)
    assert len(cross_pairs(embeddings[:3], embeddings[3:]).same) == 3
    assert len(cross_pairs(embeddings[:3], embeddings[3:]).different) == 6
    centroid = centroid_trials(embeddings, ["a", "a", "a", "b", "b"])
    assert (len(centroid.same), len(centroid.different)) == (5, 5)
    assert not centroid.same.any(), "a clip is not part of the centroid that it is compared with"
    with pytest.raises(ValueError, match="5 embeddings but 1 speaker"):
        all_pairs(embeddings, ["a"])
    with pytest.raises(ValueError, match="0 same-speaker"):
        equal_error_rate(all_pairs(np.eye(2), ["a", "b"]))


def test_unknown_and_missing_config_keys_are_named(tmp_path: Path) -> None:
    values = json.loads(config_json(load_config(HERE)))
    values["training"]["learning_rte"] = values["training"].pop("learning_rate")
    (tmp_path / "config.json").write_text(json.dumps(values))
    with pytest.raises(ValueError, match=r"missing keys \['learning_rate'\], unknown keys \['learning_rte'\]"):
        load_config(tmp_path)
    del values["training"]
    (tmp_path / "config.json").write_text(json.dumps(values))
    with pytest.raises(ValueError, match="section 'training' is missing"):
        load_config(tmp_path)


def test_other_weights_than_the_configs_are_refused(tmp_path: Path) -> None:
    (tmp_path / "config.json").write_text((HERE / "config.json").read_text())
    with pytest.raises(JudgeUnavailableError, match=r"weights\.safetensors is missing.*train it with"):
        SmallEcapa(tmp_path)
    weights = bytearray((HERE / "weights.safetensors").read_bytes())
    weights[-1] ^= 1
    (tmp_path / "weights.safetensors").write_bytes(weights)
    with pytest.raises(ValueError, match="is not weights_sha256"):
        SmallEcapa(tmp_path)


def test_the_shipped_weights_are_small_and_the_published_ones() -> None:
    assert os.path.getsize(HERE / "weights.safetensors") <= MAX_WEIGHTS_BYTES
    assert json.loads((HERE / "results.json").read_text())["version"] == SmallEcapa().version


def test_the_published_error_rate_is_measured_again(shared: Path) -> None:
    files = sorted((shared / "data/librispeech_speakers/test").glob("*/*.flac"))
    rate, _ = equal_error_rate(all_pairs(embed_files(SmallEcapa(), files), [f.parent.name for f in files]))
    published = json.loads((HERE / "results.json").read_text())["sets"]["librispeech_test"]
    assert rate == pytest.approx(published["eer"], abs=0.005)
    assert published["n_same"] + published["n_different"] == len(files) * (len(files) - 1) // 2
