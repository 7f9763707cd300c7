"""The fast way to decode on a CPU: weights packed for `gpt.cpu_kernel`, in any precision, and a cache of fixed room."""

from __future__ import annotations

import functools
import threading
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from gpt_sovits.gpt.cpu_kernel import BLOCK, decode_step
from gpt_sovits.gpt.decoding import compute_prompt
from gpt_sovits.precision import HAS_BFLOAT16_ARITHMETIC, check_precision

if TYPE_CHECKING:
    from gpt_sovits.gpt.model import GPT

LARGEST_FLOAT16 = 65504.0
# The threads of a step wait for each other: two decodings at a time must not each hold a part of the workers.
SUBMITTING = threading.Lock()


class CPUDecoder:
    """The weights of one GPT, packed. They are read only, so any number of decodings may run at a time.

    In float32 nothing is copied: the model's own matrices become views of the packed ones. In other precisions the
    model keeps its own for the prompts.
    """

    def __init__(self, model: GPT, precision: str) -> None:
        check_precision(precision)
        self.model, self.precision = model, precision
        layers = model.h.layers
        matrices: list[list[tuple[nn.Parameter, nn.Parameter]]] = [
            [(layer.self_attn.in_proj_weight, layer.self_attn.in_proj_bias) for layer in layers],
            [(layer.self_attn.out_proj.weight, layer.self_attn.out_proj.bias) for layer in layers],
            [(layer.linear1.weight, layer.linear1.bias) for layer in layers],
            [(layer.linear2.weight, layer.linear2.bias) for layer in layers],
        ]
        self.layers: tuple[np.ndarray, ...] = ()
        for pairs in matrices:
            weights, biases = zip(*pairs, strict=True)
            self.layers += (*_pack(weights, precision), _stack(biases).numpy())
        for norms in ([layer.norm1 for layer in layers], [layer.norm2 for layer in layers]):
            self.layers += (_stack([n.weight for n in norms]).numpy(), _stack([n.bias for n in norms]).numpy())
        weight, scale = _pack([model.ar_predict_layer.weight], precision)
        self.predict = weight[0], scale[0], np.zeros(len(scale[0]), np.float32)
        places = torch.arange(model.config.max_positions)
        zeros = torch.zeros(len(places), model.config.hidden_size)
        self.embedding = model.ar_audio_embedding.word_embeddings.weight.detach().float()
        self.positions = model.ar_audio_position(zeros, places).detach()  # alpha * sine, computed once

    def begin(self, x: Tensor, mask: Tensor, is_real: Tensor, n_steps: int) -> CPUDecoding:
        """See `gpt.decoding.Decoding`."""
        return CPUDecoding(self, x, mask, is_real, n_steps)


class CPUDecoding:
    """See `gpt.decoding.Decoding`. Rows that end stay where they are in the cache and are not looked at again."""

    def __init__(self, decoder: CPUDecoder, x: Tensor, mask: Tensor, is_real: Tensor, n_steps: int) -> None:
        config = decoder.model.config
        batch, n_prompt, hidden = x.shape
        n_blocks, n_threads = -(-(n_prompt + n_steps) // BLOCK), torch.get_num_threads()
        shape = (config.n_layers, batch, config.n_heads, n_blocks, hidden // config.n_heads, BLOCK)
        self.keys, self.values = (np.zeros(shape, np.float32) for _ in range(2))
        bfloat16 = decoder.precision in HAS_BFLOAT16_ARITHMETIC
        self.hidden = compute_prompt(decoder.model, x, mask, self._store, bfloat16)
        self.decoder = decoder
        self.rows = np.arange(batch)
        self.starts = (~is_real).sum(dim=1).numpy()
        self.position = n_prompt  # the column that the next token fills
        widths = (3 * hidden, hidden, hidden, 4 * hidden, config.vocab_size)
        self.buffers = [np.empty((batch, width), np.float32) for width in widths]
        self.states = np.empty((n_threads, batch, hidden), np.float32)
        self.scores = np.empty((n_threads, n_blocks * BLOCK), np.float32)

    def _store(self, layer: int, keys: Tensor, values: Tensor) -> None:
        for cache, new in ((self.keys, keys), (self.values, values)):
            blocks = F.pad(new, (0, 0, 0, -new.shape[2] % BLOCK)).unflatten(2, (-1, BLOCK))
            torch.from_numpy(cache[layer, :, :, : blocks.shape[2]]).copy_(blocks.mT)

    def step(self, tokens: Tensor, positions: Tensor) -> Tensor:
        # embedding[tokens] would wake torch's threads, which then spin for milliseconds where ours have work
        inputs = self.decoder.embedding.index_select(0, tokens) + self.decoder.positions.index_select(0, positions)
        inputs = inputs.numpy()
        n, n_threads = len(inputs), len(self.states)
        *buffers, logits = (buffer[:n] for buffer in self.buffers)
        counters = np.zeros((n_threads, 8), np.int64)
        arguments = (
            self.decoder.layers,
            self.decoder.predict,
            self.keys,
            self.values,
            self.rows,
            self.starts,
            self.position,
            inputs,
            (self.states[:, :n], *buffers, self.scores),
            logits,
            counters,
        )
        with SUBMITTING:
            others = [_workers(n_threads).submit(decode_step, *arguments, thread) for thread in range(1, n_threads)]
        decode_step(*arguments, 0)
        for other in others:
            other.result()
        self.position += 1
        return torch.from_numpy(logits)

    def keep_rows(self, rows: Tensor) -> None:
        kept = rows.numpy()
        self.rows, self.starts = self.rows[kept], self.starts[kept]


@functools.cache
def _workers(n_threads: int) -> ThreadPoolExecutor:
    return ThreadPoolExecutor(n_threads - 1, thread_name_prefix="gpt-decode")


def _stack(tensors: Sequence[Tensor]) -> Tensor:
    return torch.stack([tensor.detach().float() for tensor in tensors])


def _in_large_pages(tensor: Tensor) -> Tensor:
    """A copy in memory of numpy's, which asks the system for large pages where torch does not: reading a large
    array is then half as fast again."""
    return torch.from_numpy(tensor.numpy().copy())


def _pack(weights: Sequence[nn.Parameter], precision: str) -> tuple[np.ndarray, np.ndarray]:
    """(L, R, C) as the kernel reads it, and one scale a row (L, R) float32."""
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
                f"a weight of the GPT is {largest:g}, above float16's {LARGEST_FLOAT16:g}; take another precision"
            )
        return _in_large_pages(stacked.half().view(torch.int16)).numpy(), scales.numpy()
    largest = stacked.abs().amax(dim=2)
    scales = torch.where(largest > 0, largest / 127, scales)
    return _in_large_pages((stacked / scales[..., None]).round().to(torch.int8)).numpy(), scales.numpy()
