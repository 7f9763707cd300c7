"""Generation of semantic tokens with the GPT, for a batch of utterances at once or for one as a stream."""

import dataclasses
from collections.abc import Generator, Sequence

import torch
import torch.nn.functional as F
from torch import Tensor

from gpt_sovits.gpt.decoding import PromptBatch
from gpt_sovits.gpt.inference import begin_decoding
from gpt_sovits.gpt.model import GPT, prefix_mask
from gpt_sovits.gpt.sampling import SamplingOptions, draw, penalize_repetition, token_probabilities, utterance_generator
from gpt_sovits.pausing import pause_point

MIN_TOKENS = 11  # 0.44 s; before that EOS cannot be drawn (upstream's constant)
MAX_TOKENS = 1500  # 60 s; upstream's limit, for an utterance in which EOS is never drawn

Steps = Generator[list[tuple[int, int]], None, list[bool]]


@dataclasses.dataclass(frozen=True)
class Prompt:
    """What one utterance starts from."""

    phoneme_ids: Tensor  # (X,) int64, those of the reference's text and then those of the text to speak
    tokens: Tensor  # (P,) int64, semantic tokens of the reference audio; empty for none
    bert_features: Tensor | None = None  # (bert_dim, X) float, or None for a language without them


@dataclasses.dataclass(frozen=True)
class GeneratedTokens:
    """What the GPT said after one prompt."""

    tokens: Tensor  # (n,) int64 on the CPU, the new ones only, without EOS
    reached_eos: bool  # False where max_tokens ended the utterance


def generate(
    model: GPT,
    prompts: Sequence[Prompt],
    seeds: Sequence[int],
    options: SamplingOptions | None = None,
    min_tokens: int = MIN_TOKENS,
    max_tokens: int = MAX_TOKENS,
) -> list[GeneratedTokens]:
    """Continue each prompt until its EOS.

    An utterance ends when EOS is drawn, or when EOS is the best token after the repetition penalty, whatever was drawn.
    Utterance i draws from its own generator, seeded with seeds[i], so its tokens do not depend on its batch (up to the
    rounding of batched matrix products, about 1e-6 of a logit, which matters only where two tokens are that close).

    Args:
        model: The GPT. During the call it is in evaluation mode.
        prompts: One per utterance.
        seeds: One per utterance.
        options: How tokens are drawn. None means the defaults of `SamplingOptions`.
        min_tokens: EOS is impossible among the first `min_tokens`.
        max_tokens: Most tokens per utterance.

    Returns:
        The new tokens of each utterance.

    Raises:
        ValueError: For an empty text, ids outside the tables, limits that make no sense, or broken weights.
    """
    _check(model, prompts, seeds, min_tokens, max_tokens)
    if not prompts:
        return []
    tokens: list[list[int]] = [[] for _ in prompts]
    steps = _steps(model, prompts, seeds, options or SamplingOptions(), min_tokens, max_tokens)
    while True:
        try:
            for row, token in next(steps):
                tokens[row].append(token)
        except StopIteration as end:
            return [
                GeneratedTokens(torch.tensor(t, dtype=torch.int64), e) for t, e in zip(tokens, end.value, strict=True)
            ]


def stream_tokens(
    model: GPT,
    prompt: Prompt,
    seed: int,
    options: SamplingOptions | None = None,
    min_tokens: int = MIN_TOKENS,
    max_tokens: int = MAX_TOKENS,
) -> Generator[int, None, bool]:
    """Yield each token of one utterance as soon as it is drawn: those of `generate` for the same arguments.

    The generator may be closed at any time. While it is open, the model is in evaluation mode.

    Args:
        model: The GPT.
        prompt: What the utterance starts from.
        seed: Seed of its draws.
        options: How tokens are drawn. None means the defaults of `SamplingOptions`.
        min_tokens: EOS is impossible among the first `min_tokens`.
        max_tokens: Most tokens.

    Returns:
        A generator of token ids, whose return value (StopIteration.value) is `reached_eos`.

    Raises:
        ValueError: As `generate` does. Wrong arguments are refused at the call, not at the first token.
    """
    _check(model, [prompt], [seed], min_tokens, max_tokens)
    return _stream_row(_steps(model, [prompt], [seed], options or SamplingOptions(), min_tokens, max_tokens))


def _stream_row(steps: Steps) -> Generator[int, None, bool]:
    while True:
        try:
            for _, token in next(steps):
                yield token
        except StopIteration as end:
            return end.value[0]


@torch.inference_mode()  # around each step and not around what the consumer does between two
def _steps(
    model: GPT,
    prompts: Sequence[Prompt],
    seeds: Sequence[int],
    options: SamplingOptions,
    min_tokens: int,
    max_tokens: int,
) -> Steps:
    """Yield each step's (utterance, token) pairs, without EOS. Return which utterances reached EOS."""
    was_training = model.training
    model.eval()
    try:
        return (yield from _decode(model, prompts, seeds, options, min_tokens, max_tokens))
    finally:
        model.train(was_training)


def _decode(
    model: GPT,
    prompts: Sequence[Prompt],
    seeds: Sequence[int],
    options: SamplingOptions,
    min_tokens: int,
    max_tokens: int,
) -> Steps:
    # 1. Read the prompts.
    eos, device = model.config.eos_token, model.bert_proj.weight.device
    decoding = begin_decoding(model, prepare_prompts(model, prompts, device), max_tokens)
    _check_finite(decoding.hidden)
    logits = model.logits(decoding.hidden)  # (B, V)
    generators = [utterance_generator(seed) for seed in seeds]
    seen = torch.zeros(len(prompts), model.config.vocab_size, dtype=torch.bool, device=device)
    for i, prompt in enumerate(prompts):
        seen[i, prompt.tokens.to(device)] = True
    n_prompt = torch.tensor([len(p.tokens) for p in prompts], device=device)
    rows = list(range(len(prompts)))  # which utterance each row of the batch still is
    finished = [False] * len(prompts)

    for step in range(max_tokens):
        # 2. Draw each row's next token.
        width = eos if step < min_tokens else eos + 1  # EOS is the last column: leaving it out forbids it
        penalized = penalize_repetition(logits[:, :width], seen[:, :width], options.repetition_penalty)
        drawn = draw(token_probabilities(penalized, options), generators)
        # 3. Hand out the tokens of the rows that go on.
        ended = ((drawn == eos) | (penalized.argmax(dim=-1) == eos)).tolist()
        new = []
        for row, token, end in zip(rows, drawn.tolist(), ended, strict=True):
            finished[row] = end
            if not end:
                new.append((row, token))
        yield new
        pause_point()
        # 4. Drop the rows that ended.
        if any(ended):
            going_on = [i for i, end in enumerate(ended) if not end]
            if not going_on:
                break
            kept = torch.tensor(going_on, device=device)
            rows, generators = [rows[i] for i in going_on], [generators[i] for i in going_on]
            drawn, seen, n_prompt = drawn[kept], seen[kept], n_prompt[kept]
            decoding.keep_rows(kept)
        # 5. Read the new tokens.
        if step + 1 == max_tokens:
            break
        seen.scatter_(1, drawn[:, None], True)
        logits = decoding.step(drawn, n_prompt + step)
    return finished


def prepare_prompts(model: GPT, prompts: Sequence[Prompt], device: torch.device) -> PromptBatch:
    """Embed the prompts and pad them on the left, so that all of them end where generation begins."""
    embedded, lengths = [], []
    for prompt in prompts:
        bert = None if prompt.bert_features is None else prompt.bert_features.to(device)[None]
        x = model.embed_phonemes(prompt.phoneme_ids.to(device)[None], bert)
        embedded.append(torch.cat((x, model.embed_tokens(prompt.tokens.to(device)[None])), dim=1)[0])
        lengths.append((len(prompt.phoneme_ids), len(prompt.tokens)))
    longest = max(sum(length) for length in lengths)
    batch = torch.stack([F.pad(x, (0, 0, longest - len(x), 0)) for x in embedded])
    columns = torch.arange(longest, device=device)
    n_padding = torch.tensor([longest - sum(length) for length in lengths], device=device)
    n_before_tokens = torch.tensor([longest - n_tokens for _, n_tokens in lengths], device=device)
    is_real = columns >= n_padding[:, None]
    is_token = columns >= n_before_tokens[:, None]
    return PromptBatch(batch, prefix_mask(is_token, is_real), is_real)


def _check(model: GPT, prompts: Sequence[Prompt], seeds: Sequence[int], min_tokens: int, max_tokens: int) -> None:
    config = model.config
    if len(seeds) != len(prompts):
        raise ValueError(f"got {len(seeds)} seeds for {len(prompts)} prompts; pass one seed per prompt")
    if not 0 <= min_tokens <= max_tokens or max_tokens < 1:
        raise ValueError(f"min_tokens ({min_tokens}) must be in [0, max_tokens], max_tokens ({max_tokens}) at least 1")
    for i, prompt in enumerate(prompts):
        if prompt.phoneme_ids.ndim != 1 or len(prompt.phoneme_ids) == 0:
            raise ValueError(f"prompt {i}: phoneme_ids must be a non-empty (X,) tensor, not {prompt.phoneme_ids.shape}")
        _check_ids(f"prompt {i}: phoneme_ids", prompt.phoneme_ids, config.phoneme_vocab_size)
        _check_ids(f"prompt {i}: tokens", prompt.tokens, config.eos_token)
        if prompt.bert_features is not None and prompt.bert_features.shape != (
            config.bert_dim,
            len(prompt.phoneme_ids),
        ):
            raise ValueError(
                f"prompt {i}: bert_features must be {(config.bert_dim, len(prompt.phoneme_ids))}, "
                f"not {tuple(prompt.bert_features.shape)}"
            )
        if len(prompt.tokens) + max_tokens > config.max_positions:
            raise ValueError(
                f"prompt {i}: {len(prompt.tokens)} prompt tokens and {max_tokens} new ones exceed max_positions = "
                f"{config.max_positions}; lower max_tokens or shorten the prompt"
            )


def _check_finite(hidden: Tensor) -> None:
    if not torch.isfinite(hidden).all():
        raise ValueError(
            "the GPT computes NaN or infinite values for this prompt, so its weights are broken; load another "
            "checkpoint"
        )


def _check_ids(what: str, ids: Tensor, limit: int) -> None:
    if ids.numel() and not 0 <= int(ids.min()) <= int(ids.max()) < limit:
        raise ValueError(f"{what} must be in [0, {limit}), not {int(ids.min())}..{int(ids.max())}")
