"""Failures of speech are found in damaged speech and not in the ordinary errors of an ASR judge."""

import random
from itertools import groupby

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from metrics.failures import FAILURES, expected_seconds, speech_failures, unmeasurable_failures
from metrics.sound import Sound
from metrics.wer import word_errors

SECONDS_PER_WORD = 0.35
CLEAN = Sound(
    level_dbfs=-25.0,
    clipped_share=0.0,
    silence_share=0.1,
    pitch_range_semitones=8.0,
    end_db=-45.0,
    floor_db=-35.0,
    steadiest_db=5.0,
)
SENTENCE = (
    "when the harvest was over the farmers of the valley met beside the old mill and talked about the price "
    "of wheat until the lamps were lit"
)
TEXT = SENTENCE.split()
PROMPT = ["she", "sold", "her", "last", "painting", "to", "a", "stranger", "from", "norway"]
# words that a recogniser hears by mistake: short and common ones that are in the text too, and rare ones
MISHEARD = ["the", "of", "a", "and", "in", "it", "was", "ate", "mow", "barley", "sleet", "limbs", "odd", "mail", "wits"]
seeds = st.integers(0, 2**32)
rates = st.sampled_from([0.0, 0.1, 0.2, 0.25])


def mishear(words: list[str], rate: float, rng: random.Random) -> list[str]:
    """What an ASR with word error rate `rate` hears. Errors come in bursts of two words on average."""
    heard, wrong = [], False
    enter = 0.5 * rate / (1 - rate)
    for word in words:
        wrong = rng.random() < (0.5 if wrong else enter)
        kind = rng.random()
        if not wrong:
            heard.append(word)
        elif kind < 0.7:  # substituted; then deleted, split in two
            heard.append(rng.choice(MISHEARD))
        elif kind > 0.85:
            heard += rng.choices(MISHEARD, k=2)
    return heard


def failures(
    said: list[str],
    heard: list[str],
    seconds: float | None = None,
    language: str = "en",
    spoken_language: str | None = None,
    **sound: float,
) -> tuple[str, ...]:
    """speech_failures where the audio lasts as long as the heard words at the voice's pace.

    sound: what is different from a clean recording's figures
    """
    expected = expected_seconds(len(said), SECONDS_PER_WORD)
    seconds = len(heard) * SECONDS_PER_WORD if seconds is None else seconds
    return speech_failures(
        " ".join(said),
        " ".join(heard),
        seconds,
        expected,
        CLEAN._replace(**sound),
        language=language,
        reference_clip_text=" ".join(PROMPT),
        spoken_language=spoken_language,
    )


@given(seeds, rates, st.integers(3, len(TEXT)), st.floats(0.7, 1.5))
def test_ordinary_recognition_errors_are_not_failures(seed: int, rate: float, n_words: int, pace: float) -> None:
    rng = random.Random(seed)
    said = TEXT[:n_words]
    heard = mishear(said, rate, rng) or said
    stutters = max(len(list(run)) for _, run in groupby(heard)) > 3
    if abs(len(heard) - len(said)) >= 3 or stutters:  # no ordinary error any more: a stretch lost or added
        return
    assert failures(said, heard, pace * n_words * SECONDS_PER_WORD) == ()


@pytest.mark.parametrize(
    ("said", "heard"),
    [  # pocketsphinx, LJSpeech reader
        (
            "in being comparatively modern",
            "him being comparatively mater",
        ),
        (
            "the invention of movable metal letters in the middle of the 15th century may justly be considered as the "
            "invention of the art of printing",
            "invention of mobile meth or letters in the middle of the 15th century may just 3 be considered as the "
            "invention of the art of printing",
        ),
        # faster-whisper-tiny.en, the same reader and the sample voice's recordings
        (
            "for centuries before the woodcutters of the netherlands by a similar process",
            "for centuries before the wood cutters of the netherlands by a similar process",
        ),
        (
            "they camp in the valley where the fresh snow had fallen",
            "they can not pin the valley where the fresh snowhead fallen",
        ),
        ("yes", "yet is"),
        ("thank you", "the new"),
        ("no", "know"),
    ],
)
def test_real_transcripts_of_good_speech_have_no_failure(said: str, heard: str) -> None:
    assert failures(said.split(), heard.split(), len(said.split()) * SECONDS_PER_WORD) == ()


@pytest.mark.parametrize(("rate", "least"), [(0.0, 1.0), (0.1, 0.85), (0.2, 0.7)])
@pytest.mark.parametrize(
    ("name", "spoken"),
    [
        ("cut_off", TEXT[:14]),
        ("cut_off", TEXT[:20]),
        ("swallowed_clause", TEXT[:8] + TEXT[16:]),
        ("swallowed_clause", TEXT[7:]),
        ("repeated_clause", TEXT[:15] + TEXT[7:]),
        ("repeated_clause", TEXT + TEXT[-8:]),
        ("repeated_clause", TEXT + TEXT),
        ("repeated_clause", TEXT[:12] + [TEXT[11]] * 8 + TEXT[12:]),
        ("runaway", TEXT * 3),
        ("leaked_prompt", PROMPT + TEXT),
        ("leaked_prompt", PROMPT[-6:] + TEXT),
        ("leaked_prompt", TEXT + PROMPT),
    ],
    ids=lambda value: value if isinstance(value, str) else f"{len(value)} words",
)
def test_damaged_speech_is_named(name: str, spoken: list[str], rate: float, least: float) -> None:
    """In every perfect transcript and in most noisy ones. Both copies of a repetition are misheard independently."""
    n_trials = 40 if rate else 1
    found = [name in failures(TEXT, mishear(spoken, rate, random.Random(seed))) for seed in range(n_trials)]
    assert sum(found) >= least * n_trials


def test_the_reference_clips_text_instead_of_the_text_is_a_leak() -> None:
    assert "leaked_prompt" in failures(TEXT, PROMPT)
    assert "leaked_prompt" in failures(TEXT[:10], PROMPT)


@given(st.integers(2, 20), st.integers(3, 8))
def test_any_swallowed_clause_is_found(start: int, n_lost: int) -> None:
    start = min(start, len(TEXT) - n_lost - 2)
    assert failures(TEXT, TEXT[:start] + TEXT[start + n_lost :]) == ("swallowed_clause",)


@pytest.mark.parametrize("n_lost", [3, 4, 5])
def test_words_that_are_missing_at_the_end_are_cut_off(n_lost: int) -> None:
    assert failures(TEXT, TEXT[:-n_lost]) == ("cut_off",)


def test_a_clause_missing_before_the_last_word_is_swallowed_because_the_text_went_on() -> None:
    assert failures(TEXT, TEXT[:-6] + TEXT[-1:]) == ("swallowed_clause",)


def test_two_missing_words_are_cut_off_where_the_audio_is_short_too() -> None:
    assert failures(TEXT, TEXT[:-2], 0.9 * len(TEXT) * SECONDS_PER_WORD) == ("cut_off",)
    assert failures(TEXT, TEXT[:-2], 1.1 * len(TEXT) * SECONDS_PER_WORD) == ()


@pytest.mark.parametrize("phrase", [["aye"], ["shop", "boy"], ["and", "shop", "boy"]], ids=len)
def test_a_loop_of_words_that_are_not_in_the_text_is_a_repetition(phrase: list[str]) -> None:
    assert failures(TEXT, TEXT + phrase * 4, len(TEXT) * SECONDS_PER_WORD) == ("repeated_clause",)
    assert failures(TEXT, TEXT[:-1] + phrase[:1], len(TEXT) * SECONDS_PER_WORD) == ()


def test_a_clause_said_twice_and_misheard_once_is_a_repetition() -> None:
    """Whisper: "worth mention in passing" twice."""
    said = "and it is worth mention in passing that as an example of fine typography"
    heard = "and it is worth mentioning in passing this worth mention in passing that has an example of fine typography"
    assert failures(said.split(), heard.split()) == ("repeated_clause",)


@given(st.integers(0, len(TEXT)), st.integers(3, 10))
def test_any_repeated_clause_is_found(start: int, n_words: int) -> None:
    start = min(start, len(TEXT) - n_words)
    assert failures(TEXT, TEXT[: start + n_words] + TEXT[start:]) == ("repeated_clause",)


@given(st.integers(1, len(TEXT)))
def test_three_times_the_length_is_a_runaway(n_words: int) -> None:
    said = TEXT[:n_words]
    found = failures(said, said, 3 * n_words * SECONDS_PER_WORD)
    assert ("runaway" in found) == (n_words * SECONDS_PER_WORD > 0.5), "below, the pauses around a word weigh as much"


@pytest.mark.parametrize("n_words", [1, 2, 3, 5, 9, 10])
def test_short_texts_said_twice_or_half(n_words: int) -> None:
    said = TEXT[:n_words]
    assert failures(said, said) == ()
    if n_words > 1:
        assert "repeated_clause" in failures(said, said + said)
    if n_words > 4:
        assert "cut_off" in failures(said, said[: n_words // 2])


def test_a_text_that_repeats_itself_has_no_failure_when_it_is_said() -> None:
    said = ["never", "never", "never", "again", "and", "then"] * 2 + ["never", "never", "again"]
    assert failures(said, said) == ()


@pytest.mark.parametrize(
    ("heard", "seconds", "level"),
    [([], 3.0, -25.0), (TEXT, 3.0, -90.0), (TEXT, 3.0, float("nan")), (TEXT, 0.1, -25.0), (TEXT, float("nan"), -25.0)],
    ids=["no word", "silence", "NaN level", "a click", "NaN length"],
)
def test_silence_is_empty_and_has_no_other_failure(heard: list[str], seconds: float, level: float) -> None:
    assert failures(TEXT, heard, seconds, level_dbfs=level) == ("empty",)


def test_half_the_time_is_cut_off_whatever_was_heard() -> None:
    assert failures(TEXT, TEXT, 0.49 * len(TEXT) * SECONDS_PER_WORD) == ("cut_off",)


@given(
    st.lists(st.sampled_from(TEXT + PROMPT), min_size=1, max_size=30),
    st.lists(st.sampled_from(TEXT + PROMPT), max_size=60),
    st.floats(0.01, 30),
    st.floats(-60.0, 3.0),
    st.floats(0, 20),
    st.sampled_from([None, "en", "de"]),
)
@settings(max_examples=60)
def test_names_come_from_the_list_in_its_order(
    said: list[str], heard: list[str], seconds: float, end: float, steadiest: float, spoken_language: str | None
) -> None:
    found = failures(said, heard, seconds, spoken_language=spoken_language, end_db=end, steadiest_db=steadiest)
    assert found == tuple(name for name in FAILURES if name in found)
    assert ("empty" in found) <= (set(found) <= {"empty", "noise"})


def test_speech_that_breaks_off_in_its_last_word_is_cut_off() -> None:
    broken = [*TEXT[:-1], "li"]
    assert failures(TEXT, broken, end_db=-15.0) == ("cut_off",)
    assert failures(TEXT, TEXT, end_db=-2.0) == ("cut_off",), "as loud as its vowels: a recogniser guessed the rest"
    assert failures(TEXT, broken) == (), "the last word misheard in speech that fades out is an ordinary error"
    assert failures(TEXT, TEXT, end_db=-15.0) == (), "a tight cut after the last word loses nothing"


@pytest.mark.parametrize("change", [{"floor_db": -16.0}, {"steadiest_db": 1.8}], ids=["in every pause", "a burst"])
def test_noise_is_named_whatever_was_heard(change: dict[str, float]) -> None:
    assert failures(TEXT, TEXT, **change) == ("noise",)
    assert failures(TEXT, [], 8.0, **change) == ("empty", "noise")
    assert "noise" in failures(TEXT, PROMPT, **change)


def test_another_language_is_named_where_the_judge_can_tell_languages() -> None:
    assert "wrong_language" in failures(TEXT, PROMPT, spoken_language="de")
    assert "wrong_language" not in failures(TEXT, PROMPT, spoken_language="en")
    assert "wrong_language" not in failures(TEXT, PROMPT, spoken_language=None)
    assert failures(TEXT, TEXT, spoken_language="de") == (), "what was heard right is in the right language"


@pytest.mark.parametrize(
    ("language", "heard", "is_wrong"), [("yue", "zh", False), ("zh", "yue", False), ("zh", "ja", True)]
)
def test_cantonese_and_mandarin_are_not_told_apart(language: str, heard: str, is_wrong: bool) -> None:
    found = failures(list("春天到了花都开了我们去公园散步吧"), list("一二三四五六"), None, language, heard)
    assert ("wrong_language" in found) == is_wrong


@pytest.mark.parametrize(
    ("asr", "names"),
    [
        ("pocketsphinx", ("wrong_language",)),
        ("whisper-small.en", ("wrong_language",)),
        ("faster-whisper-large-v3", ()),
    ],
)
def test_wrong_language_is_unmeasurable_with_a_judge_of_one_language(asr: str, names: tuple[str, ...]) -> None:
    assert unmeasurable_failures(asr) == names


def test_a_character_counts_as_half_a_word() -> None:
    said = list("春天到了花都开了我们去公园散步吧然后一起吃饭再回家休息")
    lost_four = said[:8] + said[12:]
    assert failures(said, lost_four, language="zh") == ()
    assert failures(said, lost_four, language="en") == ("swallowed_clause",)
    assert failures(said, said[:6] + said[15:], language="zh") == ("swallowed_clause",)
    assert "cut_off" in failures(said, said[:15], language="ja")
    assert "repeated_clause" in failures(said, said[:16] + said[6:], language="yue")


def test_an_empty_reference_or_a_length_of_zero_is_an_error() -> None:
    with pytest.raises(ValueError, match="reference text is empty"):
        speech_failures("", "hello", 1.0, 1.0, CLEAN, language="en")
    with pytest.raises(ValueError, match="expected_seconds is 0"):
        speech_failures("hello", "hello", 1.0, 0.0, CLEAN, language="en")
    with pytest.raises(ValueError, match=r"0 units at 0\.1 s each"):
        expected_seconds(0, 0.1)


def test_the_misheard_texts_are_as_wrong_as_they_say() -> None:
    counts = [word_errors(" ".join(TEXT), " ".join(mishear(TEXT, 0.25, random.Random(i)))) for i in range(200)]
    assert 0.2 < sum(c.errors for c in counts) / sum(c.n_reference for c in counts) < 0.32
