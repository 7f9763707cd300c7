"""The GPU decoder equals the plain one, with unrecorded steps on a CPU and with a CUDA graph on a GPU."""

import copy
import functools
import threading
from contextlib import contextmanager
from types import SimpleNamespace

import pytest
import torch

from gpt_sovits.gpt.generation import Prompt, generate, prepare_prompts
from gpt_sovits.gpt.gpu_decoder import GPUDecoder
from gpt_sovits.gpt.inference import prepare_for_inference
from gpt_sovits.gpt.model import GPT, GPTConfig
from gpt_sovits.gpt.plain_decoder import PlainDecoding
from gpt_sovits.gpt.sampling import SamplingOptions

TINY = GPTConfig(vocab_size=33, phoneme_vocab_size=20, hidden_size=32, n_heads=4, n_layers=3, bert_dim=8, dropout=0.0)
TOLERANCE = {"float32": 3e-6, "float16": 5e-3, "bfloat16": 5e-2}  # of the largest logit
NEEDS_GPU = pytest.mark.skipif(not torch.cuda.is_available(), reason="no CUDA device here")


@functools.cache
def model():
    torch.manual_seed(0)
    made = GPT(TINY).eval()
    for parameter in made.parameters():  # norms and biases that do something
        parameter.data += 0.05 * torch.randn_like(parameter)
    return made


def prompt(n_phonemes, n_tokens, seed):
    generator = torch.Generator().manual_seed(seed)
    ids = torch.randint(20, (n_phonemes,), generator=generator)
    return Prompt(ids, torch.randint(32, (n_tokens,), generator=generator))


PROMPTS = [prompt(6, 4, 0), prompt(11, 9, 1), prompt(3, 0, 2), prompt(8, 2, 3)]


def largest_error(decoder, prompts, n_steps):
    """Return the largest error of all steps' logits relative to the plain decoder, while rows leave the batch."""
    device = decoder.predict.device
    plain = decoder.model
    batch = prepare_prompts(plain, prompts, device)
    decodings = [PlainDecoding(plain, batch), decoder.begin(batch, n_steps)]
    positions = torch.tensor([len(p.tokens) for p in prompts], device=device)
    generator, errors = torch.Generator().manual_seed(1), []
    for step in range(n_steps):
        if step == 4 and len(positions) > 1:
            kept = torch.arange(len(positions), device=device)[1:]
            positions = positions[kept]
            for decoding in decodings:
                decoding.keep_rows(kept)
        tokens = torch.randint(32, (len(positions),), generator=generator).to(device)
        expected, actual = (decoding.step(tokens, positions + step) for decoding in decodings)
        errors.append(float((actual - expected).abs().max() / expected.abs().max()))
    return max(errors)


@torch.inference_mode()
@pytest.mark.parametrize("precision", TOLERANCE)
@pytest.mark.parametrize("prompts", [PROMPTS[:1], PROMPTS], ids=["alone", "four"])
def test_steps_equal_the_plain_ones_while_most_of_the_cache_is_empty(precision, prompts):
    assert largest_error(GPUDecoder(model(), precision), prompts, 12) < TOLERANCE[precision]


@torch.inference_mode()
def test_two_decodings_at_a_time_do_not_share_memory():
    decoder = GPUDecoder(model(), "float32")
    batch = prepare_prompts(model(), PROMPTS[:1], torch.device("cpu"))
    first = decoder.begin(batch, 5)
    alone = [first.step(torch.tensor([token]), torch.tensor([4 + token])).clone() for token in range(3)]
    del first
    first, second = decoder.begin(batch, 5), decoder.begin(batch, 5)
    for token in range(3):
        second.step(torch.tensor([9]), torch.tensor([4 + token]))
        assert first.step(torch.tensor([token]), torch.tensor([4 + token])).equal(alone[token])


def test_int8_is_refused():
    with pytest.raises(ValueError, match="'int8' is for CPUs"):
        GPUDecoder(model(), "int8")


class Cuda:
    """Stands for torch.cuda: streams do nothing, and a graph computes the step of a decoding where it was recorded.

    `n_failures` recordings fail at their end, and so does each in a mode in which other threads may not allocate.
    """

    def __init__(self, n_failures: int) -> None:
        self.n_failures, self.n_recorded, self.stream_now, self.decoding = n_failures, 0, "first", None

    def current_stream(self) -> SimpleNamespace:
        return SimpleNamespace(name=self.stream_now, wait_stream=lambda _: None)

    def Stream(self) -> SimpleNamespace:  # noqa: N802 - as in torch
        return SimpleNamespace(name="side", wait_stream=lambda _: None)

    def CUDAGraph(self) -> SimpleNamespace:  # noqa: N802 - as in torch
        def replay() -> None:
            if not graph.is_recorded:
                raise RuntimeError("replay without a preceding successful capture")
            self.decoding.work._compute()

        graph = SimpleNamespace(is_recorded=False, replay=replay)
        return graph

    @contextmanager
    def stream(self, stream: SimpleNamespace):
        before, self.stream_now = self.stream_now, stream.name
        try:
            yield
        finally:
            self.stream_now = before

    @contextmanager
    def graph(self, graph: SimpleNamespace, capture_error_mode: str = "global"):
        before, self.stream_now = self.stream_now, "of the recording"
        yield
        self.n_failures -= 1
        if self.n_failures >= 0 or capture_error_mode == "global":
            raise RuntimeError("capture invalidated")  # and the stream stays, as in torch 2.11
        self.stream_now, graph.is_recorded, self.n_recorded = before, True, self.n_recorded + 1


@torch.inference_mode()
@pytest.mark.parametrize("is_same", [True, False], ids=["the same decoding", "another one"])
def test_a_recording_that_failed_is_made_again(monkeypatch, is_same):
    cuda, batch = Cuda(n_failures=1), prepare_prompts(model(), PROMPTS[:1], torch.device("cpu"))
    decoder, unrecorded = GPUDecoder(model(), "float32"), GPUDecoder(model(), "float32").begin(batch, 5)
    decoder.is_recorded = True
    for name in ("current_stream", "Stream", "CUDAGraph", "stream", "graph"):
        monkeypatch.setattr(torch.cuda, name, getattr(cuda, name))
    cuda.decoding = decoder.begin(batch, 5)
    with pytest.raises(RuntimeError, match="capture invalidated"):
        cuda.decoding.step(torch.tensor([0]), torch.tensor([4]))
    if not is_same:
        cuda.decoding = None  # gives its step back
        cuda.decoding = decoder.begin(batch, 5)
    for token in range(3):
        tokens, positions = torch.tensor([token]), torch.tensor([4 + token])
        assert cuda.decoding.step(tokens, positions).equal(unrecorded.step(tokens, positions))
    assert (cuda.n_recorded, cuda.stream_now) == (1, "first")


@pytest.mark.gpu
@NEEDS_GPU
@torch.inference_mode()
def test_another_thread_may_allocate_while_a_graph_is_recorded():
    is_over, faults, kept = threading.Event(), [], []

    def allocate() -> None:
        try:
            while not is_over.wait(0.005) and len(kept) < 100:
                kept.append(torch.empty(1 << 25, dtype=torch.uint8, device="cuda"))  # too large for a block in store
        except RuntimeError as error:
            faults.append(error)

    thread = threading.Thread(target=allocate)
    thread.start()
    try:
        on_gpu = copy.deepcopy(model()).cuda()
        for _ in range(10):
            assert largest_error(GPUDecoder(on_gpu, "float32"), PROMPTS, 12) < TOLERANCE["float32"]
    finally:
        is_over.set()
        thread.join()
    assert not faults


@pytest.mark.gpu
@NEEDS_GPU
@torch.inference_mode()
@pytest.mark.parametrize("precision", TOLERANCE)
def test_the_recorded_graph_equals_the_plain_steps(precision):
    on_gpu = copy.deepcopy(model()).cuda()
    assert largest_error(GPUDecoder(on_gpu, precision), PROMPTS, 12) < TOLERANCE[precision]


@pytest.mark.gpu
@NEEDS_GPU
def test_generation_on_a_gpu_draws_the_tokens_of_the_cpu():
    on_gpu = prepare_for_inference(copy.deepcopy(model()).cuda(), "float32")
    options = SamplingOptions(top_k=5)
    expected = generate(model(), PROMPTS, [1, 2, 3, 4], options, max_tokens=60)
    actual = generate(on_gpu, PROMPTS, [1, 2, 3, 4], options, max_tokens=60)
    assert [one.tokens.tolist() for one in actual] == [one.tokens.tolist() for one in expected]
