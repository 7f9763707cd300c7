"""ASR judges: speech in, the words they heard out.

pocketsphinx works offline. whisper and faster-whisper are for production. Scores of different judges, or of different
versions of one judge, are never compared, so `version` pins the package, the weights and the way of decoding.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from importlib.metadata import version
from pathlib import Path
from typing import Protocol

import numpy as np

from metrics.audio import checked_waveform, is_silent, to_int16, to_rate
from metrics.errors import JudgeUnavailableError
from metrics.pocketsphinx_decoder import SAMPLE_RATE, new_decoder, sphinx_version

MIN_SECONDS = 0.1  # no word is shorter, and each recogniser fails on less in a different way
FASTER_WHISPER_FILES = ("model.bin", "config.json", "tokenizer.json")


class Transcriber(Protocol):
    """A speech recogniser as a judge.

    Invariant: the same audio gives the same text, whatever the judge heard before.

    Attributes:
        name: name of the judge.
        version: package, weights and way of decoding. Scores of different versions are not compared.
        languages: ISO 639 codes of the languages that it can hear.
    """

    name: str
    version: str
    languages: tuple[str, ...]

    def transcribe(self, waveform: np.ndarray, sample_rate: int, language: str) -> str:
        """Return the words heard, not normalised.

        Args:
            waveform: (n,) float32 in [-1, 1].
            sample_rate: in Hz.
            language: ISO 639 code. The speech is taken to be in that language.

        Returns:
            The words, or an empty text for silence and for less than MIN_SECONDS.

        Raises:
            ValueError: the waveform has another shape, NaN or infinity, or the judge cannot hear the language.
        """
        ...

    def spoken_language(self, waveform: np.ndarray, sample_rate: int) -> str | None:
        """Return the ISO 639 code of the likeliest language.

        Returns:
            The code, or None where nothing is heard or where the judge cannot tell languages apart.
        """
        ...


def _audible(waveform: np.ndarray, sample_rate: int) -> np.ndarray | None:
    """Return (n,) float32 at 16 kHz, or None where there is nothing to hear.

    Without this, Whisper would invent words for silence.
    """
    waveform = checked_waveform(waveform, sample_rate)
    if len(waveform) < MIN_SECONDS * sample_rate or is_silent(waveform):
        return None
    return to_rate(waveform, sample_rate, SAMPLE_RATE)


def _check_language(judge: Transcriber, language: str) -> None:
    if language not in judge.languages:
        raise ValueError(
            f"judge {judge.name} cannot hear language {language!r}; it can hear {', '.join(judge.languages[:8])}"
            f"{' and more' if len(judge.languages) > 8 else ''}; use a profile whose ASR does (stages/profiles.py)"
        )


def _sha256(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def _is_torch_file(path: Path) -> bool:
    """Return whether a file starts like one of torch.save (a zip or a pickle), unlike a web page or an LFS pointer."""
    with path.open("rb") as file:
        return file.read(2) in (b"PK", b"\x80\x02")


class PocketsphinxTranscriber:
    """pocketsphinx with the en-us model of its wheel.

    Each utterance gets a new decoder. One that has decoded before may hear the next utterance differently (measured on
    LJSpeech), even after its cepstral mean is reset.
    """

    name = "pocketsphinx"
    languages = ("en",)

    def __init__(self) -> None:
        self.version = sphinx_version()

    def spoken_language(self, waveform: np.ndarray, sample_rate: int) -> None:
        """Return None, because to an English model all speech is English."""

    def transcribe(self, waveform: np.ndarray, sample_rate: int, language: str) -> str:
        """Return the words heard. See Transcriber."""
        _check_language(self, language)
        audible = _audible(waveform, sample_rate)
        if audible is None:
            return ""
        decoder = new_decoder(with_language_model=True)
        decoder.start_utt()
        decoder.process_raw(
            to_int16(audible), full_utt=True
        )  # full_utt: the cepstral mean is taken over this utterance
        decoder.end_utt()
        hypothesis = decoder.hyp()
        return hypothesis.hypstr if hypothesis else ""


class WhisperTranscriber:
    """openai-whisper with greedy decoding, each utterance on its own."""

    def __init__(self, size: str, weights_dir: Path | None, download: bool) -> None:
        import whisper

        self.name = f"whisper-{size}"
        folder = weights_dir / self.name if weights_dir else Path.home() / ".cache" / "whisper"
        path = folder / f"{size}.pt"
        fetch = f"python -c \"import whisper; whisper.load_model('{size}', download_root='{folder}')\""
        unavailable = f"judge {self.name} needs {path}: put it there, or run `{fetch}` where there is a network"
        if weights_dir is None and size not in whisper.available_models():
            raise ValueError(f"whisper has no model {size!r}; it has {', '.join(whisper.available_models())}")
        if not path.is_file() and (weights_dir is not None or not download):
            raise JudgeUnavailableError(unavailable)
        if path.is_file() and not _is_torch_file(path):
            raise JudgeUnavailableError(f"{path} is not an openai-whisper checkpoint; {unavailable}")
        try:
            # given a name, whisper fetches the file and checks its sha256; it always reads with weights_only=True
            self._model = whisper.load_model(size if weights_dir is None else str(path), download_root=str(folder))
        except OSError as error:
            raise JudgeUnavailableError(f"{unavailable} ({error})") from error
        except (KeyError, RuntimeError) as error:
            raise JudgeUnavailableError(
                f"{path} is not an openai-whisper checkpoint ({error}); {unavailable}"
            ) from error
        self._model.eval()
        # in whisper's own order, of which a model knows the first num_languages
        known = tuple(whisper.tokenizer.LANGUAGES)[: self._model.num_languages]
        self.languages = known if self._model.is_multilingual else ("en",)
        self.version = f"{version('openai-whisper')} {size} {_sha256(path)[:12]} greedy"

    def spoken_language(self, waveform: np.ndarray, sample_rate: int) -> str | None:
        """Return the language of the first 30 s. See Transcriber."""
        import whisper

        audible = _audible(waveform, sample_rate)
        if audible is None or not self._model.is_multilingual:
            return None
        mel = whisper.log_mel_spectrogram(whisper.pad_or_trim(audible), self._model.dims.n_mels).to(self._model.device)
        _, probabilities = self._model.detect_language(mel)
        return max(sorted(probabilities), key=probabilities.__getitem__)

    def transcribe(self, waveform: np.ndarray, sample_rate: int, language: str) -> str:
        """Return the words heard. See Transcriber."""
        _check_language(self, language)
        audible = _audible(waveform, sample_rate)
        if audible is None:
            return ""
        result = self._model.transcribe(
            audible,
            language=language,
            temperature=0.0,  # a single number: no retries at higher temperatures, which are random
            condition_on_previous_text=False,
            fp16=self._model.device.type == "cuda",
            verbose=None,
        )
        return result["text"].strip()


class FasterWhisperTranscriber:
    """faster-whisper (CTranslate2) with greedy decoding, each utterance on its own."""

    def __init__(self, size: str, weights_dir: Path | None, download: bool) -> None:
        import torch
        from faster_whisper import WhisperModel

        self.name = f"faster-whisper-{size}"
        folder = _faster_whisper_folder(size, weights_dir, download)
        device = "cuda" if torch.cuda.is_available() else "cpu"
        kind = "float16" if device == "cuda" else "float32"
        self._model = WhisperModel(str(folder), device=device, compute_type=kind, local_files_only=True)
        self.version = f"{version('faster-whisper')} {size} {_sha256(folder / 'model.bin')[:12]} greedy {kind}"
        self.languages = tuple(self._model.supported_languages)

    def spoken_language(self, waveform: np.ndarray, sample_rate: int) -> str | None:
        """Return the language of the first 30 s. See Transcriber."""
        audible = _audible(waveform, sample_rate)
        if audible is None or not self._model.model.is_multilingual:
            return None
        language, *_ = self._model.detect_language(audible)
        return language

    def transcribe(self, waveform: np.ndarray, sample_rate: int, language: str) -> str:
        """Return the words heard. See Transcriber."""
        _check_language(self, language)
        audible = _audible(waveform, sample_rate)
        if audible is None:
            return ""
        segments, _ = self._model.transcribe(
            audible, language=language, beam_size=1, temperature=0.0, condition_on_previous_text=False
        )
        return "".join(segment.text for segment in segments).strip()


def _faster_whisper_folder(size: str, weights_dir: Path | None, download: bool) -> Path:
    """Return WEIGHTS_DIR/faster-whisper-SIZE, or the folder in the Hugging Face cache."""
    import httpx
    from faster_whisper import available_models, download_model
    from huggingface_hub.errors import HfHubHTTPError, LocalEntryNotFoundError

    where = "where there is a network"
    if weights_dir is not None:
        folder = weights_dir / f"faster-whisper-{size}"
        fetch = f"python -c \"import faster_whisper as f; f.download_model('{size}', '{folder}')\""
        if missing := [name for name in FASTER_WHISPER_FILES if not (folder / name).is_file()]:
            raise JudgeUnavailableError(
                f"judge faster-whisper-{size}: {folder} lacks {', '.join(missing)}; fill it with `{fetch}` {where}"
            )
        return folder
    if size not in available_models():
        raise ValueError(f"faster-whisper has no model {size!r}; it has {', '.join(available_models())}")
    try:
        return Path(download_model(size, local_files_only=not download))
    except (LocalEntryNotFoundError, HfHubHTTPError, httpx.TransportError) as error:
        fetch = f"python -c \"import faster_whisper as f; f.download_model('{size}')\""
        raise JudgeUnavailableError(
            f"judge faster-whisper-{size}: its weights are not in the Hugging Face cache and could not be fetched; "
            f"run `{fetch}` {where}, or pass the folder that holds faster-whisper-{size}/ as weights_dir"
        ) from error


_FAMILIES: dict[str, Callable[[str, Path | None, bool], Transcriber]] = {
    "faster-whisper-": FasterWhisperTranscriber,
    "whisper-": WhisperTranscriber,
}
TRANSCRIBERS = ("pocketsphinx", "whisper-large-v3", "faster-whisper-large-v3")


def load_transcriber(name: str, weights_dir: Path | None = None, *, download: bool = True) -> Transcriber:
    """Load an ASR judge.

    Args:
        name: "pocketsphinx", "whisper-SIZE" or "faster-whisper-SIZE".
        weights_dir: folder of its weights. None: the cache of its library.
        download: whether the cache is filled over the network.

    Raises:
        ValueError: no judge has this name.
        JudgeUnavailableError: its weights are missing.
    """
    if name == "pocketsphinx":
        return PocketsphinxTranscriber()
    for prefix, kind in _FAMILIES.items():
        if name.startswith(prefix):
            return kind(name.removeprefix(prefix), weights_dir, download)
    raise ValueError(
        f"there is no ASR judge {name!r}; there are {', '.join(TRANSCRIBERS)} and other sizes of the last two"
    )
