"""Our GPT against vectors of upstream's code: training, cached steps, generation of one utterance and of batches."""

from __future__ import annotations

import copy
import functools
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
import torch
import torch.nn.functional as F
from gpt_helpers import replaced_eos_row
from sovits_golden import Golden, fill, unused_outputs
from torch import Tensor

from gpt_sovits.gpt.generation import Prompt, generate, prepare_prompts
from gpt_sovits.gpt.inference import begin_decoding, prepare_for_inference
from gpt_sovits.gpt.loss import IGNORED_TARGET, token_loss
from gpt_sovits.gpt.model import GPT, GPTConfig, sine_table
from gpt_sovits.gpt.sampling import SamplingOptions, penalize_repetition

GREEDY = SamplingOptions(top_k=1)
CONFIGS = {"s1_small": GPTConfig(hidden_size=64, n_heads=4, n_layers=2), "s1_full": GPTConfig()}
EOS = 1024
N_FORBIDDEN = 11  # steps before which upstream's logits lack the column of EOS


class Case:
    """A golden file, the network with its weights and the prompts."""

    def __init__(self, shared: Path, name: str) -> None:
        self.golden = Golden(shared, name)
        with torch.device("meta"):
            self.model = GPT(CONFIGS[name])
        state = {k.removeprefix("state/model."): v for k, v in self.golden.tensors.items() if k.startswith("state/")}
        if state:
            self.model.load_state_dict(state, assign=True)
        else:
            fill(self.model, shared, "model.")
        self.model.eval()

    @property
    def prompt(self) -> Prompt:
        g = self.golden
        return Prompt(g["in/infer.phones"][0], g["in/infer.prompt"][0], g["in/infer.bert"][0])

    @property
    def prompt_without_tokens(self) -> Prompt:
        return Prompt(self.prompt.phoneme_ids, torch.zeros(0, dtype=torch.int64), self.prompt.bert_features)

    @property
    def batch(self) -> list[Prompt]:
        first = self.prompt
        phonemes = [self.golden[f"in/batch.phones.{i}"] for i in range(3)]
        return [
            Prompt(phonemes[0], first.tokens, first.bert_features),
            *(Prompt(p, first.tokens) for p in phonemes[1:]),
        ]

    def tokens(self, prompts: list[Prompt], n: int) -> list[Tensor]:
        return [g.tokens for g in generate(self.model, prompts, [0] * len(prompts), GREEDY, max_tokens=n)]


@functools.cache
def case_of(shared: Path, name: str) -> Case:
    return Case(shared, name)


@functools.cache
def compiled_case_of(shared: Path, name: str) -> Case:
    compiled = copy.copy(case_of(shared, name))
    compiled.model = prepare_for_inference(copy.deepcopy(compiled.model), "float32")
    return compiled


DECODERS = {"plain": case_of, "compiled": compiled_case_of}  # both must give the same numbers


@pytest.fixture(params=CONFIGS)
def case(shared: Path, request: pytest.FixtureRequest) -> Case:
    return case_of(shared, request.param)


@pytest.fixture(params=DECODERS)
def decoder(request: pytest.FixtureRequest) -> Callable[[Path, str], Case]:
    return DECODERS[request.param]


@pytest.fixture(params=CONFIGS)
def decoding_case(shared: Path, request: pytest.FixtureRequest, decoder: Callable[[Path, str], Case]) -> Case:
    return decoder(shared, request.param)


@pytest.fixture
def small(shared: Path, decoder: Callable[[Path, str], Case]) -> Case:
    return decoder(shared, "s1_small")


@pytest.fixture(scope="module", autouse=True)
def _every_output_is_used(request: pytest.FixtureRequest) -> Iterator[None]:
    """Check after the last test that every stored output was used, except those of the preference loss (DPO)."""
    yield
    unused = unused_outputs(request.config)
    assert not [entry for entry in unused if entry.startswith("s1_") and " out/dpo." not in entry]


def test_sine_table(case: Case) -> None:
    expected = case.golden["out/pe.audio"]
    rows = torch.tensor([0, 1, 2, 100, 1999, 3999])
    # a unit in the last place of a frequency, which differs between the CPUs that made this and the stored table
    one_unit = rows[:, None] * 2.0**-24
    assert ((sine_table(rows, expected.shape[-1]) - expected).abs() <= case.golden.tolerance + one_unit).all()


# ---- training --------------------------------------------------------------------------------------------------


def training_forward(case: Case, *, upstream_padding: bool) -> Tensor:
    g = case.golden
    lengths = g["in/phoneme_ids_len"], g["in/semantic_ids_len"]
    arguments = (g["in/phoneme_ids"], lengths[0], g["in/semantic_ids"], lengths[1], g["in/bert_feature"])
    return case.model(*arguments, upstream_padding=upstream_padding)


def test_training_with_upstreams_padding(case: Case) -> None:
    golden, model = case.golden, case.model
    inputs: list[Tensor] = []
    hook = model.h.layers[0].register_forward_pre_hook(lambda _, arguments: inputs.extend(arguments[:2]))
    hidden = training_forward(case, upstream_padding=True)
    hook.remove()
    embedded, visible = inputs
    golden.compare("out/plain.xy_pos", embedded)
    golden.compare("out/plain.attn_mask_head0", (~visible[:, 0]).to(torch.uint8))
    golden.compare("out/plain.hidden", hidden)
    logits, targets = model.logits(hidden), golden["out/plain.targets"]
    golden.compare("out/plain.logits", logits[:, :4])
    # upstream sums over every position, padding too, and counts its top three where the target is not EOS
    loss = F.cross_entropy(logits.flatten(0, 1), targets.flatten(), reduction="sum")
    golden.compare("out/plain.loss", loss)
    without_eos = token_loss(logits, targets.masked_fill(targets == EOS, IGNORED_TARGET))
    golden.compare("out/plain.top3_acc", without_eos.n_top3 / without_eos.n_tokens)
    model.zero_grad()
    loss.backward()
    golden.compare("out/plain.grad_norms", torch.stack([p.grad.norm() for p in model.parameters()]))
    model.zero_grad()


@torch.no_grad()
def test_correct_padding_equals_the_reference_where_nothing_is_padded(case: Case) -> None:
    golden = case.golden
    correct = training_forward(case, upstream_padding=False)
    longest = int(golden["in/phoneme_ids_len"].argmax())
    n = int(golden["in/semantic_ids_len"][longest]) + 1
    expected = golden["out/plain.hidden"][longest, :n]
    assert (correct[longest, :n] - expected).abs().max() <= golden.tolerance * expected.abs().max()


# ---- cached steps ----------------------------------------------------------------------------------------------


@torch.inference_mode()
def step_logits(model: GPT, prompts: list[Prompt], fed: Tensor) -> list[Tensor]:
    """Return raw logits (B, V) after the prompts and after each of the tokens fed, (B, n)."""
    decoding = begin_decoding(model, prepare_prompts(model, prompts, torch.device("cpu")), fed.shape[1])
    n_prompt = torch.tensor([len(p.tokens) for p in prompts])
    logits = [model.logits(decoding.hidden)]
    for step in range(fed.shape[1]):
        logits.append(decoding.step(fed[:, step], n_prompt + step).clone())  # the next step may overwrite them
    return logits


def compare_steps(golden: Golden, name: str, logits: list[Tensor]) -> None:
    """Compare every stored step out/NAME.logits.NN, which lacks the column of EOS while EOS is forbidden."""
    steps = sorted(int(key[-2:]) for key in golden.tensors if key.startswith(f"out/{name}.logits."))
    assert steps
    for step in steps:
        width = EOS if step < N_FORBIDDEN else EOS + 1
        golden.compare(f"out/{name}.logits.{step:02d}", logits[step][:, :width])


def test_cached_steps(decoding_case: Case) -> None:
    golden, prompt = decoding_case.golden, decoding_case.prompt
    fed = golden["out/greedy.tokens"].long()
    logits = step_logits(decoding_case.model, [prompt], fed[:, :11])
    compare_steps(golden, "greedy", logits)
    seen = torch.zeros(1, EOS + 1, dtype=torch.bool)
    seen[0, torch.cat((prompt.tokens, fed[0, :3]))] = True
    penalized = penalize_repetition(logits[3], seen, SamplingOptions().repetition_penalty)
    golden.compare("out/greedy.penalised.03", penalized[:, :EOS])


def test_cached_steps_without_prompt_tokens(decoding_case: Case) -> None:
    none = torch.zeros(1, 0, dtype=torch.int64)
    compare_steps(
        decoding_case.golden, "ref_free", step_logits(decoding_case.model, [decoding_case.prompt_without_tokens], none)
    )


def test_cached_steps_of_a_batch_of_unequal_prompts(small: Case) -> None:
    n_prompt = len(small.prompt.tokens)
    fed = torch.stack([small.golden[f"out/batch.y.{i}"][n_prompt : n_prompt + 5] for i in range(3)])
    compare_steps(small.golden, "batch", step_logits(small.model, small.batch, fed))


# ---- generation ------------------------------------------------------------------------------------------------


def test_greedy_tokens(decoding_case: Case) -> None:
    golden = decoding_case.golden
    expected = golden["out/greedy.tokens"][0].long()
    # Where its limit ends the tokens, upstream counts one less than it drew and its callers lose the first token.
    assert len(expected) == int(golden["out/greedy.idx"]) + 1
    (tokens,) = decoding_case.tokens([decoding_case.prompt], len(expected))
    assert tokens.equal(expected)
    assert torch.cat((decoding_case.prompt.tokens, tokens)).equal(golden["out/greedy.y"][0])


def test_tokens_without_prompt_tokens(decoding_case: Case) -> None:
    expected = decoding_case.golden["out/ref_free.y"][0]
    assert int(decoding_case.golden["out/ref_free.idx"]) == 0  # upstream's count fails here
    (tokens,) = decoding_case.tokens([decoding_case.prompt_without_tokens], len(expected))
    assert tokens.equal(expected)


@pytest.mark.parametrize("name", ["later", "first11"])
def test_end_of_speech(decoding_case: Case, name: str) -> None:
    """EOS, made likely by its row of the prediction layer, ends the utterance and is not returned."""
    golden, prompt = decoding_case.golden, decoding_case.prompt
    with replaced_eos_row(decoding_case.model, golden[f"in/eos.{name}.predict_row_1024"]):
        (best,) = generate(decoding_case.model, [prompt], [0], GREEDY)
        (sampled,) = generate(decoding_case.model, [prompt], [5], SamplingOptions())
    assert best.reached_eos and sampled.reached_eos
    assert len(best.tokens) == int(golden[f"out/eos.{name}.idx"]) == golden.entry["eos_cases"][name]["stop_idx"]
    assert torch.cat((prompt.tokens, best.tokens)).equal(golden[f"out/eos.{name}.y"][0])
    drawn = golden[f"out/eos.{name}.sampled_seed5.tokens"][0].long()
    assert sampled.tokens.equal(drawn[:-1])  # the last token is dropped, whether it is EOS or not
    assert (int(drawn[-1]) != EOS) == golden.entry["stopped_by_argmax_only"][name]
    assert torch.cat((prompt.tokens, sampled.tokens)).equal(golden[f"out/eos.{name}.sampled_seed5.y"][0])


def test_batch(small: Case) -> None:
    prompts, counts = small.batch, small.golden["out/batch.idx"].tolist()
    assert counts == [25, 25, 25]
    for i, (prompt, tokens) in enumerate(zip(prompts, small.tokens(prompts, 25), strict=True)):
        assert torch.cat((prompt.tokens, tokens)).equal(small.golden[f"out/batch.y.{i}"])


def test_batch_whose_items_end_at_different_steps(small: Case) -> None:
    golden, prompts = small.golden, small.batch
    counts = golden["out/batch_eos.idx"].tolist()
    with replaced_eos_row(small.model, golden["in/batch_eos.predict_row_1024"]):
        results = small.tokens(prompts, max(counts))
    assert [len(tokens) for tokens in results] == counts == [40, 12, 40]
    for i, (prompt, tokens) in enumerate(zip(prompts, results, strict=True)):
        assert torch.cat((prompt.tokens, tokens)).equal(golden[f"out/batch_eos.y.{i}"])
