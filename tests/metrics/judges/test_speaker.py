"""The speaker judges."""

import sys
from pathlib import Path

import numpy as np
import pytest
import soundfile
import torch
from hypothesis import given
from hypothesis import strategies as st

from metrics.errors import JudgeUnavailableError
from metrics.judges.speaker import SPEAKER_JUDGES, SmallEcapa, cosine, load_speaker_judge
from metrics.judges.speechbrain_import import import_speechbrain

NOISE = np.random.default_rng(0).normal(size=24_000).astype(np.float32) * 0.05


@pytest.fixture(scope="module")
def small() -> SmallEcapa:
    return load_speaker_judge("ecapa_small")


def test_an_embedding_is_a_direction(small: SmallEcapa) -> None:
    embedding = small.embed(NOISE, 16_000)
    assert embedding.dtype == np.float32
    assert embedding.ndim == 1
    assert np.linalg.norm(embedding) == pytest.approx(1, abs=1e-5)


def test_the_same_audio_gives_the_same_embedding_after_other_audio(small: SmallEcapa) -> None:
    first = small.embed(NOISE, 16_000)
    small.embed(NOISE[::-1].copy(), 16_000)
    assert np.array_equal(small.embed(NOISE, 16_000), first)


def test_level_does_not_matter_and_the_sample_rate_hardly_matters(small: SmallEcapa, shared: Path) -> None:
    speech, rate = soundfile.read(shared / "data/ljspeech/wavs/LJ001-0008.wav", dtype="float32")
    embedding = small.embed(speech, rate)
    assert cosine(small.embed(speech * 0.1, rate), embedding) > 0.999
    import soxr

    assert cosine(small.embed(soxr.resample(speech, rate, 48_000), 48_000), embedding) > 0.99


def test_a_reader_is_more_similar_to_herself_than_to_another_reader(small: SmallEcapa, shared: Path) -> None:
    def embed(folder: str) -> np.ndarray:
        files = sorted((shared / "data" / folder).glob("*.*"))[:10]
        return np.stack([small.embed(*soundfile.read(file, dtype="float32")) for file in files])

    reader, other = embed("ljspeech/wavs"), embed("librispeech_speakers/test/1688")
    assert (reader @ reader.T).mean() > (reader @ other.T).mean() + 0.2


@pytest.mark.parametrize(
    ("waveform", "message"),
    [
        (np.zeros(16_000), "1.00 s of silence"),
        (np.zeros(0), "0.00 s of audio is too short"),
        (NOISE[:4000], r"0\.25 s of audio is too short.*at least 0\.3 s"),
        (np.full(16_000, np.inf), "16000 samples that are NaN or infinite"),
        (np.zeros((2, 16_000)), "must be mono"),
    ],
    ids=["silence", "nothing", "too short", "infinite", "stereo"],
)
def test_where_no_speaker_can_be_heard_is_an_error(small: SmallEcapa, waveform: np.ndarray, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        small.embed(waveform.astype(np.float32), 16_000)


def test_the_shortest_audio_that_is_accepted(small: SmallEcapa) -> None:
    assert np.isfinite(small.embed(NOISE[:4800], 16_000)).all()


unit_vectors = st.lists(st.floats(-1, 1), min_size=4, max_size=4).filter(lambda v: np.linalg.norm(v) > 0.1)


@given(unit_vectors, unit_vectors)
def test_cosine_is_bounded_and_symmetric(a: list[float], b: list[float]) -> None:
    a, b = (np.array(v, np.float32) / np.float32(np.linalg.norm(v)) for v in (a, b))
    assert -1 <= cosine(a, b) == cosine(b, a) <= 1
    assert cosine(a, a) == pytest.approx(1, abs=1e-6)


def test_embeddings_of_different_judges_are_not_compared() -> None:
    with pytest.raises(ValueError, match=r"shapes \(3,\) and \(4,\)"):
        cosine(np.ones(3), np.ones(4))


def test_an_unknown_judge_is_refused() -> None:
    with pytest.raises(
        ValueError, match="there is no speaker judge 'resnet'; there are ecapa_small, ecapa_voxceleb, ge2e"
    ):
        load_speaker_judge("resnet")
    assert set(SPEAKER_JUDGES) == {"ecapa_small", "ecapa_voxceleb", "ge2e"}


def test_voxceleb_without_weights_says_what_to_put_where(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(JudgeUnavailableError, match=r"spkrec-ecapa-voxceleb/embedding_model\.ckpt: put .* or run `hf"):
        load_speaker_judge("ecapa_voxceleb", tmp_path)
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_CACHE", str(tmp_path))
    with pytest.raises(JudgeUnavailableError, match="not in the Hugging Face cache"):
        load_speaker_judge("ecapa_voxceleb", download=False)


def voxceleb_folder(root: Path, checkpoint: object) -> Path:
    path = root / "spkrec-ecapa-voxceleb" / "embedding_model.ckpt"
    path.parent.mkdir()
    torch.save(checkpoint, path)
    return root


def test_voxceleb_loads_speechbrains_layout(tmp_path: Path) -> None:
    import_speechbrain()
    from speechbrain.lobes.models.ECAPA_TDNN import ECAPA_TDNN

    torch.manual_seed(0)
    model = ECAPA_TDNN(80, channels=[1024, 1024, 1024, 1024, 3072], lin_neurons=192).eval()
    judge = load_speaker_judge("ecapa_voxceleb", voxceleb_folder(tmp_path, model.state_dict()))
    embedding = judge.embed(NOISE, 16_000)
    assert embedding.shape == (192,)
    assert judge.version.startswith("spkrec-ecapa-voxceleb ")

    # an independent statement of the model's features: 80 mel bands in dB, the mean over the frames removed
    from speechbrain.lobes.features import Fbank

    features = Fbank(n_mels=80)(torch.from_numpy(NOISE).unsqueeze(0))
    with torch.no_grad():
        expected = model(features - features.mean(dim=1, keepdim=True)).flatten().numpy()
    np.testing.assert_allclose(embedding, expected / np.linalg.norm(expected), atol=1e-5)


def test_voxceleb_refuses_other_weights(tmp_path: Path) -> None:
    with pytest.raises(JudgeUnavailableError, match="does not fit speechbrain's VoxCeleb ECAPA-TDNN"):
        load_speaker_judge("ecapa_voxceleb", voxceleb_folder(tmp_path, {"weight": torch.zeros(3)}))


def test_every_module_can_be_looked_at_after_the_import() -> None:
    import_speechbrain()

    for module in list(sys.modules.values()):
        getattr(module, "__file__", None)


class Touch:
    """What a hostile checkpoint would hold: code that runs when it is unpickled."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def __reduce__(self):
        return Path.touch, (self.path,)


def test_voxceleb_runs_no_code_of_a_checkpoint(tmp_path: Path) -> None:
    touched = tmp_path / "touched"
    with pytest.raises(JudgeUnavailableError, match=r"embedding_model\.ckpt holds .* besides tensors"):
        load_speaker_judge("ecapa_voxceleb", voxceleb_folder(tmp_path, {"weight": Touch(touched)}))
    assert not touched.exists()
