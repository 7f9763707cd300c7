"""Whole texts: batches that change nothing, exact token counts, candidates and retries."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from sovits_tiny import tiny_sovits
from synthesis_tiny import PRESET, SOVITS_CONFIG, tiny_gpt, tiny_reference, tiny_synthesizer

from gpt_sovits.determinism import derive_seed
from gpt_sovits.gpt.generation import MIN_TOKENS, generate
from gpt_sovits.gpt.model import GPT, GPTConfig
from gpt_sovits.gpt.reranking import count_phone_errors
from gpt_sovits.synthesis.pieces import add_full_stop, clauses
from gpt_sovits.synthesis.preset import Preset
from gpt_sovits.synthesis.speech import Speech
from gpt_sovits.synthesis.streaming import stream
from gpt_sovits.synthesis.synthesizer import Synthesizer

TEXTS = (
    "The kettle is on the stove. He said no! Was it three hundred people, or more than that?",
    "Hello.",
    "Rain is expected by the evening, and it will turn to snow in the hills. Take a coat.",
    "Two.",
)
SAMPLES_PER_TOKEN = 2 * SOVITS_CONFIG.hop_length
# Share of full scale by which batched sums may be rounded differently, see Synthesizer.say_many
WAVEFORM_BOUND = 1e-4
LIVELY = -0.6  # an EOS bias with which sentences end by themselves at very different lengths


def assert_same(one: Speech, other: Speech) -> None:
    assert [s.n_tokens for s in one.sentences] == [s.n_tokens for s in other.sentences]
    assert one.sentences == other.sentences
    assert one.waveform.shape == other.waveform.shape
    assert np.abs(one.waveform - other.waveform).max() <= WAVEFORM_BOUND


@settings(max_examples=12, deadline=None)
@given(order=st.permutations(range(len(TEXTS))), batch_size=st.integers(1, 9), speed=st.sampled_from([1.0, 1.3]))
def test_batch_size_and_order_do_not_change_a_text(order, batch_size, speed):
    single = tiny_synthesizer(LIVELY, batch_size=1, speed=speed)
    together = tiny_synthesizer(LIVELY, batch_size=batch_size, speed=speed).say_many(
        [TEXTS[i] for i in order], [100 + i for i in order]
    )
    lengths = set()
    for i, speech in zip(order, together, strict=True):
        assert_same(single.say(TEXTS[i], 100 + i), speech)
        lengths |= {sentence.n_tokens for sentence in speech.sentences}
    assert len(lengths) > 2, "sentences must end at different steps for this to prove much"


def test_the_same_call_gives_the_same_bytes_and_another_seed_another_speech():
    synthesizer = tiny_synthesizer(LIVELY)
    state = torch.get_rng_state()
    first, again, other = (synthesizer.say(TEXTS[0], seed).waveform.tobytes() for seed in (1, 1, 2))
    assert first == again and first != other
    assert torch.get_rng_state().equal(state)


@pytest.mark.parametrize("eos_bias", [-20.0, LIVELY, 20.0])
def test_every_token_is_in_the_sound_for_each_kind_of_ending(eos_bias):
    """Sentences end never by themselves, sometimes, or at the first step that may end them."""
    synthesizer = tiny_synthesizer(eos_bias, noise_scale=0.0)
    for text in TEXTS:
        speech = synthesizer.say(text, 5)
        position = 0
        for index, (sentence, report) in enumerate(zip(synthesizer.sentences(text, 5), speech.sentences, strict=True)):
            (single,) = generate(
                synthesizer.gpt,
                [synthesizer.prompt(sentence)],
                [derive_seed("sentence", 5, index)],
                synthesizer.preset.sampling(),
                max_tokens=sentence.max_tokens,
            )
            assert report.n_tokens == len(single.tokens)
            assert report.ended_by_itself == single.reached_eos
            assert report.n_samples == report.n_tokens * SAMPLES_PER_TOKEN
            expected, _ = synthesizer.sovits.decode(
                single.tokens[None], sentence.phoneme_ids[None], synthesizer.style, noise_scale=0.0
            )
            piece = speech.waveform[position : position + report.n_samples]
            assert np.abs(piece - expected[0].numpy()).max() <= WAVEFORM_BOUND
            position += report.n_samples + len(synthesizer.pause)
        assert position - len(synthesizer.pause) == len(speech.waveform)
        if eos_bias == -20.0:
            assert [r.n_tokens for r in speech.sentences] == [s.max_tokens for s in synthesizer.sentences(text, 5)]
            assert not speech.ended_by_itself
        if eos_bias == 20.0:
            assert all(r.n_tokens == MIN_TOKENS for r in speech.sentences) and speech.ended_by_itself


def test_an_end_at_the_bound_is_reported_equally_alone_and_in_a_batch():
    """EOS comes at the first possible step, which is just beyond the bound of the shorter text."""
    texts = ("Two.", "Hello there.")
    for batch_size in (1, 2):
        synthesizer = tiny_synthesizer(20.0, batch_size=batch_size, seconds_per_phoneme=0.06, max_length_factor=1.0)
        bounds = [synthesizer.sentences(text, 0)[0].max_tokens for text in texts]
        assert bounds[0] == MIN_TOKENS < bounds[1] < 2 * MIN_TOKENS  # near enough for one batch
        short, long = (speech.sentences[0] for speech in synthesizer.say_many(texts, [0, 1]))
        assert short.n_tokens == long.n_tokens == MIN_TOKENS
        assert not short.ended_by_itself and long.ended_by_itself


def test_a_failed_sentence_is_spoken_again_and_reported():
    once, thrice = tiny_synthesizer(LIVELY), tiny_synthesizer(LIVELY, max_retries=2)
    seen = set()
    for seed in range(6):
        before, after = once.say(TEXTS[0], seed), thrice.say(TEXTS[0], seed)
        for first, kept in zip(before.sentences, after.sentences, strict=True):
            seen.add((first.outcome == "spoken", kept.outcome == "spoken", kept.n_retries))
            assert first.n_retries == 0
            if first.outcome == "spoken":
                assert kept == first
            else:
                assert 1 <= kept.n_retries <= 2
                assert kept.seed in {first.seed, *(derive_seed("retry", first.seed, k) for k in (1, 2))}
        assert set(after.failures) == {s for s in after.sentences if s.outcome != "spoken"}
    assert {(True, True, 0), (False, True, 1), (False, False, 2)} <= seen


# phones of the tiny codebook: those of "Two.", of "Hello.", silence
TOKEN_PHONES = ("t", "uw", "hh", "ah", "l", "ow", "sil", "sil", "s")


def test_the_candidate_whose_tokens_match_the_text_best_is_spoken():
    synthesizer = tiny_synthesizer(LIVELY, n_best_of=5, token_phones=TOKEN_PHONES, max_retries=1)
    texts, n_not_first = TEXTS * 3, 0
    for seed, (text, speech) in enumerate(zip(texts, synthesizer.say_many(texts, range(len(texts))), strict=True)):
        for sentence, report in zip(synthesizer.sentences(text, seed), speech.sentences, strict=True):
            rounds = [range(5), range(5, 10)]
            best = []
            for numbers in rounds:
                seeds = [sentence.candidate_seed(number) for number in numbers]
                prompts = [synthesizer.prompt(sentence)] * 5
                options = synthesizer.preset.sampling()
                candidates = generate(synthesizer.gpt, prompts, seeds, options, max_tokens=sentence.max_tokens)
                ids = sentence.phoneme_ids.tolist()
                misread = [count_phone_errors(candidate.tokens.tolist(), ids, TOKEN_PHONES) for candidate in candidates]
                best.append(seeds[misread.index(min(misread))])
                n_not_first += misread[0] > min(misread)
            assert report.seed in best[: report.n_retries + 1]
            if report.outcome == "spoken":
                assert report.seed == best[report.n_retries]
    assert n_not_first > 10, "the first candidate must often not be the best for this to prove much"


def test_candidates_do_not_depend_on_the_batch():
    single = tiny_synthesizer(LIVELY, batch_size=1, n_best_of=3, token_phones=TOKEN_PHONES)
    together = tiny_synthesizer(LIVELY, batch_size=4, n_best_of=3, token_phones=TOKEN_PHONES)
    for text, speech in zip(TEXTS, together.say_many(TEXTS, range(4)), strict=True):
        assert_same(single.say(text, TEXTS.index(text)), speech)


def test_token_phones_of_another_base_are_refused():
    with pytest.raises(ValueError, match="the phones of 8 semantic tokens, the GPT speaks 9"):
        tiny_synthesizer(n_best_of=2, token_phones=TOKEN_PHONES[:8])


def test_candidates_without_token_phones_are_refused():
    with pytest.raises(ValueError, match="n_best_of = 3 needs a base model whose tokens map to phones"):
        Preset.model_validate(PRESET.model_dump() | {"n_best_of": 3})


@pytest.mark.parametrize("prompted", [True, False])
def test_a_sentence_with_skipped_words_is_spoken_again(prompted, monkeypatch):
    """The head looks at all phonemes but the last five in the first attempt, and at all in the second."""
    synthesizer = tiny_synthesizer(LIVELY, max_retries=2, alignment_head=(0, 1), prompted=prompted)
    before = 0 if not prompted else len(synthesizer.references[0].phoneme_ids)
    looked_at = []

    def places(model, prompt, tokens, head):
        assert head == (0, 1)
        last = len(prompt.phoneme_ids) - (6 if not looked_at else 1)
        looked_at.append(torch.arange(before, last + 1))
        return looked_at[-1]

    monkeypatch.setattr("gpt_sovits.synthesis.synthesizer.attended_phonemes", places)
    text = "The kettle is on the stove."
    seed = next(seed for seed in range(50) if not tiny_synthesizer(LIVELY, prompted=prompted).say(text, seed).failures)
    (report,) = synthesizer.say(text, seed).sentences
    assert looked_at and report.n_retries >= 1
    assert report.seed != synthesizer.sentences(text, seed)[0].seed


def test_a_stream_reports_skipped_words(monkeypatch):
    synthesizer = tiny_synthesizer(LIVELY, alignment_head=(0, 1))
    monkeypatch.setattr(
        "gpt_sovits.synthesis.synthesizer.attended_phonemes", lambda *_: torch.zeros(3, dtype=torch.int64)
    )
    reports = [chunk.report for chunk in stream(synthesizer, TEXTS[0], 1) if chunk.report]
    assert len(reports) == 3 and "skipped" in {report.outcome for report in reports}


def test_an_alignment_head_that_the_gpt_does_not_have_is_refused():
    with pytest.raises(
        ValueError, match=r"alignment_head names layer 7 and head 0, but this GPT has 2 layers of 4 heads"
    ):
        tiny_synthesizer(alignment_head=(7, 0))


def test_retries_do_not_depend_on_the_batch():
    single, together = (tiny_synthesizer(LIVELY, batch_size=n, max_retries=3) for n in (1, 8))
    speeches = together.say_many(TEXTS, [7, 8, 9, 10])
    assert any(sentence.n_retries for speech in speeches for sentence in speech.sentences)
    for text, seed, speech in zip(TEXTS, (7, 8, 9, 10), speeches, strict=True):
        assert_same(single.say(text, seed), speech)


def test_the_best_of_all_failed_attempts_is_kept():
    """If every attempt runs away, the first one is kept."""
    (report,) = tiny_synthesizer(-20.0, max_retries=2, max_length_factor=1.0).say("Two.", 3).sentences
    (first,) = tiny_synthesizer(-20.0, max_length_factor=1.0).say("Two.", 3).sentences
    assert report.n_retries == 2 and report.outcome == "runaway"
    assert report.seed == first.seed


def test_sound_stays_within_full_scale_and_pauses_are_silent():
    synthesizer = tiny_synthesizer(LIVELY)
    with torch.no_grad():
        synthesizer.sovits.dec.conv_post.weight.mul_(1e4)  # the last tanh saturates
    speech = synthesizer.say(TEXTS[2], 1)
    assert speech.waveform.dtype == np.float32
    assert np.abs(speech.waveform).max() == 1.0
    first = speech.sentences[0].n_samples
    assert not speech.waveform[first : first + round(0.3 * speech.sample_rate)].any()


def test_expected_seconds_follow_pace_and_speed():
    slow, fast = (
        tiny_synthesizer(-20.0, max_length_factor=1.0),
        tiny_synthesizer(-20.0, max_length_factor=1.0, speed=2.0),
    )
    for synthesizer in (slow, fast):  # speech that never ends by itself has exactly the expected length
        speech = synthesizer.say(TEXTS[0])
        seconds = len(speech.waveform) / speech.sample_rate
        assert seconds == pytest.approx(synthesizer.expected_seconds(TEXTS[0]), abs=0.2)


def test_timings_name_each_part():
    timings = tiny_synthesizer().say(TEXTS[0]).timings
    assert min(timings.text, timings.gpt, timings.sovits) > 0
    assert timings.total == timings.text + timings.gpt + timings.sovits


def test_a_line_of_dashes_between_sentences_is_skipped():
    speech = tiny_synthesizer().say("Hello.\n-----\nWorld. ...")
    assert [sentence.text for sentence in speech.sentences] == ["Hello.", "World."]


@pytest.mark.parametrize(
    ("text", "spoken"),
    [
        ("Hello", "Hello."),
        ('He said "Hello"', 'He said "Hello".'),
        ("Hello?", "Hello?"),
        ('He said "Hello!"', 'He said "Hello!"'),
        ("Well -", "Well -"),
        ("你好", "你好。"),
        ("こんにちは", "こんにちは。"),
        ("안녕", "안녕."),
        ("", ""),
    ],
)
def test_an_unfinished_sentence_gets_a_full_stop(text, spoken):
    assert add_full_stop(text) == spoken


def test_an_unfinished_sentence_is_spoken_as_the_finished_one():
    synthesizer = tiny_synthesizer(LIVELY)
    one, other = synthesizer.say("Rain in the hills", 1), synthesizer.say("Rain in the hills.", 1)
    assert np.array_equal(one.waveform, other.waveform)
    assert [sentence.text for sentence in one.sentences] == ["Rain in the hills"]


@pytest.mark.parametrize(
    ("texts", "seeds", "message"),
    [
        ([""], [0], "the text is empty"),
        (["  \n "], [0], "the text is empty"),
        (["..."], [0], "nothing to say"),
        (["hello " * 4000], [0], "the text has 24000 characters; at most 20000"),
        (["hello"], [0, 1], "got 2 seeds for 1 texts; pass one seed per text"),
        (["hello", "...", "you"], [0, 1, 2], "text 2 of 3: the text '...' has nothing to say"),
    ],
)
def test_texts_that_cannot_be_spoken_are_refused(texts, seeds, message):
    with pytest.raises(ValueError, match=message):
        tiny_synthesizer().say_many(texts, seeds)


def test_a_sentence_beyond_the_gpts_positions_is_refused_and_a_bound_beyond_them_is_lowered():
    config = GPTConfig.from_dict(tiny_gpt().config.to_dict() | {"max_positions": 60})
    torch.manual_seed(0)
    gpt = GPT(config)
    torch.nn.init.constant_(gpt.ar_predict_layer.weight[-1].detach(), 0.0)
    synthesizer = Synthesizer(gpt, tiny_sovits(config=SOVITS_CONFIG), tiny_reference(), PRESET)
    assert [sentence.max_tokens for sentence in synthesizer.sentences("Hello there, you.", 0)] == [60 - 5]
    synthesizer.say("Hello there, you.")
    with pytest.raises(ValueError, match="would take 3 s; this GPT has room for 2 s: split the sentence"):
        synthesizer.say("Was it three hundred people, or more than that?")


def test_broken_weights_are_named():
    synthesizer = tiny_synthesizer()
    synthesizer.sovits.dec.conv_pre.bias.fill_(float("nan"))
    with pytest.raises(ValueError, match="the SoVITS computes NaN"):
        synthesizer.say("Hello.")
    gpt = tiny_gpt()
    torch.nn.init.constant_(gpt.bert_proj.bias, float("nan"))
    with pytest.raises(ValueError, match="the GPT computes NaN"):
        Synthesizer(gpt, tiny_sovits(config=SOVITS_CONFIG), tiny_reference(), PRESET).say("Hello.")


def test_a_voice_speaks_with_bfloat16_weights():
    gpt, sovits = tiny_gpt(LIVELY), tiny_sovits(config=SOVITS_CONFIG)
    speech = Synthesizer(gpt, sovits, tiny_reference(), PRESET, precision="bfloat16").say(TEXTS[0])
    assert np.abs(speech.waveform).max() > 0


@pytest.mark.parametrize("setting", [{"precision": "float8"}, {"batch_size": 0}])
def test_wrong_settings_are_refused_at_once(setting):
    with pytest.raises(ValueError, match=next(iter(setting))):
        Synthesizer(tiny_gpt(), tiny_sovits(config=SOVITS_CONFIG), tiny_reference(), PRESET, **setting)


def test_a_gpt_of_another_codebook_is_refused():
    gpt = GPT(GPTConfig.from_dict(tiny_gpt().config.to_dict() | {"vocab_size": 33}))
    with pytest.raises(ValueError, match="the GPT speaks 32 semantic tokens, the SoVITS knows 9"):
        Synthesizer(gpt, tiny_sovits(config=SOVITS_CONFIG), tiny_reference(), PRESET)


def test_an_unprompted_voice_reads_only_the_text_and_has_all_positions_for_it():
    prompted, unprompted = tiny_synthesizer(LIVELY), tiny_synthesizer(LIVELY, prompted=False)
    sentence = unprompted.sentences("Hello.", 1)[0]
    prompt = unprompted.prompt(sentence)
    assert prompt.phoneme_ids.tolist() == sentence.phoneme_ids.tolist()
    assert len(prompt.tokens) == 0
    n_prompt = len(prompted.references[0].semantic_tokens)
    assert unprompted.reader.max_tokens == prompted.reader.max_tokens + n_prompt
    assert unprompted.say("Hello.", 1).waveform.size
    assert torch.equal(unprompted.style, prompted.style)  # the reference still gives the style


LONG = "When the noise stopped, we opened the shutters, swept 10,000 leaves off the path and sat down; nobody spoke."


@pytest.mark.parametrize(
    ("text", "most", "pieces"),
    [
        (LONG, 200, [LONG]),
        (
            LONG,
            50,
            [
                "When the noise stopped, we opened the shutters",
                "swept 10,000 leaves off the path and sat down",
                "nobody spoke.",
            ],
        ),
        ("One clause of many words and no mark at all", 10, ["One clause of many words and no mark at all"]),
        ("早上好，大家请坐，我们开始吧。", 16, ["早上好", "大家请坐", "我们开始吧。"]),
        ("早上好，大家请坐，我们开始吧。", 24, ["早上好，大家请坐", "我们开始吧。"]),  # a Han character counts 3
        ("おはよう、すわって、はじめる。", 18, ["おはよう、すわって", "はじめる。"]),  # a kana 2
    ],
)
def test_a_long_sentence_is_cut_where_its_clauses_end(text, most, pieces):
    assert clauses(text, most) == pieces


@given(st.text("ab ,;:—1.", max_size=60), st.integers(1, 30))
def test_no_letter_or_digit_of_a_sentence_is_lost_or_moved(text, most):
    said = [character for piece in clauses(text, most) for character in piece if character.isalnum()]
    assert said == [character for character in text if character.isalnum()]


def test_clauses_are_spoken_as_sentences_with_pauses():
    synthesizer = tiny_synthesizer(LIVELY, max_sentence_characters=50)
    speech = synthesizer.say(LONG, 3)
    assert [sentence.text for sentence in speech.sentences] == clauses(LONG, 50)
    pauses = 2 * len(synthesizer.pause)
    assert len(speech.waveform) == sum(sentence.n_samples for sentence in speech.sentences) + pauses
