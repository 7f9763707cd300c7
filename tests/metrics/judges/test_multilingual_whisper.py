"""The faster-whisper judge with a multilingual checkpoint: every size runs through the same code.

The checkpoint is random, so its texts are garbage and only the mechanics are tested.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import soundfile
from whisper_tiny import write_tiny_whisper

from metrics.judges.asr import load_transcriber
from metrics.judges.faster_whisper import FASTER_WHISPER_FILES, FasterWhisperTranscriber
from metrics.judges.transcriber import weights_sha256
from metrics.normalize import LANGUAGES

SAMPLE_CLIP = Path(__file__).resolve().parents[3] / "data/1_recordings/sample/wavs/sample_001.flac"
WRITTEN = {
    "en": ["The", "weather", "is", "5", "degrees,", "really."],
    "zh": ["今", "天", "我", "用", "Windows", "11", "龘。"],
    "ja": ["今", "日", "は", "OK", "で", "す。"],
    "ko": ["오늘은", "날씨가", "맑아요."],
    "yue": ["我", "哋", "係", "香", "港", "人，", "嚟", "𨋢"],
}


@pytest.fixture(scope="module")
def judge(tmp_path_factory: pytest.TempPathFactory) -> FasterWhisperTranscriber:
    folder = tmp_path_factory.mktemp("weights")
    write_tiny_whisper(folder)
    return load_transcriber("faster-whisper-tiny", folder)


@pytest.fixture(scope="module")
def speech() -> tuple[np.ndarray, int]:
    return soundfile.read(SAMPLE_CLIP, dtype="float32")


def test_the_checkpoint_has_the_published_files_and_every_language(
    tmp_path: Path, judge: FasterWhisperTranscriber
) -> None:
    folder = write_tiny_whisper(tmp_path)
    assert {*FASTER_WHISPER_FILES, "preprocessor_config.json"} <= {path.name for path in folder.iterdir()}
    assert set(LANGUAGES) <= set(judge.languages)
    assert f" tiny {weights_sha256(folder / 'model.bin')[:12]} greedy float32 guards " in judge.version


@pytest.mark.parametrize("language", LANGUAGES)
def test_words_of_every_language_are_in_order_and_inside_the_audio(
    judge: FasterWhisperTranscriber, speech: tuple[np.ndarray, int], language: str
) -> None:
    aligned = judge.align_words(*speech, WRITTEN[language], language)
    assert [word.word for word in aligned] == WRITTEN[language]
    times = [time for word in aligned for time in (word.start, word.end)]
    assert times == sorted(times)
    assert times[0] >= 0
    assert len(speech[0]) / speech[1] >= times[-1] > 0
    assert all(0 < word.probability < 1 for word in aligned)
    assert judge.align_words(*speech, WRITTEN[language], language) == aligned


@pytest.mark.parametrize("language", LANGUAGES)
def test_every_language_is_heard_the_same_each_time(
    judge: FasterWhisperTranscriber, speech: tuple[np.ndarray, int], language: str
) -> None:
    heard = judge.listen(*speech, language)
    assert heard.text
    assert heard.no_words_because == ""
    assert judge.transcribe(*speech, language) == heard.text


def test_a_language_is_detected_in_speech_only(judge: FasterWhisperTranscriber, speech: tuple[np.ndarray, int]) -> None:
    found = judge.spoken_language(*speech)
    assert found in judge.languages
    assert judge.spoken_language(*speech) == found
    noise = np.random.default_rng(0).normal(size=32_000).astype(np.float32) * 0.05
    assert judge.spoken_language(noise, 16_000) is None
    assert judge.listen(noise, 16_000, "zh") == ("", "silero-vad hears no speech in its 2.0 s")
