"""The fast way to decode on a GPU: a cache of fixed room, a mask of its filled part, and one CUDA graph a step.

A step is some 15 small kernels a layer; started one by one from Python they cost more than they compute. Recorded once
and replayed, they cost what they compute. A recording works on fixed memory, so the cache has all its room from the
start; what is not filled yet is masked. (Upstream's graph leaves the mask out: every unused place then takes part in
the softmax.) Without CUDA the same step runs unrecorded, which is how the tests hold it equal to the plain way.
"""

from __future__ import annotations

import weakref
from typing import TYPE_CHECKING

import torch
import torch.nn.functional as F
from torch import Tensor

from gpt_sovits.gpt.decoding import compute_prompt
from gpt_sovits.precision import check_precision

if TYPE_CHECKING:
    from gpt_sovits.gpt.model import GPT, Layer

DTYPES = {"float32": torch.float32, "float16": torch.float16, "bfloat16": torch.bfloat16}
ROOM_BLOCK = 256  # rooms are multiples of it, so that few different graphs are recorded
N_WARM_UPS = 3  # steps before the recording, in which libraries choose and allocate


class GPUDecoder:
    """The weights of one GPT in `precision`, and the recorded steps that are free, by (rows, room).

    Raises ValueError for int8, which saves nothing here: a GPU's matrix units take float16 and bfloat16.
    """

    def __init__(self, model: GPT, precision: str) -> None:
        check_precision(precision)
        if precision not in DTYPES:
            raise ValueError(f"precision {precision!r} is for CPUs; on a GPU take one of {', '.join(DTYPES)}")
        self.model, self.dtype = model, DTYPES[precision]
        self.free: dict[tuple[int, int], list[_Step]] = {}
        names = ("in_proj_weight", "in_proj_bias")
        self.layers = [
            [
                *(getattr(layer.self_attn, name).detach().to(self.dtype) for name in names),
                *(p.detach().to(self.dtype) for p in layer.self_attn.out_proj.parameters()),
                *(p.detach().to(self.dtype) for p in layer.linear1.parameters()),
                *(p.detach().to(self.dtype) for p in layer.linear2.parameters()),
            ]
            for layer in model.h.layers
        ]
        self.predict = model.ar_predict_layer.weight.detach().to(self.dtype)
        device = self.predict.device
        places = torch.arange(model.config.max_positions, device=device)
        zeros = torch.zeros(len(places), model.config.hidden_size, device=device)
        self.positions = model.ar_audio_position(zeros, places).detach()  # alpha * sine, computed once

    def begin(self, x: Tensor, mask: Tensor, is_real: Tensor, n_steps: int) -> GPUDecoding:
        """See `gpt.decoding.Decoding`."""
        return GPUDecoding(self, x, mask, is_real, n_steps)

    def free_steps(self, n_rows: int, room: int) -> list[_Step]:
        """Steps of so many rows and so much room that no decoding uses; each decoding takes one and gives it back."""
        return self.free.setdefault((n_rows, room), [])


class _Step:
    """One step on memory of its own; it serves one decoding at a time.

    keys, values: (L, B, H, room, D/H); visible: (B, room) bool; position: (1,), the column that the next token fills
    """

    def __init__(self, decoder: GPUDecoder, n_rows: int, room: int) -> None:
        config, device = decoder.model.config, decoder.predict.device
        shape = (config.n_layers, n_rows, config.n_heads, room, config.hidden_size // config.n_heads)
        self.decoder = decoder
        self.keys = torch.zeros(shape, dtype=decoder.dtype, device=device)
        self.values = torch.zeros_like(self.keys)
        self.visible = torch.zeros(n_rows, room, dtype=torch.bool, device=device)
        self.position = torch.zeros(1, dtype=torch.int64, device=device)
        self.tokens = torch.zeros(n_rows, dtype=torch.int64, device=device)
        self.places = torch.zeros(n_rows, dtype=torch.int64, device=device)
        self.logits = torch.zeros(n_rows, config.vocab_size, device=device)
        self.graph: torch.cuda.CUDAGraph | None = None

    def run(self) -> None:
        """Reads tokens, places and position; writes keys, values, visible and logits; moves the position on."""
        if self.logits.device.type != "cuda":
            self._compute()
            return
        if self.graph is None:
            self._record()
        self.graph.replay()

    def _record(self) -> None:
        kept = [t.clone() for t in (self.position, self.visible, self.keys, self.values)]
        self.visible[:, 0] = True  # no softmax over nothing
        side = torch.cuda.Stream()
        side.wait_stream(torch.cuda.current_stream())
        with torch.cuda.stream(side):
            for _ in range(N_WARM_UPS):
                self.position.zero_()
                self._compute()
        torch.cuda.current_stream().wait_stream(side)
        self.graph = torch.cuda.CUDAGraph()
        with torch.cuda.graph(self.graph):
            self._compute()
        for tensor, before in zip((self.position, self.visible, self.keys, self.values), kept, strict=True):
            tensor.copy_(before)

    def _compute(self) -> None:
        decoder = self.decoder
        self.visible.index_fill_(1, self.position, True)
        mask = self.visible[:, None, None, :]  # (B, 1, 1, room)
        embedded = decoder.model.ar_audio_embedding(self.tokens)
        x = (embedded + decoder.positions[self.places]).to(decoder.dtype)  # (B, D)
        for i, (layer, weights) in enumerate(zip(decoder.model.h.layers, decoder.layers, strict=True)):
            x = self._layer(x, layer, weights, self.keys[i], self.values[i], mask)
        self.logits.copy_(F.linear(x, decoder.predict).float())
        self.position.add_(1)

    def _layer(
        self, x: Tensor, layer: Layer, weights: list[Tensor], keys: Tensor, values: Tensor, mask: Tensor
    ) -> Tensor:
        """(B, D) -> (B, D), what `gpt.model.Layer` computes for one position more."""
        in_weight, in_bias, out_weight, out_bias, up_weight, up_bias, down_weight, down_bias = weights
        n, hidden = x.shape
        query, key, value = F.linear(x, in_weight, in_bias).view(n, 3, layer.self_attn.n_heads, 1, -1).unbind(1)
        keys.index_copy_(2, self.position, key)
        values.index_copy_(2, self.position, value)
        heads = F.scaled_dot_product_attention(query, keys, values, attn_mask=mask)  # (B, H, 1, D/H)
        x = _normalized(layer.norm1, x + F.linear(heads.reshape(n, hidden), out_weight, out_bias))
        inner = F.linear(F.relu(F.linear(x, up_weight, up_bias)), down_weight, down_bias)
        return _normalized(layer.norm2, x + inner)


class GPUDecoding:
    """See `gpt.decoding.Decoding`. Rows that end stay in the batch: a graph is recorded for a number of rows."""

    def __init__(self, decoder: GPUDecoder, x: Tensor, mask: Tensor, is_real: Tensor, n_steps: int) -> None:
        n_rows, n_prompt, _ = x.shape
        room = -(-(n_prompt + n_steps) // ROOM_BLOCK) * ROOM_BLOCK
        free = decoder.free_steps(n_rows, room)
        self.work = free.pop() if free else _Step(decoder, n_rows, room)
        weakref.finalize(self, free.append, self.work)
        half = decoder.dtype == torch.bfloat16
        self.hidden = compute_prompt(decoder.model, x, mask, self._store, half)
        self.work.visible.zero_()
        self.work.visible[:, :n_prompt] = is_real
        self.work.position.fill_(n_prompt)
        self.rows = torch.arange(n_rows, device=x.device)

    def _store(self, layer: int, keys: Tensor, values: Tensor) -> None:
        self.work.keys[layer, :, :, : keys.shape[2]] = keys
        self.work.values[layer, :, :, : values.shape[2]] = values

    def step(self, tokens: Tensor, positions: Tensor) -> Tensor:
        self.work.tokens[self.rows] = tokens
        self.work.places[self.rows] = positions
        self.work.run()
        return self.work.logits[self.rows]

    def keep_rows(self, rows: Tensor) -> None:
        self.rows = self.rows[rows]


def _normalized(norm: torch.nn.LayerNorm, x: Tensor) -> Tensor:
    """In float32, whatever the weights are stored as."""
    return norm(x.float()).to(x.dtype)
