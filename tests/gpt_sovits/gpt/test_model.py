"""The GPT at a tiny size: padding, cached generation, streams and the config."""

import functools
import json

import pytest
import torch
from gpt_helpers import replaced_eos_row

from gpt_sovits.gpt.generation import Prompt, generate, stream_tokens
from gpt_sovits.gpt.loss import next_token_targets, token_loss
from gpt_sovits.gpt.model import GPT, GPTConfig
from gpt_sovits.gpt.sampling import SamplingOptions

TINY = GPTConfig(vocab_size=33, phoneme_vocab_size=20, hidden_size=32, n_heads=4, n_layers=2, bert_dim=8, dropout=0.0)
GREEDY = SamplingOptions(top_k=1)


@functools.cache
def tiny_model():
    torch.manual_seed(0)
    return GPT(TINY).eval()


def tiny_prompt(n_phonemes, n_tokens, seed=0):
    generator = torch.Generator().manual_seed(seed)
    return Prompt(
        torch.randint(20, (n_phonemes,), generator=generator), torch.randint(32, (n_tokens,), generator=generator)
    )


def greedy(model, prompts, n, **limits):
    return [g.tokens for g in generate(model, prompts, [0] * len(prompts), GREEDY, max_tokens=n, **limits)]


# ---- training --------------------------------------------------------------------------------------------------


def padded(sequences, fill):
    return torch.nn.utils.rnn.pad_sequence(sequences, batch_first=True, padding_value=fill)


@pytest.mark.parametrize("fill", [0, 7])
def test_a_batch_has_the_loss_of_its_items_whatever_the_padding_holds(fill):
    model, items = tiny_model(), [tiny_prompt(9, 12), tiny_prompt(4, 20, 1), tiny_prompt(13, 3, 2)]
    single_total, single_n = 0.0, 0
    for item in items:
        lengths = torch.tensor([len(item.phoneme_ids)]), torch.tensor([len(item.tokens)])
        hidden = model(item.phoneme_ids[None], lengths[0], item.tokens[None], lengths[1])
        loss = token_loss(model.logits(hidden), next_token_targets(item.tokens[None], lengths[1], TINY.eos_token))
        assert loss.n_tokens == len(item.tokens) + 1
        single_total += loss.total.item()
        single_n += int(loss.n_tokens)
    tokens, token_lengths = padded([i.tokens for i in items], fill), torch.tensor([len(i.tokens) for i in items])
    phonemes, lengths = padded([i.phoneme_ids for i in items], fill), torch.tensor([len(i.phoneme_ids) for i in items])
    hidden = model(phonemes, lengths, tokens, token_lengths)
    loss = token_loss(model.logits(hidden), next_token_targets(tokens, token_lengths, TINY.eos_token))
    assert int(loss.n_tokens) == single_n == 12 + 20 + 3 + 3
    assert loss.total.item() == pytest.approx(single_total, rel=1e-5)


def test_targets_end_with_one_eos_and_ignore_the_rest():
    targets = next_token_targets(torch.tensor([[1, 2, 3], [4, 9, 9]]), torch.tensor([3, 1]), eos_token=32)
    assert targets.tolist() == [[1, 2, 3, 32], [4, 32, -100, -100]]


def test_a_token_does_not_see_later_ones():
    model, item = tiny_model(), tiny_prompt(5, 8)
    changed = item.tokens.clone()
    changed[5] = (changed[5] + 1) % 32
    lengths = torch.tensor([5]), torch.tensor([8])
    before = model(item.phoneme_ids[None], lengths[0], item.tokens[None], lengths[1])
    after = model(item.phoneme_ids[None], lengths[0], changed[None], lengths[1])
    assert before[:, :6].equal(after[:, :6])
    assert not before[:, 6:].allclose(after[:, 6:])


def test_zero_bert_features_equal_missing_ones():
    model, ids = tiny_model(), torch.arange(6)[None]
    assert model.embed_phonemes(ids).allclose(model.embed_phonemes(ids, torch.zeros(1, 8, 6)))


def test_dropout_works_in_training_only():
    torch.manual_seed(0)
    model = GPT(GPTConfig(**{**TINY.to_dict(), "dropout": 0.5}))
    item = tiny_prompt(5, 8)
    arguments = (item.phoneme_ids[None], torch.tensor([5]), item.tokens[None], torch.tensor([8]))
    assert not model(*arguments).equal(model(*arguments))
    assert model.eval()(*arguments).equal(model(*arguments))


# ---- generation ------------------------------------------------------------------------------------------------


def test_cached_generation_equals_running_everything_again():
    model, prompt = tiny_model(), tiny_prompt(6, 4)
    (tokens,) = greedy(model, [prompt], 300, min_tokens=300)  # 300 steps: the cache grows twice
    assert len(tokens) == 300
    everything = torch.cat((prompt.tokens, tokens))[None]
    n = everything.shape[1]
    hidden = model(prompt.phoneme_ids[None], torch.tensor([6]), everything, torch.tensor([n]))
    logits = model.logits(hidden)[0, 4:-1, :-1].detach()
    for step in (0, 1, 100, 251, 252, 299):
        seen = everything[0, : 4 + step]
        penalized = logits[step].clone()
        penalized[seen] = torch.where(penalized[seen] < 0, penalized[seen] * 1.35, penalized[seen] / 1.35)
        assert penalized.argmax() == tokens[step]


@pytest.mark.parametrize("options", [GREEDY, SamplingOptions()])
def test_tokens_do_not_depend_on_the_batch(options):
    model = tiny_model()
    prompts = [tiny_prompt(6, 4), tiny_prompt(11, 9, 1), tiny_prompt(3, 0, 2), tiny_prompt(8, 2, 3)]
    together = generate(model, prompts, [1, 2, 3, 4], options, max_tokens=60)
    backwards = generate(model, prompts[::-1], [4, 3, 2, 1], options, max_tokens=60)[::-1]
    for i, prompt in enumerate(prompts):
        (alone,) = generate(model, [prompt], [i + 1], options, max_tokens=60)
        assert alone.tokens.equal(together[i].tokens)
        assert alone.tokens.equal(backwards[i].tokens)
        assert alone.reached_eos == together[i].reached_eos
    if options != GREEDY:
        assert len({len(g.tokens) for g in together}) > 1, "rows must end at different steps, or this test shows little"


def test_other_seeds_give_other_tokens_and_leave_the_global_random_state_alone():
    model, prompt = tiny_model(), tiny_prompt(6, 4)
    state = torch.get_rng_state()
    first, again, other = (generate(model, [prompt], [s], max_tokens=30)[0].tokens for s in (1, 1, 2))
    assert first.equal(again)
    assert not first.equal(other)
    assert torch.get_rng_state().equal(state)


@pytest.mark.parametrize("options", [GREEDY, SamplingOptions()])
@pytest.mark.parametrize("max_tokens", [1, 40, 300])
def test_a_stream_yields_the_tokens_and_the_end_of_generate(options, max_tokens):
    model, prompt = tiny_model(), tiny_prompt(6, 4)
    (whole,) = generate(model, [prompt], [3], options, min_tokens=1, max_tokens=max_tokens)
    stream, tokens = stream_tokens(model, prompt, 3, options, min_tokens=1, max_tokens=max_tokens), []
    while True:
        try:
            tokens.append(next(stream))
        except StopIteration as end:
            assert end.value is whole.reached_eos
            break
        assert not torch.is_inference_mode_enabled(), "the consumer may need gradients"
    assert tokens == whole.tokens.tolist()


def test_a_stream_that_is_closed_early_restores_the_training_mode():
    model = GPT(TINY).train()
    stream = stream_tokens(model, tiny_prompt(6, 4), 0)
    next(stream)
    assert not model.training
    stream.close()
    assert model.training


def test_a_stream_refuses_wrong_arguments_at_the_call():
    with pytest.raises(ValueError, match="non-empty"):
        stream_tokens(tiny_model(), Prompt(torch.zeros(0, dtype=torch.int64), torch.zeros(0, dtype=torch.int64)), 0)


def test_limits_on_the_number_of_tokens_are_exact():
    model, prompt = tiny_model(), tiny_prompt(6, 4)
    with replaced_eos_row(model, model.ar_predict_layer.weight.data[:-1].mean(0) * 0 + 100.0):
        results = [generate(model, [prompt], [s], SamplingOptions(), min_tokens=17)[0] for s in range(4)]
    assert all(len(r.tokens) >= 17 for r in results)
    (cut,) = generate(model, [prompt], [0], GREEDY, min_tokens=5, max_tokens=5)
    assert len(cut.tokens) == 5 and not cut.reached_eos
    assert generate(model, [], []) == []


@pytest.mark.parametrize(
    ("prompt", "limits", "message"),
    [
        (Prompt(torch.zeros(0, dtype=torch.int64), torch.zeros(0, dtype=torch.int64)), {}, "non-empty"),
        (Prompt(torch.tensor([20]), torch.tensor([1])), {}, r"phoneme_ids must be in \[0, 20\), not 20..20"),
        (Prompt(torch.tensor([1]), torch.tensor([32])), {}, r"tokens must be in \[0, 32\)"),
        (Prompt(torch.tensor([1]), torch.tensor([3]), torch.zeros(8, 2)), {}, r"bert_features must be \(8, 1\)"),
        (tiny_prompt(3, 3), {"min_tokens": 9, "max_tokens": 8}, r"min_tokens \(9\)"),
        (tiny_prompt(3, 3), {"max_tokens": 4000}, "exceed max_positions = 4000"),
        (tiny_prompt(4001, 3), {}, "4001 phonemes in one sequence, but at most 4000"),
    ],
)
def test_impossible_requests_are_refused(prompt, limits, message):
    with pytest.raises(ValueError, match=message):
        generate(tiny_model(), [prompt], [0], **limits)


def test_broken_weights_are_reported():
    model = GPT(TINY)
    torch.nn.init.constant_(model.bert_proj.bias, float("nan"))
    with pytest.raises(ValueError, match="weights are broken"):
        generate(model, [tiny_prompt(3, 3)], [0])


# ---- the config ------------------------------------------------------------------------------------------------


def test_the_config_survives_json():
    assert GPTConfig.from_dict(json.loads(json.dumps(TINY.to_dict()))) == TINY


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"linear_units": 2048}, r"unknown keys \['linear_units'\]"),
        ({"n_heads": 5}, r"hidden_size \(32\) must be even and divisible by n_heads \(5\)"),
        ({"n_layers": 0}, "n_layers must be a whole number of at least 1, not 0"),
        ({"n_layers": 2.0}, "n_layers must be a whole number"),
        ({"dropout": 1.0}, "dropout must be a number in"),
    ],
)
def test_impossible_configs_are_refused(change, message):
    with pytest.raises(ValueError, match=message):
        GPTConfig.from_dict({**TINY.to_dict(), **change})


def test_a_missing_key_is_named():
    values = TINY.to_dict()
    del values["n_heads"]
    with pytest.raises(ValueError, match=r"missing keys \['n_heads'\]"):
        GPTConfig.from_dict(values)
