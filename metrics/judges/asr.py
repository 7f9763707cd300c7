"""Judges of intelligibility: speech in, the words they heard out.

pocketsphinx works offline; whisper and faster-whisper are the judges of production. Scores of different judges, or of
different versions of one, are never compared, so `version` pins the package, the weights and the way of decoding.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from importlib.metadata import version
from pathlib import Path
from typing import Protocol

import numpy as np

from metrics.judges.audio import checked_waveform, is_silent, to_int16, to_rate
from metrics.judges.errors import JudgeUnavailableError
from metrics.judges.sphinx import SAMPLE_RATE, new_decoder, sphinx_version

MIN_SECONDS = 0.1  # no word is shorter; recognisers fail on less in ways of their own
FASTER_WHISPER_FILES = ("model.bin", "config.json", "tokenizer.json")


class Transcriber(Protocol):
    """A speech recogniser as a judge. The same audio gives the same text, whatever it heard before.

    languages: ISO 639 codes of what it can hear
    """

    name: str
    version: str
    languages: tuple[str, ...]

    def transcribe(self, waveform: np.ndarray, sample_rate: int, language: str) -> str:
        """The words heard, taken to be of that language, not normalised; "" for silence and less than MIN_SECONDS.

        waveform: (n,) float32 in [-1, 1] at sample_rate Hz. Raises ValueError for another shape, NaN or infinity, and
        for a language that this judge does not hear.
        """
        ...

    def spoken_language(self, waveform: np.ndarray, sample_rate: int) -> str | None:
        """The ISO 639 code of the likeliest language; None where nothing is heard, or where this judge cannot tell
        languages apart (then `languages` has one alone)."""
        ...


def _heard(waveform: np.ndarray, sample_rate: int) -> np.ndarray | None:
    """(n,) float32 at 16 kHz, or None when there is nothing to hear: Whisper would invent words for silence."""
    waveform = checked_waveform(waveform, sample_rate)
    if len(waveform) < MIN_SECONDS * sample_rate or is_silent(waveform):
        return None
    return to_rate(waveform, sample_rate, SAMPLE_RATE)


def _check_language(judge: Transcriber, language: str) -> None:
    if language not in judge.languages:
        raise ValueError(
            f"judge {judge.name} does not hear language {language!r}; it hears {', '.join(judge.languages[:8])}"
            f"{' and more' if len(judge.languages) > 8 else ''}; use a profile whose ASR does (stages/profiles.py)"
        )


def _sha256(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def _is_torch_file(path: Path) -> bool:
    """Whether it starts like a file of torch.save (a zip, formerly a pickle), unlike a web page or an LFS pointer."""
    with path.open("rb") as file:
        return file.read(2) in (b"PK", b"\x80\x02")


class PocketsphinxTranscriber:
    """pocketsphinx with the en-us model of its wheel. A new decoder each time: one that has decoded before may hear
    the next utterance differently (measured on LJSpeech), even after its cepstral mean is set back."""

    name = "pocketsphinx"
    languages = ("en",)

    def __init__(self) -> None:
        self.version = sphinx_version()

    def spoken_language(self, waveform: np.ndarray, sample_rate: int) -> None:
        """None: to an English model all speech is English."""

    def transcribe(self, waveform: np.ndarray, sample_rate: int, language: str) -> str:
        """See Transcriber."""
        _check_language(self, language)
        heard = _heard(waveform, sample_rate)
        if heard is None:
            return ""
        decoder = new_decoder(with_language_model=True)
        decoder.start_utt()
        decoder.process_raw(to_int16(heard), full_utt=True)  # full_utt: the cepstral mean is of this utterance alone
        decoder.end_utt()
        hypothesis = decoder.hyp()
        return hypothesis.hypstr if hypothesis else ""


class WhisperTranscriber:
    """openai-whisper, greedy, each utterance on its own."""

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
            raise JudgeUnavailableError(f"{path} is no openai-whisper checkpoint; {unavailable}")
        try:
            # by name whisper fetches and checks its own sha256; either way it reads with weights_only=True
            self._model = whisper.load_model(size if weights_dir is None else str(path), download_root=str(folder))
        except OSError as error:
            raise JudgeUnavailableError(f"{unavailable} ({error})") from error
        except (KeyError, RuntimeError) as error:
            raise JudgeUnavailableError(f"{path} is no openai-whisper checkpoint ({error}); {unavailable}") from error
        self._model.eval()
        # whisper's own order: a model knows the first num_languages of them
        known = tuple(whisper.tokenizer.LANGUAGES)[: self._model.num_languages]
        self.languages = known if self._model.is_multilingual else ("en",)
        self.version = f"{version('openai-whisper')} {size} {_sha256(path)[:12]} greedy"

    def spoken_language(self, waveform: np.ndarray, sample_rate: int) -> str | None:
        """See Transcriber; from the first 30 s."""
        import whisper

        heard = _heard(waveform, sample_rate)
        if heard is None or not self._model.is_multilingual:
            return None
        mel = whisper.log_mel_spectrogram(whisper.pad_or_trim(heard), self._model.dims.n_mels).to(self._model.device)
        _, chances = self._model.detect_language(mel)
        return max(sorted(chances), key=chances.__getitem__)

    def transcribe(self, waveform: np.ndarray, sample_rate: int, language: str) -> str:
        """See Transcriber."""
        _check_language(self, language)
        heard = _heard(waveform, sample_rate)
        if heard is None:
            return ""
        result = self._model.transcribe(
            heard,
            language=language,
            temperature=0.0,  # one number: no retries at higher, random temperatures
            condition_on_previous_text=False,
            fp16=self._model.device.type == "cuda",
            verbose=None,
        )
        return result["text"].strip()


class FasterWhisperTranscriber:
    """faster-whisper (CTranslate2), greedy, each utterance on its own."""

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
        """See Transcriber; from the first 30 s."""
        heard = _heard(waveform, sample_rate)
        if heard is None or not self._model.model.is_multilingual:
            return None
        language, *_ = self._model.detect_language(heard)
        return language

    def transcribe(self, waveform: np.ndarray, sample_rate: int, language: str) -> str:
        """See Transcriber."""
        _check_language(self, language)
        heard = _heard(waveform, sample_rate)
        if heard is None:
            return ""
        segments, _ = self._model.transcribe(
            heard, language=language, beam_size=1, temperature=0.0, condition_on_previous_text=False
        )
        return "".join(segment.text for segment in segments).strip()


def _faster_whisper_folder(size: str, weights_dir: Path | None, download: bool) -> Path:
    """WEIGHTS_DIR/faster-whisper-SIZE, else the folder in the Hugging Face cache, fetched into it if `download`."""
    import httpx
    from faster_whisper import available_models, download_model
    from huggingface_hub.errors import HfHubHTTPError, LocalEntryNotFoundError

    where = "where there is a network"
    if weights_dir is not None:
        folder = weights_dir / f"faster-whisper-{size}"
        fetch = f"python -c \"import faster_whisper as f; f.download_model('{size}', '{folder}')\""
        if missing := [name for name in FASTER_WHISPER_FILES if not (folder / name).is_file()]:
            raise JudgeUnavailableError(
                f"judge faster-whisper-{size}: {folder} lacks {', '.join(missing)}; fill it by `{fetch}` {where}"
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
            f"run `{fetch}` {where}, or give the folder that holds faster-whisper-{size}/ as weights_dir"
        ) from error


_FAMILIES: dict[str, Callable[[str, Path | None, bool], Transcriber]] = {
    "faster-whisper-": FasterWhisperTranscriber,
    "whisper-": WhisperTranscriber,
}
TRANSCRIBERS = ("pocketsphinx", "whisper-large-v3", "faster-whisper-large-v3")


def load_transcriber(name: str, weights_dir: Path | None = None, download: bool = True) -> Transcriber:
    """The judge of that name: "pocketsphinx", "whisper-SIZE" or "faster-whisper-SIZE".

    weights_dir: where its weights lie; without it, the library's own cache, filled over the network if download is true
    Raises ValueError for a name that is none, JudgeUnavailableError when the weights are absent.
    """
    if name == "pocketsphinx":
        return PocketsphinxTranscriber()
    for prefix, kind in _FAMILIES.items():
        if name.startswith(prefix):
            return kind(name.removeprefix(prefix), weights_dir, download)
    raise ValueError(
        f"no ASR judge is named {name!r}; there are {', '.join(TRANSCRIBERS)} and other sizes of the last two"
    )
