"""The ASR judges."""

import hashlib
import urllib.error
from pathlib import Path

import numpy as np
import pytest
import soundfile

from metrics.errors import JudgeUnavailableError
from metrics.judges.asr import TRANSCRIBERS, PocketsphinxTranscriber, load_transcriber
from metrics.normalize import normalize_text
from metrics.wer import word_errors

NOISE = np.random.default_rng(0).normal(size=16_000).astype(np.float32) * 0.05


@pytest.fixture(scope="module")
def sphinx() -> PocketsphinxTranscriber:
    return load_transcriber("pocketsphinx")


def clip(shared: Path, name: str) -> tuple[np.ndarray, int]:
    return soundfile.read(shared / f"data/ljspeech/wavs/{name}.wav", dtype="float32")


def test_pocketsphinx_hears_a_reader(sphinx: PocketsphinxTranscriber, shared: Path) -> None:
    heard = sphinx.transcribe(*clip(shared, "LJ001-0008"), "en")
    assert word_errors("has never been surpassed", normalize_text(heard)).errors <= 2


def test_pocketsphinx_does_not_remember_what_it_heard_before(sphinx: PocketsphinxTranscriber, shared: Path) -> None:
    # with one decoder for all, these two clips in this order changed the second one's transcript
    first, second = clip(shared, "LJ001-0002"), clip(shared, "LJ001-0005")
    alone = PocketsphinxTranscriber().transcribe(*second, "en")
    sphinx.transcribe(*first, "en")
    assert sphinx.transcribe(*second, "en") == alone


@pytest.mark.parametrize(
    "waveform",
    [np.zeros(0), np.zeros(1), np.zeros(8000), np.zeros(48_000), NOISE[:1], NOISE[:1000], NOISE * 1e-4],
    ids=["no sample", "one sample", "half a second of silence", "silence", "one of noise", "60 ms", "dither"],
)
def test_silence_and_very_short_sounds_have_no_words(sphinx: PocketsphinxTranscriber, waveform: np.ndarray) -> None:
    assert sphinx.transcribe(waveform.astype(np.float32), 16_000, "en") == ""


@pytest.mark.parametrize("rate", [8000, 22_050, 48_000, 96_000])
def test_any_sample_rate_is_accepted(sphinx: PocketsphinxTranscriber, rate: int) -> None:
    assert isinstance(sphinx.transcribe(NOISE, rate, "en"), str)


def test_pocketsphinx_prints_nothing(capfd: pytest.CaptureFixture) -> None:
    judge = load_transcriber("pocketsphinx")
    judge.transcribe(NOISE, 16_000, "en")
    judge.transcribe(NOISE[:2000], 16_000, "en")
    assert capfd.readouterr() == ("", "")


@pytest.mark.parametrize(
    ("waveform", "message"),
    [(np.zeros((2, 100)), r"shape \(2, 100\)"), (np.full(9000, np.nan), "9000 samples that are NaN")],
)
def test_audio_that_is_not_mono_or_finite_is_refused(sphinx, waveform: np.ndarray, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        sphinx.transcribe(waveform, 16_000, "en")


def test_the_version_pins_package_and_model(sphinx: PocketsphinxTranscriber) -> None:
    assert sphinx.version == "5.1.1 en-us 94beb043a211"


def test_an_unknown_judge_is_refused() -> None:
    with pytest.raises(ValueError, match=r"there is no ASR judge 'nemo'; there are pocketsphinx, faster-whisper-tiny"):
        load_transcriber("nemo")


@pytest.mark.parametrize("name", TRANSCRIBERS[1:])
def test_a_missing_weights_folder_says_what_to_put_where(name: str, tmp_path: Path) -> None:
    with pytest.raises(JudgeUnavailableError, match=name) as error:
        load_transcriber(name, tmp_path)
    assert str(tmp_path) in str(error.value)
    assert "python -c" in str(error.value)
    assert len(str(error.value).splitlines()) == 1


def test_whisper_without_a_network_says_so(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def no_network(*_: object) -> None:
        raise urllib.error.URLError("no route to host")

    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setattr("urllib.request.urlopen", no_network)
    with pytest.raises(JudgeUnavailableError, match=r"needs .*/\.cache/whisper/tiny\.pt.*no route to host"):
        load_transcriber("whisper-tiny")
    with pytest.raises(JudgeUnavailableError, match=r"tiny\.pt"):
        load_transcriber("whisper-tiny", download=False)


@pytest.mark.parametrize("name", ["whisper-gigantic", "faster-whisper-gigantic"])
def test_an_unknown_size_is_refused(name: str) -> None:
    with pytest.raises(ValueError, match="has no model 'gigantic'; it has tiny"):
        load_transcriber(name)


@pytest.fixture(scope="module")
def tiny_whisper(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with a random tiny.pt in openai-whisper's layout."""
    import torch
    from whisper.model import ModelDimensions, Whisper

    torch.manual_seed(0)
    dims = ModelDimensions(
        n_mels=80,
        n_audio_ctx=1500,
        n_audio_state=8,
        n_audio_head=2,
        n_audio_layer=1,
        n_vocab=51865,
        n_text_ctx=32,
        n_text_state=8,
        n_text_head=2,
        n_text_layer=1,
    )
    folder = tmp_path_factory.mktemp("whisper")
    (folder / "whisper-tiny").mkdir()
    model = Whisper(dims)
    torch.nn.init.normal_(model.decoder.positional_embedding, std=0.02)  # Whisper leaves it as the memory was
    torch.save({"dims": vars(dims), "model_state_dict": model.state_dict()}, folder / "whisper-tiny/tiny.pt")
    return folder


def test_whisper_loads_local_weights_and_transcribes(tiny_whisper: Path) -> None:
    judge = load_transcriber("whisper-tiny", tiny_whisper)
    digest = hashlib.sha256((tiny_whisper / "whisper-tiny/tiny.pt").read_bytes()).hexdigest()
    assert judge.version == f"20250625 tiny {digest[:12]} greedy"
    assert judge.transcribe(NOISE, 24_000, "en") == judge.transcribe(NOISE, 24_000, "en")
    assert judge.transcribe(np.zeros(16_000, np.float32), 16_000, "en") == ""


@pytest.mark.parametrize("language", ["en", "zh", "ja", "ko"])
def test_whisper_is_told_the_language(tiny_whisper: Path, monkeypatch: pytest.MonkeyPatch, language: str) -> None:
    import whisper

    asked, original = [], whisper.decoding.DecodingTask.__init__

    def spy(task: object, model: object, options: object) -> None:
        asked.append(options.language)
        original(task, model, options)

    monkeypatch.setattr(whisper.decoding.DecodingTask, "__init__", spy)
    load_transcriber("whisper-tiny", tiny_whisper).transcribe(NOISE, 16_000, language)
    assert set(asked) == {language}


def test_whisper_tells_the_language_of_speech_but_not_of_silence(tiny_whisper: Path) -> None:
    judge = load_transcriber("whisper-tiny", tiny_whisper)
    found = judge.spoken_language(NOISE, 24_000)
    assert found in judge.languages
    assert found == judge.spoken_language(NOISE, 24_000)
    assert judge.spoken_language(np.zeros(16_000, np.float32), 16_000) is None


def test_a_whisper_from_before_cantonese_refuses_it(tiny_whisper: Path) -> None:
    judge = load_transcriber("whisper-tiny", tiny_whisper)
    assert "zh" in judge.languages
    with pytest.raises(ValueError, match="whisper-tiny cannot hear language 'yue'; it can hear en, zh"):
        judge.transcribe(NOISE, 16_000, "yue")


def test_whisper_aligns_characters_in_order_within_the_audio(tiny_whisper: Path) -> None:
    judge = load_transcriber("whisper-tiny", tiny_whisper)
    words = ["今", "天", "很", "好。"]
    aligned = judge.align_words(NOISE, 16_000, words, "zh")
    assert [word.word for word in aligned] == words
    times = [time for word in aligned for time in (word.start, word.end)]
    assert times == sorted(times)
    assert times[0] >= 0 and times[-1] <= 1.0
    assert all(0 < word.probability < 1 for word in aligned)
    assert judge.align_words(NOISE, 16_000, words, "zh") == aligned


def test_pocketsphinx_refuses_to_align_and_says_what_does(sphinx: PocketsphinxTranscriber) -> None:
    with pytest.raises(ValueError, match="gives words no probability; align them with a Whisper judge"):
        sphinx.align_words(NOISE, 16_000, ["one"], "en")


def test_pocketsphinx_hears_only_english_and_cannot_tell_languages(sphinx: PocketsphinxTranscriber) -> None:
    assert sphinx.spoken_language(NOISE, 16_000) is None
    with pytest.raises(
        ValueError, match=r"judge pocketsphinx cannot hear language 'ja'; it can hear en; use a profile"
    ):
        sphinx.transcribe(NOISE, 16_000, "ja")


@pytest.mark.parametrize(
    "content", [b"version https://git-lfs.github.com/spec/v1", b"PK\x03\x04 a truncated file", b""]
)
def test_a_file_that_is_not_a_checkpoint_is_named(tmp_path: Path, content: bytes) -> None:
    (tmp_path / "whisper-tiny").mkdir()
    (tmp_path / "whisper-tiny/tiny.pt").write_bytes(content)
    with pytest.raises(JudgeUnavailableError, match=r"tiny\.pt is not an openai-whisper checkpoint"):
        load_transcriber("whisper-tiny", tmp_path)
