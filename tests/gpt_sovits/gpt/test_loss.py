"""The losses of the GPT: the stored preference loss of upstream, and how tokens are corrupted."""

import math

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from sovits_golden import Golden, fill
from torch.nn.utils.rnn import pad_sequence

from gpt_sovits.gpt.loss import (
    corrupt_tokens,
    next_token_targets,
    preference_losses,
    sequence_log_probabilities,
    token_loss,
)
from gpt_sovits.gpt.model import GPT, GPTConfig

SEED = 1234  # of the stored draws
SIZES = {"s1_small": GPTConfig(hidden_size=64, n_heads=4, n_layers=2), "s1_full": GPTConfig()}


def loaded(golden, shared, name):
    model = GPT(SIZES[name])
    stored = {k.removeprefix("state/model."): v for k, v in golden.tensors.items() if k.startswith("state/")}
    if stored:
        model.load_state_dict(stored)
    else:
        fill(model, shared, "model.")
    return model.eval()


@pytest.mark.parametrize("name", ["s1_small", "s1_full"])
@torch.no_grad()
def test_the_stored_preference_loss_of_upstream(shared, name):
    """Corrupted by upstream's draws from the padded rows, summed over the padding too."""
    golden = Golden(shared, name)
    model = loaded(golden, shared, name)
    eos = model.config.eos_token
    tokens, lengths = golden["in/semantic_ids"], golden["in/semantic_ids_len"]
    generator = torch.Generator().manual_seed(SEED)
    corrupted = [corrupt_tokens(row, generator) for row in tokens]
    corrupted_lengths = torch.tensor([len(row) for row in corrupted])
    golden.compare("out/dpo.reject_y", pad_sequence(corrupted, batch_first=True))
    golden.compare("out/dpo.reject_y_lens", corrupted_lengths)

    def logits_and_targets(tokens, lengths):
        phonemes = golden["in/phoneme_ids"], golden["in/phoneme_ids_len"]
        hidden = model(*phonemes, tokens, lengths, golden["in/bert_feature"], upstream_padding=True)
        return model.logits(hidden), next_token_targets(tokens, lengths, eos, padding=eos)

    chosen_logits, targets = logits_and_targets(tokens, lengths)
    golden.compare("out/plain.targets", targets)
    golden.compare("out/plain.loss", token_loss(chosen_logits, targets).total)
    chosen = sequence_log_probabilities(chosen_logits, targets)
    rejected_logits, rejected_targets = logits_and_targets(pad_sequence(corrupted, batch_first=True), corrupted_lengths)
    golden.compare("out/dpo.reject_targets", rejected_targets)
    rejected = sequence_log_probabilities(rejected_logits, rejected_targets)
    golden.compare("out/dpo.chosen_logps", chosen)
    golden.compare("out/dpo.reject_logps", rejected)
    term = preference_losses(chosen, rejected).mean()
    golden.compare("out/dpo.loss_dpo_term", term)
    golden.compare("out/dpo.loss", token_loss(chosen_logits, targets).total + term)


@given(st.integers(1, 40), st.integers(0, 2**31))
def test_corrupted_tokens_repeat_or_lose_one_stretch(n, seed):
    tokens = torch.arange(n)
    corrupted = corrupt_tokens(tokens, torch.Generator().manual_seed(seed)).tolist()
    assert corrupted == corrupt_tokens(tokens, torch.Generator().manual_seed(seed)).tolist()
    breaks = [i for i in range(1, len(corrupted)) if corrupted[i] != corrupted[i - 1] + 1]
    assert len(breaks) <= 1
    assert 1 <= len(corrupted) < 2 * n and corrupted[-1] == n - 1
    if len(corrupted) > n:
        assert sorted(set(corrupted)) == list(range(n)) and corrupted[0] == 0
    else:
        assert set(corrupted) <= set(range(n))


def test_a_preference_is_worth_less_the_clearer_it_is():
    losses = preference_losses(torch.tensor([-10.0, -10.0, -10.0]), torch.tensor([-30.0, -10.0, -5.0]))
    assert losses[1].item() == pytest.approx(math.log(2))
    assert losses[0] < losses[1] < losses[2]


def test_padding_is_not_part_of_a_sequences_probability():
    logits = torch.randn(2, 4, 9, generator=torch.Generator().manual_seed(0))
    tokens, lengths = torch.tensor([[1, 2, 3], [4, 0, 0]]), torch.tensor([3, 1])
    both = sequence_log_probabilities(logits, next_token_targets(tokens, lengths, 8))
    alone = sequence_log_probabilities(logits[1:, :2], next_token_targets(tokens[1:, :1], lengths[1:], 8))
    torch.testing.assert_close(both[1:], alone)
    assert both.sum().item() == pytest.approx(-token_loss(logits, next_token_targets(tokens, lengths, 8)).total.item())
