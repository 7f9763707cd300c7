"""The compiled decoder on a CPU: equal to the plain one in float32, measured in the other precisions."""

import copy
import functools

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from gpt_sovits.gpt.cpu_kernel import BLOCK, exponential
from gpt_sovits.gpt.generation import Prompt, generate, prepare_prompts, stream_tokens
from gpt_sovits.gpt.inference import begin_decoding, prepare_for_inference
from gpt_sovits.gpt.model import GPT, GPTConfig
from gpt_sovits.gpt.plain_decoder import PlainDecoding, compute_prompt
from gpt_sovits.gpt.sampling import SamplingOptions
from gpt_sovits.precision import HAS_BFLOAT16_ARITHMETIC, PRECISIONS

# Head and matrix sizes that no vector length divides, an odd vocabulary, three layers.
TINY = GPTConfig(vocab_size=37, phoneme_vocab_size=20, hidden_size=36, n_heads=3, n_layers=3, bert_dim=8, dropout=0.0)
# Of the largest logit, measured: float32 4e-7, float16 3e-4, bfloat16 8e-3, int8 1.2e-2.
TOLERANCE = {"float32": 3e-6, "float16": 2e-3, "bfloat16": 3e-2, "int8": 5e-2}


@functools.cache
def plain_model():
    torch.manual_seed(0)
    model = GPT(TINY).eval()
    for parameter in model.parameters():  # norms and biases that do something
        parameter.data += 0.05 * torch.randn_like(parameter)
    return model


@functools.cache
def fast_model(precision):
    return prepare_for_inference(copy.deepcopy(plain_model()), precision)


def prompt(n_phonemes, n_tokens, seed):
    generator = torch.Generator().manual_seed(seed)
    ids = torch.randint(20, (n_phonemes,), generator=generator)
    return Prompt(ids, torch.randint(36, (n_tokens,), generator=generator))


# The last is longer than a block of the cache, so the others begin in its second one.
PROMPTS = [prompt(n, m, i) for i, (n, m) in enumerate([(6, 4), (11, 9), (3, 0), (8, 2), (1, 1), (9, 9), (61, 14)])]


@pytest.fixture(params=[1, 2, 3])
def n_threads(request):
    before = torch.get_num_threads()
    torch.set_num_threads(request.param)
    yield request.param
    torch.set_num_threads(before)


def relative_error(actual, expected):
    return float((actual - expected).abs().max() / expected.abs().max())


def compare_decodings(model, prompts, n_steps):
    """Yield (expected, actual) logits of every step for the same random tokens, while rows leave the batch."""
    batch = prepare_prompts(plain_model(), prompts, torch.device("cpu"))
    decodings = [PlainDecoding(plain_model(), batch), begin_decoding(model, batch, n_steps)]
    yield decodings[0].hidden, decodings[1].hidden
    positions = torch.tensor([len(p.tokens) for p in prompts])
    generator = torch.Generator().manual_seed(1)
    for step in range(n_steps):
        if step in (3, 5) and len(positions) > 1:
            kept = torch.arange(len(positions))[step % 2 :: 2]
            positions = positions[kept]
            for decoding in decodings:
                decoding.keep_rows(kept)
        tokens = torch.randint(36, (len(positions),), generator=generator)
        expected, actual = (decoding.step(tokens, positions + step) for decoding in decodings)
        yield expected, actual


@torch.inference_mode()
@pytest.mark.parametrize("prompts", [PROMPTS[:1], PROMPTS[:2], PROMPTS], ids=["alone", "pair", "seven"])
def test_float32_steps_equal_the_plain_ones_for_any_batch_and_thread_count(prompts, n_threads):
    for expected, actual in compare_decodings(fast_model("float32"), prompts, 2 * BLOCK):
        assert actual.shape == expected.shape
        assert relative_error(actual, expected) < TOLERANCE["float32"]


@torch.inference_mode()
@pytest.mark.parametrize("precision", PRECISIONS)
def test_each_precision_stays_within_its_bound(precision):
    errors = [
        relative_error(actual, expected) for expected, actual in compare_decodings(fast_model(precision), PROMPTS, 20)
    ]
    assert max(errors) < TOLERANCE[precision]
    if precision != "float32":
        assert max(errors) > TOLERANCE["float32"], "nothing was rounded: another precision is stored"


@torch.inference_mode()
@pytest.mark.parametrize("precision", HAS_BFLOAT16_ARITHMETIC)
def test_prompts_are_computed_as_by_the_own_matrices_which_stay_as_they_are(precision):
    model = fast_model(precision)
    batch = prepare_prompts(model, PROMPTS, torch.device("cpu"))
    expected = compute_prompt(model, batch, lambda *_: None, use_bfloat16=True)
    assert begin_decoding(model, batch, 1).hidden.equal(expected)
    assert all(value.equal(plain_model().state_dict()[name]) for name, value in model.state_dict().items())


def test_weights_that_fit_float16_lose_nothing_in_it():
    """The official files hold float16."""
    halved = copy.deepcopy(plain_model())
    for parameter in halved.parameters():
        parameter.data = parameter.data.half().float()
    exact = prepare_for_inference(copy.deepcopy(halved), "float32")
    stored = prepare_for_inference(halved, "float16")
    with torch.inference_mode():
        batch = prepare_prompts(exact, PROMPTS, torch.device("cpu"))
        a, b = begin_decoding(exact, batch, 3), begin_decoding(stored, batch, 3)
        tokens = torch.arange(len(PROMPTS))
        assert relative_error(a.step(tokens, tokens), b.step(tokens, tokens)) < TOLERANCE["float32"]


@pytest.mark.parametrize("options", [SamplingOptions(top_k=1), SamplingOptions()])
def test_generation_draws_the_tokens_of_the_plain_decoder(options, n_threads):
    seeds = list(range(len(PROMPTS)))
    plain = generate(plain_model(), PROMPTS, seeds, options, max_tokens=60)
    fast = generate(fast_model("float32"), PROMPTS, seeds, options, max_tokens=60)
    for i, (one, other) in enumerate(zip(plain, fast, strict=True)):
        assert one.tokens.equal(other.tokens) and one.reached_eos == other.reached_eos
        assert list(stream_tokens(fast_model("float32"), PROMPTS[i], i, options, max_tokens=60)) == one.tokens.tolist()


@pytest.mark.parametrize("precision", PRECISIONS)
def test_two_streams_of_one_model_do_not_disturb_each_other(precision):
    model = fast_model(precision)
    alone = [generate(model, [p], [7], max_tokens=20)[0].tokens.tolist() for p in PROMPTS[:2]]
    streams = [stream_tokens(model, p, 7, max_tokens=20) for p in PROMPTS[:2]]
    streamed = [[], []]
    for _ in range(20):
        for stream, tokens in zip(streams, streamed, strict=True):
            tokens += [token for token in [next(stream, None)] if token is not None]
    assert streamed == alone


def test_training_mode_goes_back_to_the_plain_decoder():
    model = prepare_for_inference(copy.deepcopy(plain_model()), "int8")
    assert not any(p.requires_grad for p in model.parameters())
    model.train().eval()
    with torch.inference_mode():
        steps = list(compare_decodings(model, PROMPTS, 3))
    assert all(expected.equal(actual) for expected, actual in steps)


def test_state_dict_survives_the_packing():
    packed = fast_model("float32").state_dict()
    assert all(packed[name].equal(value) for name, value in plain_model().state_dict().items())


def test_impossible_precisions_are_refused():
    with pytest.raises(ValueError, match="precision must be one of float32, float16, bfloat16, int8, not 'int4'"):
        prepare_for_inference(copy.deepcopy(plain_model()), "int4")
    model = copy.deepcopy(plain_model())
    model.h.layers[1].linear1.weight.data[0, 0] = 1e6
    with pytest.raises(ValueError, match="a weight of the GPT is 1e\\+06, above float16's 65504"):
        prepare_for_inference(model, "float16")


@given(st.floats(-87, 0, width=32))
def test_exponential_is_within_its_bound(x):
    assert abs(float(exponential(np.float32(x))) - np.exp(np.float64(x))) <= 3e-7 * np.exp(np.float64(x))
