"""The fast decoder on a GPU: a cache of fixed capacity, a mask of its filled part, and one CUDA graph per step.

A step is some 15 small kernels per layer. Started one by one from Python they cost more than they compute. Recorded
once and replayed, they cost what they compute. A recording works on fixed memory, so the cache has its full capacity
from the start, and what is not filled yet is masked. (Upstream's graph leaves the mask out, so every unused position
takes part in the softmax.) Without CUDA the same step runs unrecorded, so that tests can compare it with the plain
decoder.
"""

from __future__ import annotations

import weakref

import torch
import torch.nn.functional as F
from torch import Tensor

from gpt_sovits.gpt.decoding import PromptBatch
from gpt_sovits.gpt.model import GPT, Layer
from gpt_sovits.gpt.plain_decoder import compute_prompt
from gpt_sovits.precision import check_precision

DTYPES = {"float32": torch.float32, "float16": torch.float16, "bfloat16": torch.bfloat16}
CAPACITY_BLOCK = 256  # capacities are multiples of it, so that few different graphs are recorded
N_WARM_UPS = 3  # steps before the recording, in which libraries choose and allocate


class GPUDecoder:
    """A `gpt.decoding.Decoder`: the weights of one GPT in `precision`, and the recorded steps that are free.

    Raises ValueError for int8, which saves nothing here: a GPU's matrix units take float16 and bfloat16.
    """

    def __init__(self, model: GPT, precision: str) -> None:
        check_precision(precision)
        if precision not in DTYPES:
            raise ValueError(f"precision {precision!r} is for CPUs; on a GPU choose one of {', '.join(DTYPES)}")
        self.model, self.dtype = model, DTYPES[precision]
        self.free: dict[tuple[int, int], list[_Step]] = {}  # by (rows, capacity)
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
        self.is_recorded = device.type == "cuda"  # whether steps are recorded and replayed
        positions = torch.arange(model.config.max_positions, device=device)
        zeros = torch.zeros(len(positions), model.config.hidden_size, device=device)
        self.sines = model.ar_audio_position(zeros, positions).detach()  # alpha * sine, computed once

    def begin(self, prompts: PromptBatch, n_steps: int) -> GPUDecoding:
        """Read the prompts, see `gpt.decoding.Decoder.begin`."""
        return GPUDecoding(self, prompts, n_steps)

    def free_steps(self, n_rows: int, capacity: int) -> list[_Step]:
        """Return the steps of this size that no decoding uses. Each decoding takes one and gives it back."""
        return self.free.setdefault((n_rows, capacity), [])


class _Step:
    """One step on memory of its own, which serves one decoding at a time.

    Attributes:
        keys: (L, B, H, capacity, D/H)
        values: (L, B, H, capacity, D/H)
        visible: (B, capacity) bool
        position: (1,) int64, the column that the next token fills.
        tokens: (B,) int64, the newest token of each row.
        token_positions: (B,) int64, its position among the row's tokens.
        logits: (B, V) float32
    """

    def __init__(self, decoder: GPUDecoder, n_rows: int, capacity: int) -> None:
        config, device = decoder.model.config, decoder.predict.device
        shape = (config.n_layers, n_rows, config.n_heads, capacity, config.hidden_size // config.n_heads)
        self.decoder = decoder
        self.keys = torch.zeros(shape, dtype=decoder.dtype, device=device)
        self.values = torch.zeros_like(self.keys)
        self.visible = torch.zeros(n_rows, capacity, dtype=torch.bool, device=device)
        self.position = torch.zeros(1, dtype=torch.int64, device=device)
        self.tokens = torch.zeros(n_rows, dtype=torch.int64, device=device)
        self.token_positions = torch.zeros(n_rows, dtype=torch.int64, device=device)
        self.logits = torch.zeros(n_rows, config.vocab_size, device=device)
        self.graph: torch.cuda.CUDAGraph | None = None

    def run(self) -> None:
        """Read tokens, token_positions and position. Write keys, values, visible and logits, and advance position."""
        if not self.decoder.is_recorded:
            self._compute()
            return
        if self.graph is None:
            self._record()
        self.graph.replay()

    def _record(self) -> None:
        """Record the graph. Where that fails, nothing has changed, and the next step tries again."""
        changed = (self.position, self.visible, self.keys, self.values)
        kept = [t.clone() for t in changed]
        try:
            self.graph = self._recorded()
        finally:
            for tensor, before in zip(changed, kept, strict=True):
                tensor.copy_(before)

    def _recorded(self) -> torch.cuda.CUDAGraph:
        self.visible[:, 0] = True  # no softmax over nothing
        current, side = torch.cuda.current_stream(), torch.cuda.Stream()
        side.wait_stream(current)
        try:
            with torch.cuda.stream(side):
                for _ in range(N_WARM_UPS):
                    self.position.zero_()
                    self._compute()
        finally:
            current.wait_stream(side)
        graph = torch.cuda.CUDAGraph()
        # Another thread may load a pair meanwhile, whose cudaMalloc would end a recording in the mode "global". A
        # recording that fails leaves its own stream the current one, hence the outer block
        with torch.cuda.stream(current), torch.cuda.graph(graph, capture_error_mode="thread_local"):
            self._compute()
        return graph

    def _compute(self) -> None:
        decoder = self.decoder
        self.visible.index_fill_(1, self.position, True)
        mask = self.visible[:, None, None, :]  # (B, 1, 1, capacity)
        embedded = decoder.model.ar_audio_embedding(self.tokens)
        x = (embedded + decoder.sines[self.token_positions]).to(decoder.dtype)  # (B, D)
        for i, (layer, weights) in enumerate(zip(decoder.model.h.layers, decoder.layers, strict=True)):
            x = self._layer(x, layer, weights, self.keys[i], self.values[i], mask)
        self.logits.copy_(F.linear(x, decoder.predict).float())
        self.position.add_(1)

    def _layer(
        self, x: Tensor, layer: Layer, weights: list[Tensor], keys: Tensor, values: Tensor, mask: Tensor
    ) -> Tensor:
        """Compute (B, D) from (B, D) as `gpt.model.Layer` does for one more position."""
        in_weight, in_bias, out_weight, out_bias, up_weight, up_bias, down_weight, down_bias = weights
        n, hidden = x.shape
        query, key, value = F.linear(x, in_weight, in_bias).view(n, 3, layer.self_attn.n_heads, 1, -1).unbind(1)
        keys.index_copy_(2, self.position, key)
        values.index_copy_(2, self.position, value)
        heads = F.scaled_dot_product_attention(query, keys, values, attn_mask=mask)  # (B, H, 1, D/H)
        x = _normalize(layer.norm1, x + F.linear(heads.reshape(n, hidden), out_weight, out_bias))
        inner = F.linear(F.relu(F.linear(x, up_weight, up_bias)), down_weight, down_bias)
        return _normalize(layer.norm2, x + inner)


class GPUDecoding:
    """A `gpt.decoding.Decoding`. Rows that end stay in the batch, because a graph has a fixed number of rows."""

    def __init__(self, decoder: GPUDecoder, prompts: PromptBatch, n_steps: int) -> None:
        n_rows, n_prompt, _ = prompts.x.shape
        capacity = -(-(n_prompt + n_steps) // CAPACITY_BLOCK) * CAPACITY_BLOCK
        free = decoder.free_steps(n_rows, capacity)
        self.work = free.pop() if free else _Step(decoder, n_rows, capacity)
        weakref.finalize(self, free.append, self.work)
        use_bfloat16 = decoder.dtype == torch.bfloat16
        self.hidden = compute_prompt(decoder.model, prompts, self._store, use_bfloat16=use_bfloat16)
        self.work.visible.zero_()
        self.work.visible[:, :n_prompt] = prompts.is_real
        self.work.position.fill_(n_prompt)
        self.rows = torch.arange(n_rows, device=prompts.x.device)

    def _store(self, layer: int, keys: Tensor, values: Tensor) -> None:
        self.work.keys[layer, :, :, : keys.shape[2]] = keys
        self.work.values[layer, :, :, : values.shape[2]] = values

    def step(self, tokens: Tensor, positions: Tensor) -> Tensor:
        """Replay one step, see `gpt.decoding.Decoding.step`."""
        self.work.tokens[self.rows] = tokens
        self.work.token_positions[self.rows] = positions
        self.work.run()
        return self.work.logits[self.rows]

    def keep_rows(self, rows: Tensor) -> None:
        """Drop the other rows, see `gpt.decoding.Decoding.keep_rows`."""
        self.rows = self.rows[rows]


def _normalize(norm: torch.nn.LayerNorm, x: Tensor) -> Tensor:
    """Normalise in float32, whatever the weights are stored as."""
    return norm(x.float()).to(x.dtype)
