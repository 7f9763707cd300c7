"""ASR judges: speech in, the words they heard out.

faster-whisper-tiny.en and pocketsphinx work offline. The large Whispers are for production. Scores of different judges,
or of different versions of one judge, are never compared, so `version` pins the package, the weights and the way of
decoding.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from importlib.metadata import version
from pathlib import Path
from types import SimpleNamespace

import numpy as np

from metrics.audio import to_int16
from metrics.errors import AlignmentError, JudgeUnavailableError
from metrics.forced_alignment import AlignedWord
from metrics.judges.faster_whisper import (
    WEIGHTS_PACKAGES,
    FasterWhisperTranscriber,
    check_package,
    packaged_weights,
)
from metrics.judges.transcriber import (
    NOTHING_AUDIBLE,
    Transcriber,
    Transcription,
    audible_waveform,
    check_language,
    weights_sha256,
)
from metrics.judges.voice_activity import WORD_SPANS, speech_spans
from metrics.judges.word_times import TokenTimes, check_fits, within_speech, word_times, written_text
from metrics.pocketsphinx_decoder import SAMPLE_RATE, new_decoder, sphinx_version


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
        return self.listen(waveform, sample_rate, language).text

    def align_words(
        self, waveform: np.ndarray, sample_rate: int, words: Sequence[str], language: str
    ) -> list[AlignedWord]:
        """Raise ValueError, because forced alignment by pocketsphinx needs pronunciations and gives no probability."""
        check_language(self, language)
        raise ValueError(
            "judge pocketsphinx gives words no probability; align them with a Whisper judge, or for their times alone "
            "with metrics.forced_alignment.force_align"
        )

    def listen(self, waveform: np.ndarray, sample_rate: int, language: str) -> Transcription:
        """Return the words heard. See Transcriber."""
        check_language(self, language)
        audible = audible_waveform(waveform, sample_rate)
        if audible is None:
            return Transcription("", NOTHING_AUDIBLE)
        decoder = new_decoder(with_language_model=True)
        decoder.start_utt()
        decoder.process_raw(
            to_int16(audible), full_utt=True
        )  # full_utt: the cepstral mean is taken over this utterance
        decoder.end_utt()
        hypothesis = decoder.hyp()
        return Transcription(hypothesis.hypstr if hypothesis else "")


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
        self.version = f"{version('openai-whisper')} {size} {weights_sha256(path)[:12]} greedy"

    def spoken_language(self, waveform: np.ndarray, sample_rate: int) -> str | None:
        """Return the language of the first 30 s. See Transcriber."""
        import whisper

        audible = audible_waveform(waveform, sample_rate)
        if audible is None or not self._model.is_multilingual:
            return None
        mel = whisper.log_mel_spectrogram(whisper.pad_or_trim(audible), self._model.dims.n_mels).to(self._model.device)
        _, probabilities = self._model.detect_language(mel)
        return max(sorted(probabilities), key=probabilities.__getitem__)

    def transcribe(self, waveform: np.ndarray, sample_rate: int, language: str) -> str:
        """Return the words heard. See Transcriber."""
        return self.listen(waveform, sample_rate, language).text

    def listen(self, waveform: np.ndarray, sample_rate: int, language: str) -> Transcription:
        """Return the words heard. See Transcriber."""
        check_language(self, language)
        audible = audible_waveform(waveform, sample_rate)
        if audible is None:
            return Transcription("", NOTHING_AUDIBLE)
        result = self._model.transcribe(
            audible,
            language=language,
            temperature=0.0,  # a single number: no retries at higher temperatures, which are random
            condition_on_previous_text=False,
            fp16=self._model.device.type == "cuda",
            verbose=None,
        )
        return Transcription(result["text"].strip())

    def align_words(
        self, waveform: np.ndarray, sample_rate: int, words: Sequence[str], language: str
    ) -> list[AlignedWord]:
        """Find the words by the model's cross-attention, with teacher forcing. See Transcriber."""
        import whisper
        from whisper.timing import find_alignment

        check_language(self, language)
        audible = audible_waveform(waveform, sample_rate)
        if audible is None:
            raise AlignmentError(f"nothing to align {len(words)} words on: {NOTHING_AUDIBLE}")
        written = written_text(words, language)
        tokenizer = whisper.tokenizer.get_tokenizer(
            self._model.is_multilingual, num_languages=self._model.num_languages, language=language, task="transcribe"
        )
        tokens = tokenizer.encode(written.text, disallowed_special=())
        seconds = len(audible) / SAMPLE_RATE
        check_fits(seconds, len(tokens))
        mel = whisper.log_mel_spectrogram(whisper.pad_or_trim(audible), self._model.dims.n_mels).to(self._model.device)
        # find_alignment averages over words that the tokenizer makes; here each token is one
        marks = {"sot_sequence": tokenizer.sot_sequence, "no_timestamps": tokenizer.no_timestamps, "eot": tokenizer.eot}
        single = SimpleNamespace(**marks, split_to_word_tokens=lambda all_: ([""] * len(all_), [[t] for t in all_]))
        timings = find_alignment(
            self._model, single, tokens, mel, round(seconds * whisper.audio.FRAMES_PER_SECOND), medfilt_width=7
        )
        found = TokenTimes(
            [len(tokenizer.encoding.decode_single_token_bytes(token)) for token in tokens],
            [*(timing.start for timing in timings), timings[-1].end],
            [timing.probability for timing in timings],
        )
        aligned = word_times(words, written, found, seconds)
        return within_speech(aligned, speech_spans(audible, WORD_SPANS))


_FAMILIES: dict[str, Callable[[str, Path | None, bool], Transcriber]] = {
    "faster-whisper-": FasterWhisperTranscriber,
    "whisper-": WhisperTranscriber,
}
TRANSCRIBERS = ("pocketsphinx", "faster-whisper-tiny.en", "whisper-large-v3", "faster-whisper-large-v3")


def load_transcriber(name: str, weights_dir: Path | None = None, *, download: bool = True) -> Transcriber:
    """Load an ASR judge.

    Args:
        name: "pocketsphinx", "whisper-SIZE" or "faster-whisper-SIZE".
        weights_dir: folder of its weights. None: the package that holds them, or the cache of its library.
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
    raise ValueError(_unknown_judge(name))


def _unknown_judge(name: str) -> str:
    return f"there is no ASR judge {name!r}; there are {', '.join(TRANSCRIBERS)} and other sizes of the last two"


def check_transcriber(name: str, weights_dir: Path | None = None) -> None:
    """Check what can be checked of an ASR judge without loading it: its packages and the weights in them.

    Args:
        name: as in `load_transcriber`.
        weights_dir: as in `load_transcriber`.

    Raises:
        ValueError: no judge has this name.
        JudgeUnavailableError: a package is missing, or holds other weights than the pinned ones.
    """
    if name != "pocketsphinx" and not name.startswith(tuple(_FAMILIES)):
        raise ValueError(_unknown_judge(name))
    size = name.removeprefix("faster-whisper-")
    if size == name:
        return
    if weights_dir is None and size in WEIGHTS_PACKAGES:
        packaged_weights(size)
    check_package(size)
