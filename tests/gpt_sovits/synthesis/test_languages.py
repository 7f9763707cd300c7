"""A voice that speaks another language than its own."""

from __future__ import annotations

import numpy as np
import pytest
from sovits_tiny import tiny_sovits
from synthesis_tiny import PRESET, SOVITS_CONFIG, tiny_gpt, tiny_reference

from gpt_sovits.synthesis.streaming import stream_sentences
from gpt_sovits.synthesis.synthesizer import Synthesizer
from gpt_sovits.text.frontend import phonemize

MANDARIN = "今天天气很好。"


def speaker(**changes: object) -> Synthesizer:
    preset = PRESET.model_copy(update=changes)
    return Synthesizer(tiny_gpt(), tiny_sovits(config=SOVITS_CONFIG), tiny_reference(), preset)


def test_text_is_read_by_the_front_end_of_its_language():
    sentences = speaker().sentences(MANDARIN, 0, "zh")
    assert [sentence.phoneme_ids.tolist() for sentence in sentences] == [phonemize(MANDARIN, "zh").ids]


def test_same_text_seed_and_language_give_the_same_samples_and_change_nothing_in_the_voice():
    voice = speaker()
    before = voice.say("Hello there.", 1).waveform
    first, again = (voice.say(MANDARIN, 1, "zh").waveform for _ in range(2))
    assert np.array_equal(first, again) and len(first)
    assert np.array_equal(voice.say("Hello there.", 1).waveform, before)
    assert np.array_equal(voice.say("Hello there.", 1, "en").waveform, before)


def test_streamed_sentences_of_another_language_are_those_of_say():
    voice = speaker()
    chunks = [chunk.waveform for chunk in stream_sentences(voice, MANDARIN, 1, "zh")]
    assert np.allclose(np.concatenate(chunks), voice.say(MANDARIN, 1, "zh").waveform, atol=1e-4)


@pytest.mark.parametrize(
    ("language", "text"), [("zh", MANDARIN), ("ja", "今日はいい天気です。"), ("ko", "오늘은 날씨가 좋다.")]
)
def test_expected_length_follows_what_readers_of_the_language_say(language, text):
    """A second of English has 11.1 phonemes, one of Mandarin 7.6 and one of Japanese 17.1."""
    rate = {"en": 11.1, "zh": 7.6, "ja": 17.1, "ko": 15.2}
    n_phonemes = len(phonemize(text, language).ids)
    expected = n_phonemes * PRESET.seconds_per_phoneme * rate["en"] / rate[language]
    assert speaker().expected_seconds(text, language) == pytest.approx(expected)
    own = speaker(language=language)
    assert own.expected_seconds(text) == pytest.approx(n_phonemes * PRESET.seconds_per_phoneme)
    assert own.expected_seconds(text, language) == own.expected_seconds(text)


def test_unknown_language_is_refused():
    with pytest.raises(ValueError, match="no text front end for language 'xx'"):
        speaker().say("Hello.", 0, "xx")


def test_preset_serves_the_languages_that_were_scored_only():
    preset = PRESET.model_copy(update={"other_languages": ("ja", "zh")})
    assert preset.languages == ("en", "ja", "zh")
    assert [preset.check_language(one) for one in (None, "en", "zh")] == ["en", "en", "zh"]
    with pytest.raises(ValueError, match=r"not scored in 'ko', only in en, ja, zh, .* evaluate.other_languages"):
        preset.check_language("ko")
