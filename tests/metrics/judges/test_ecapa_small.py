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
from metrics.judges.ecapa_small.config import HERE, REMOVED_MEANS, EcapaConfig, config_json, load_config
from metrics.judges.ecapa_small.damage import DAMAGES
from metrics.judges.ecapa_small.data import train_files
from metrics.judges.ecapa_small.evaluate import embed_files
from metrics.judges.ecapa_small.losses import Distillation
from metrics.judges.ecapa_small.model import load_trained, log_mel_features
from metrics.judges.ecapa_small.trials import (
    Trials,
    all_pairs,
    centroid_trials,
    cross_pairs,
    crossed_pairs,
    equal_error_rate,
)
from metrics.judges.ecapa_small.voices import make_speakers, move_formants
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
        config.training,
        start_sha256="",
        n_steps=4,
        batch_size=8,
        variants=((1.0, 1.0), (1.1, 0.9)),
        validation_every_nth_speaker=5,
        ramp_steps=2,
    )
    return dataclasses.replace(config, model=model, training=training, weights_sha256="")


def pitch_teacher(waveform: np.ndarray, sample_rate: int) -> np.ndarray:
    """A stand-in for the teacher, which is not installed everywhere: a direction that follows the pitch."""
    spectrum = np.abs(np.fft.rfft(waveform[: 2 * sample_rate], n=2 * sample_rate))[:2000]
    bands = spectrum.reshape(16, -1).sum(axis=1)
    return (bands / np.linalg.norm(bands)).astype(np.float32)


@pytest.fixture
def stand_in(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(recipe, "load_teacher", lambda: pitch_teacher)


def test_a_stopped_training_continues_as_if_never_stopped(
    made_up: Path, tiny: EcapaConfig, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, one_thread: None, stand_in: None
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
    made_up: Path, tiny: EcapaConfig, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, one_thread: None, stand_in: None
) -> None:
    def die(*_: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(recipe, "write_atomic", die)  # after the last state, before the end
    with pytest.raises(KeyboardInterrupt):
        recipe.train(tiny, made_up, tmp_path)
    other = dataclasses.replace(tiny, training=dataclasses.replace(tiny.training, seed=1))
    with pytest.raises(ValueError, match="state of another config or other training clips; delete it first"):
        recipe.train(other, made_up, tmp_path)


def test_a_second_stage_starts_from_the_weights_that_its_config_names(
    made_up: Path, tiny: EcapaConfig, tmp_path: Path, one_thread: None, stand_in: None
) -> None:
    recipe.train(tiny, made_up, tmp_path / "first")
    first = load_config(tmp_path / "first")
    second = dataclasses.replace(
        tiny, training=dataclasses.replace(tiny.training, start_sha256=first.weights_sha256, n_steps=1)
    )
    with pytest.raises(ValueError, match="pass the weights of the stage before with --start"):
        recipe.train(second, made_up, tmp_path / "second")
    with pytest.raises(ValueError, match="pass the weights of the stage before"):
        recipe.train(tiny, made_up, tmp_path / "second", start=tmp_path / "first/weights.safetensors")
    recipe.train(second, made_up, tmp_path / "second", start=tmp_path / "first/weights.safetensors")
    before, after = (load_trained(tmp_path / stage)[1].state_dict() for stage in ("first", "second"))
    fresh = recipe.build_model(tiny.model, tiny.features.n_mels).state_dict()
    moved = [float((after[name] - before[name]).abs().max()) for name in before if name.endswith("conv.conv.weight")]
    away = [float((after[name] - fresh[name]).abs().max()) for name in before if name.endswith("conv.conv.weight")]
    assert max(moved) < 0.1 * max(away), "one step moves the weights a little, and a new start would be far away"


def pitch_hz(samples: np.ndarray) -> float:
    return float(np.abs(np.fft.rfft(np.asarray(samples[: 2 * 16_000], np.float64))).argmax() / 2)


def test_a_variant_is_another_voice_of_the_same_text(made_up: Path) -> None:
    speakers = make_speakers(
        train_files(made_up)[:2], ((0.9, 1.0), (1.0, 1.0), (1.1, 1.0), (1.0, 1.2)), 16_000, pitch_teacher
    )
    assert [s.name for s in speakers] == [f"{n}@{v}" for n in (1, 2) for v in ("0.9,1", "1,1", "1.1,1", "1,1.2")]
    lengths = [len(s.samples) for s in speakers[:4]]
    assert lengths == pytest.approx([7 * 16_000 / 0.9, 7 * 16_000, 7 * 16_000 / 1.1, 7 * 16_000], rel=1e-3)
    assert pitch_hz(speakers[2].samples) / pitch_hz(speakers[0].samples) == pytest.approx(1.1 / 0.9, rel=0.05)
    for speaker in speakers:
        heard = pitch_teacher(speaker.samples.numpy().astype(np.float32) / 32768, 16_000)
        assert torch.equal(speaker.target, torch.from_numpy(heard)), "the teacher hears the variant"


def test_moved_formants_keep_the_pitch() -> None:
    time = np.arange(32_000) / 16_000
    buzz = sum(np.exp(-(((100 * n - 2000) / 800) ** 2)) * np.sin(2 * np.pi * 100 * n * time) for n in range(1, 60))
    buzz = (0.1 * buzz).astype(np.float32)
    moved = move_formants(buzz, 1.15)
    assert len(moved) == len(buzz)

    def centre_hz(waveform: np.ndarray) -> float:
        power = np.abs(np.fft.rfft(waveform.astype(np.float64))) ** 2
        return float((power * np.arange(len(power)) / 2).sum() / power.sum())

    assert centre_hz(moved) / centre_hz(buzz) == pytest.approx(1.15, abs=0.05)
    assert pitch_hz(moved) % 100 == pytest.approx(0, abs=1), "the harmonics stay multiples of the pitch"
    np.testing.assert_allclose(move_formants(buzz, 1.0), buzz, atol=1e-4)


def test_a_student_that_agrees_with_the_teacher_has_no_loss_from_it(tiny: EcapaConfig) -> None:
    targets = torch.nn.functional.normalize(torch.rand((20, 16), generator=torch.Generator().manual_seed(0)))
    head = Distillation(targets, 16, tiny.training)
    torch.nn.init.eye_(head.map.weight)
    labels = torch.arange(8)
    _, parts = head(head.targets[labels], labels, 0.0)
    assert parts.direction.item() == pytest.approx(0, abs=1e-5)
    assert parts.relations.item() == pytest.approx(0, abs=1e-10)
    _, parts = head(head.targets[labels.flip(0)], labels, 0.0)
    assert parts.direction > 0.5


@pytest.mark.parametrize("name", DAMAGES)
def test_a_damage_is_audible_and_repeatable(name: str) -> None:
    speech = speech_like(1)[0].numpy()
    damaged = DAMAGES[name](speech, 3)
    assert damaged.dtype == np.float32
    assert damaged.shape == speech.shape
    assert np.array_equal(damaged, DAMAGES[name](speech, 3))
    assert np.std(damaged / np.std(damaged) - speech / np.std(speech)) > 0.1


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


@pytest.mark.parametrize(("removed_mean", "axes"), REMOVED_MEANS.items())
def test_features_ignore_level(removed_mean: str, axes: tuple[int, ...]) -> None:
    features = log_mel_features(dataclasses.replace(load_config(HERE).features, removed_mean=removed_mean))
    speech = speech_like()
    plain = features(speech)
    assert plain.shape == (4, 67, 80)
    torch.testing.assert_close(features(speech * 0.01), plain, atol=1e-3, rtol=0)
    mean = plain.mean(dim=axes)
    torch.testing.assert_close(mean, torch.zeros_like(mean), atol=1e-4, rtol=0)


def test_features_without_the_mean_of_each_band_ignore_a_fixed_channel_too() -> None:
    features = log_mel_features(dataclasses.replace(load_config(HERE).features, removed_mean="band"))
    speech = speech_like()
    plain = features(speech)
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
    crossed = crossed_pairs(embeddings, embeddings, ["a", "a", "a", "b", "b"])
    assert (len(crossed.same), len(crossed.different)) == (8, 12)
    assert not crossed.same.any(), "a clip is not compared with itself"
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


def test_an_unknown_mean_is_named_with_its_file(tmp_path: Path) -> None:
    values = json.loads(config_json(load_config(HERE)))
    values["features"]["removed_mean"] = "words"
    (tmp_path / "config.json").write_text(json.dumps(values))
    with pytest.raises(ValueError, match=r"config\.json: features: removed_mean is 'words'; .*'band', 'utterance'"):
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
