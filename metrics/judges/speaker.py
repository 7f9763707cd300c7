"""Speaker judges: speech in, one direction in speaker space out. The cosine of two says how similar they sound.

ecapa_small was trained for this project and comes with it (ecapa_small/MODEL_CARD.md). ecapa_voxceleb is for
production. ge2e is a second opinion where its package is installed. Their cosines are on different scales and are never
compared.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from importlib.metadata import version
from pathlib import Path
from typing import Protocol

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional as F

from metrics.errors import JudgeUnavailableError
from metrics.judges.ge2e import Ge2e
from metrics.judges.speaker_input import audible_speech
from metrics.judges.speechbrain_import import import_speechbrain

VOXCELEB_FOLDER = "spkrec-ecapa-voxceleb"
VOXCELEB_FILE = "embedding_model.ckpt"


class SpeakerJudge(Protocol):
    """A speaker encoder as a judge.

    Invariant: the same audio gives the same embedding, whatever the judge heard before.

    Attributes:
        name: name of the judge.
        version: package and weights. Scores of different versions are not compared.
    """

    name: str
    version: str

    def embed(self, waveform: np.ndarray, sample_rate: int) -> np.ndarray:
        """Return the speaker embedding of an utterance.

        Args:
            waveform: (n,) float32 in [-1, 1].
            sample_rate: in Hz.

        Returns:
            (D,) float32 of unit norm.

        Raises:
            ValueError: no speaker can be heard: silence, less than MIN_SECONDS, NaN or infinity. The caller counts such
                speech as failed, because no embedding stands for nobody.
        """
        ...


def cosine(a: np.ndarray, b: np.ndarray) -> float:
    """Return the cosine of two unit embeddings (D,), in [-1, 1].

    Raises:
        ValueError: their shapes differ, so they come from different judges.
    """
    if a.shape != b.shape:
        raise ValueError(f"embeddings have shapes {a.shape} and {b.shape}; compare embeddings of one judge")
    return float(np.clip(np.dot(a.astype(np.float64), b.astype(np.float64)), -1.0, 1.0))


def _audible(waveform: np.ndarray, sample_rate: int) -> Tensor:
    """Return (1, n) float32 at 16 kHz. Raise ValueError where no speaker can be heard."""
    return torch.from_numpy(audible_speech(waveform, sample_rate)).unsqueeze(0)


def _embedding(model: nn.Module, features: Tensor) -> np.ndarray:
    """Return the (D,) float32 unit-norm embedding of features (1, n_frames, n_mels)."""
    with torch.inference_mode():
        return F.normalize(model(features).squeeze(0).squeeze(0), dim=0).numpy()


class SmallEcapa:
    """The project's own small ECAPA-TDNN, trained by metrics/judges/ecapa_small.

    Without `folder`, config.json and weights.safetensors of that package are loaded.
    """

    name = "ecapa_small"

    def __init__(self, folder: Path | None = None) -> None:
        from metrics.judges.ecapa_small.config import HERE
        from metrics.judges.ecapa_small.model import load_trained, log_mel_features

        try:
            config, self._model = load_trained(folder or HERE)
        except FileNotFoundError as error:
            raise JudgeUnavailableError(f"judge {self.name}: {error}") from error
        self._features = log_mel_features(config.features)
        self.version = f"{config.version} {config.weights_sha256[:12]} speechbrain {version('speechbrain')}"

    def embed(self, waveform: np.ndarray, sample_rate: int) -> np.ndarray:
        """Return the speaker embedding of an utterance. See SpeakerJudge."""
        return _embedding(self._model, self._features(_audible(waveform, sample_rate)))


class SpeechbrainEcapa:
    """speechbrain's ECAPA-TDNN trained on VoxCeleb (spkrec-ecapa-voxceleb, EER about 0.9 % on VoxCeleb1).

    It is built here rather than by from_hparams, which runs the YAML file that comes with the weights and unpickles
    without restrictions.
    """

    name = "ecapa_voxceleb"

    def __init__(self, weights_dir: Path | None = None, download: bool = True) -> None:
        import_speechbrain()
        from speechbrain.lobes.features import Fbank
        from speechbrain.lobes.models.ECAPA_TDNN import ECAPA_TDNN
        from speechbrain.processing.features import InputNormalization

        path = _voxceleb_weights(weights_dir, download)
        # sizes and features as in that model's hyperparams.yaml
        self._model = ECAPA_TDNN(80, channels=[1024, 1024, 1024, 1024, 3072], attention_channels=128, lin_neurons=192)
        try:
            self._model.load_state_dict(_tensors(path), strict=True)
        except JudgeUnavailableError:
            raise
        except RuntimeError as error:
            raise JudgeUnavailableError(
                f"{path} does not fit speechbrain's VoxCeleb ECAPA-TDNN; fetch {VOXCELEB_FILE} again ({error})"
            ) from error
        self._model.eval()
        self._fbank = Fbank(n_mels=80).eval()
        self._normalize = InputNormalization(norm_type="sentence", std_norm=False).eval()
        digest = hashlib.sha256(path.read_bytes()).hexdigest()
        self.version = f"{VOXCELEB_FOLDER} {digest[:12]} speechbrain {version('speechbrain')}"

    def embed(self, waveform: np.ndarray, sample_rate: int) -> np.ndarray:
        """Return the speaker embedding of an utterance. See SpeakerJudge."""
        audible = _audible(waveform, sample_rate)
        return _embedding(self._model, self._normalize(self._fbank(audible), torch.ones(1)))


def _tensors(path: Path) -> dict[str, Tensor]:
    """Return a torch checkpoint's tensors, read without running any code in it."""
    from torch.serialization import get_unsafe_globals_in_checkpoint

    # a broken file raises RuntimeError; anything but tensors in a whole file is refused before it is read
    if unsafe := get_unsafe_globals_in_checkpoint(path):
        raise JudgeUnavailableError(f"{path} holds {', '.join(unsafe)} besides tensors; fetch {VOXCELEB_FILE} again")
    return torch.load(path, map_location="cpu", weights_only=True)


def _voxceleb_weights(weights_dir: Path | None, download: bool) -> Path:
    """Return WEIGHTS_DIR/spkrec-ecapa-voxceleb/embedding_model.ckpt, or the file in the Hugging Face cache."""
    import httpx
    from huggingface_hub import snapshot_download
    from huggingface_hub.errors import HfHubHTTPError, LocalEntryNotFoundError

    repository = f"speechbrain/{VOXCELEB_FOLDER}"
    if weights_dir is not None:
        path = weights_dir / VOXCELEB_FOLDER / VOXCELEB_FILE
        if not path.is_file():
            raise JudgeUnavailableError(
                f"judge ecapa_voxceleb needs {path}: put {VOXCELEB_FILE} of {repository} there, "
                f"or run `hf download {repository} {VOXCELEB_FILE} --local-dir {path.parent}` where there is a network"
            )
        return path
    try:
        # not hf_hub_download, which without a network retries for half a minute
        folder = snapshot_download(repository, allow_patterns=[VOXCELEB_FILE], local_files_only=not download)
    except (LocalEntryNotFoundError, HfHubHTTPError, httpx.TransportError) as error:
        raise JudgeUnavailableError(
            "judge ecapa_voxceleb: its weights are not in the Hugging Face cache and could not be fetched; "
            f"run `hf download {repository} {VOXCELEB_FILE}` where there is a network, "
            f"or pass the folder that holds {VOXCELEB_FOLDER}/ as weights_dir"
        ) from error
    return Path(folder) / VOXCELEB_FILE


SPEAKER_JUDGES: dict[str, Callable[[Path | None, bool], SpeakerJudge]] = {
    "ecapa_small": lambda weights_dir, download: SmallEcapa(),  # its weights are in the repository
    "ecapa_voxceleb": SpeechbrainEcapa,
    "ge2e": lambda weights_dir, download: Ge2e(),  # its weights are in a package
}


def load_speaker_judge(name: str, weights_dir: Path | None = None, *, download: bool = True) -> SpeakerJudge:
    """Load a speaker judge.

    Args:
        name: a key of SPEAKER_JUDGES.
        weights_dir: folder of ecapa_voxceleb's weights. None: the Hugging Face cache.
        download: whether the cache is filled over the network.

    Raises:
        ValueError: no judge has this name.
        JudgeUnavailableError: its weights are missing.
    """
    if name not in SPEAKER_JUDGES:
        raise ValueError(f"there is no speaker judge {name!r}; there are {', '.join(SPEAKER_JUDGES)}")
    return SPEAKER_JUDGES[name](weights_dir, download)
