"""The fast decoder on a CPU: weights packed for `gpt.cpu_kernel`, in any precision, and a cache of fixed capacity."""

from __future__ import annotations

import copy
import functools
import threading
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from gpt_sovits.gpt.cpu_kernel import BLOCK, Cache, Layers, Linear, Norm, Rows, Workspace, decode_step
from gpt_sovits.gpt.decoding import PromptBatch
from gpt_sovits.gpt.model import GPT
from gpt_sovits.gpt.plain_decoder import compute_prompt
from gpt_sovits.precision import HAS_BFLOAT16_ARITHMETIC, check_precision

LARGEST_FLOAT16 = 65504.0
# The threads of a step wait for each other: two decodings at a time must not each hold a part of the workers.
SUBMIT_LOCK = threading.Lock()


class CPUDecoder:
    """A `gpt.decoding.Decoder`: the weights of one GPT, packed.

    In float32 nothing is copied: the model's own matrices become views of the packed ones. In other precisions the
    model keeps its own matrices, which compute the prompts or are copied for them in bfloat16.
    """

    def __init__(self, model: GPT, precision: str) -> None:
        check_precision(precision)
        self.model, self.precision = model, precision
        layers = model.h.layers

        def linear(weights: Sequence[nn.Parameter], biases: Sequence[nn.Parameter]) -> Linear:
            return Linear(*_pack(weights, precision), _stack(biases).numpy())

        def norm(norms: Sequence[nn.LayerNorm]) -> Norm:
            return Norm(_stack([n.weight for n in norms]).numpy(), _stack([n.bias for n in norms]).numpy())

        attentions = [layer.self_attn for layer in layers]
        self.layers = Layers(
            qkv=linear([a.in_proj_weight for a in attentions], [a.in_proj_bias for a in attentions]),
            out=linear([a.out_proj.weight for a in attentions], [a.out_proj.bias for a in attentions]),
            up=linear([layer.linear1.weight for layer in layers], [layer.linear1.bias for layer in layers]),
            down=linear([layer.linear2.weight for layer in layers], [layer.linear2.bias for layer in layers]),
            attention_norm=norm([layer.norm1 for layer in layers]),
            feed_forward_norm=norm([layer.norm2 for layer in layers]),
        )
        self.prompt_layers = _in_bfloat16(model) if precision in HAS_BFLOAT16_ARITHMETIC else None
        weight, scale = _pack([model.ar_predict_layer.weight], precision)
        self.predict = Linear(weight[0], scale[0], np.zeros(len(scale[0]), np.float32))
        positions = torch.arange(model.config.max_positions)
        zeros = torch.zeros(len(positions), model.config.hidden_size)
        self.embedding = model.ar_audio_embedding.word_embeddings.weight.detach().float().numpy()
        self.sines = model.ar_audio_position(zeros, positions).detach().numpy()  # alpha * sine, computed once

    def begin(self, prompts: PromptBatch, n_steps: int) -> CPUDecoding:
        """Read the prompts, see `gpt.decoding.Decoder.begin`."""
        return CPUDecoding(self, prompts, n_steps)


class CPUDecoding:
    """A `gpt.decoding.Decoding`. Rows that end stay in the cache and are not read again."""

    def __init__(self, decoder: CPUDecoder, prompts: PromptBatch, n_steps: int) -> None:
        config = decoder.model.config
        batch, n_prompt, hidden = prompts.x.shape
        n_blocks, n_threads = -(-(n_prompt + n_steps) // BLOCK), torch.get_num_threads()
        shape = (config.n_layers, batch, config.n_heads, n_blocks, hidden // config.n_heads, BLOCK)
        self.cache = Cache(np.zeros(shape, np.float32), np.zeros(shape, np.float32))
        use_bfloat16 = decoder.precision in HAS_BFLOAT16_ARITHMETIC
        self.hidden = compute_prompt(
            decoder.model, prompts, self._store, use_bfloat16=use_bfloat16, layers=decoder.prompt_layers
        )
        self.decoder = decoder
        self.rows = Rows(np.arange(batch), (~prompts.is_real).sum(dim=1).numpy())
        self.position = n_prompt  # the column that the next token fills
        self.work = Workspace(
            states=np.empty((n_threads, batch, hidden), np.float32),
            qkv=np.empty((batch, 3 * hidden), np.float32),
            heads=np.empty((batch, hidden), np.float32),
            projected=np.empty((batch, hidden), np.float32),
            inner=np.empty((batch, 4 * hidden), np.float32),
            scores=np.empty((n_threads, n_blocks * BLOCK), np.float32),
            logits=np.empty((batch, config.vocab_size), np.float32),
        )

    def _store(self, layer: int, keys: Tensor, values: Tensor) -> None:
        for cache, new in zip(self.cache, (keys, values), strict=True):
            blocks = F.pad(new, (0, 0, 0, -new.shape[2] % BLOCK)).unflatten(2, (-1, BLOCK))
            torch.from_numpy(cache[layer, :, :, : blocks.shape[2]]).copy_(blocks.mT)

    def step(self, tokens: Tensor, positions: Tensor) -> Tensor:
        """Compute one step on all threads, see `gpt.decoding.Decoding.step`."""
        # in numpy: torch would wake its threads, which then spin for milliseconds where ours have work
        inputs = self.decoder.embedding[tokens.numpy()] + self.decoder.sines[positions.numpy()]
        n_threads = len(self.work.states)
        arguments = (
            self.decoder.layers,
            self.decoder.predict,
            self.cache,
            self.rows,
            self.position,
            inputs,
            self.work,
            np.zeros((n_threads, 8), np.int64),
        )
        with SUBMIT_LOCK:
            others = [_workers(n_threads).submit(decode_step, *arguments, thread) for thread in range(1, n_threads)]
        decode_step(*arguments, 0)
        for other in others:
            other.result()
        self.position += 1
        return torch.from_numpy(self.work.logits)

    def keep_rows(self, rows: Tensor) -> None:
        """Drop the other rows, see `gpt.decoding.Decoding.keep_rows`."""
        kept = rows.numpy()
        self.rows = Rows(self.rows.cache_rows[kept], self.rows.starts[kept])
        self.work = self.work.for_rows(len(kept))


@functools.cache
def _workers(n_threads: int) -> ThreadPoolExecutor:
    return ThreadPoolExecutor(n_threads - 1, thread_name_prefix="gpt-decode")


def _stack(tensors: Sequence[Tensor]) -> Tensor:
    return torch.stack([tensor.detach().float() for tensor in tensors])


def _in_large_pages(tensor: Tensor) -> Tensor:
    """Copy into memory of numpy's, which asks the system for large pages where torch does not.

    Reading a large array is then 1.5 times as fast.
    """
    return torch.from_numpy(tensor.numpy().copy())


def _in_bfloat16(model: GPT) -> nn.ModuleList:
    """Return a copy of the layers with matrices in bfloat16. Otherwise each prompt would convert them all again."""
    layers = copy.deepcopy(model.h.layers)
    for layer in layers:
        attention = layer.self_attn
        for weight in (attention.in_proj_weight, attention.out_proj.weight, layer.linear1.weight, layer.linear2.weight):
            weight.data = weight.data.bfloat16()
    return layers


def _pack(weights: Sequence[nn.Parameter], precision: str) -> tuple[np.ndarray, np.ndarray]:
    """Return weights (L, R, C) as the kernel reads them, and one scale per row, (L, R) float32."""
    stacked = _stack(weights)
    scales = torch.ones(stacked.shape[:2])
    if precision == "float32":
        stacked = _in_large_pages(stacked)
        for weight, view in zip(weights, stacked, strict=True):
            weight.data = view
        return stacked.numpy(), scales.numpy()
    if precision == "bfloat16":
        return _in_large_pages(stacked.bfloat16().view(torch.uint16)).numpy(), scales.numpy()
    if precision == "float16":
        largest = float(stacked.abs().max())
        if largest > LARGEST_FLOAT16:
            raise ValueError(
                f"a weight of the GPT is {largest:g}, above float16's {LARGEST_FLOAT16:g}; choose another precision"
            )
        return _in_large_pages(stacked.half().view(torch.int16)).numpy(), scales.numpy()
    largest = stacked.abs().amax(dim=2)
    scales = torch.where(largest > 0, largest / 127, scales)
    return _in_large_pages((stacked / scales[..., None]).round().to(torch.int8)).numpy(), scales.numpy()
