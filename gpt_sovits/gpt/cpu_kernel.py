"""One token through all layers of the GPT on a CPU, as one compiled function.

Decoding reads every weight once per token and computes little with it, so its limit is the memory bandwidth. Library
calls (15 per layer) stay far below that limit: each call costs time, and matrix libraries are made for larger products.
These loops do what `gpt.model.Layer.forward` does for one new position per row, in float32, whatever the weights are
stored as. Tests hold the two equal. numba compiles them for the CPU at hand when they are first used and keeps the
result. Its wheel carries the compiler.

Every thread runs `decode_step` and takes its share of the rows of each matrix. Between the matrices the threads wait
for each other. No row of a batch sees another, and padding counts for nothing.

Letters in shapes: N rows at work, B rows of the cache, L layers, D hidden size, H heads, V vocabulary.
"""

from typing import NamedTuple

import numpy as np
from llvmlite import ir
from numba import njit, types
from numba.extending import intrinsic

# What may be reordered: sums (or nothing would be vectorised). NaN and infinity keep their meaning.
FAST = {"reassoc", "contract", "nsz", "arcp"}
# Tries, about 200 microseconds of them, before a waiting thread sleeps. A sleep takes 85 microseconds, longer than most
# waits. With fewer tries a thread that is late once makes another one sleep, which is then late itself, through all
# layers (9 ms per token instead of 4, measured). A thread that spins for milliseconds on a busy machine, or yields,
# uses up the time that the scheduler owes it and is then late for the others (75 ms instead of 20, measured).
SPINS = 200000
# Columns of the cache that lie side by side, so that loops over them are vectorised and read contiguous memory.
BLOCK = 64


class Linear(NamedTuple):
    """A matrix: y = x @ weight^T * scale + bias. Inside `Layers` every array has a first dimension L."""

    weight: np.ndarray  # (R, C), see `widen`
    scale: np.ndarray  # (R,) float32
    bias: np.ndarray  # (R,) float32


class Norm(NamedTuple):
    """One layer norm of each layer, (L, D) float32."""

    weight: np.ndarray
    bias: np.ndarray


class Layers(NamedTuple):
    """The weights of all layers."""

    qkv: Linear  # R = 3D: rows of the queries, the keys, the values
    out: Linear  # R = D
    up: Linear  # R = 4D
    down: Linear  # R = D
    attention_norm: Norm
    feed_forward_norm: Norm


class Cache(NamedTuple):
    """Keys and values, (L, B, H, blocks, D/H, BLOCK) float32, finite everywhere. Column t lies in block t // BLOCK."""

    keys: np.ndarray
    values: np.ndarray


class Rows(NamedTuple):
    """The rows at work."""

    cache_rows: np.ndarray  # (N,) int64, their rows in the cache
    starts: np.ndarray  # (N,) int64, the first columns that are not padding


class Workspace(NamedTuple):
    """Memory to compute in, float32. All threads share it, except their own entries in `states` and `scores`."""

    states: np.ndarray  # (n_threads, N, D)
    qkv: np.ndarray  # (N, 3D)
    heads: np.ndarray  # (N, D)
    projected: np.ndarray  # (N, D)
    inner: np.ndarray  # (N, 4D)
    scores: np.ndarray  # (n_threads, blocks * BLOCK)
    logits: np.ndarray  # (N, V), the result

    def for_rows(self, n: int) -> "Workspace":
        """Return the same memory for the first n rows."""
        return Workspace(
            self.states[:, :n],
            self.qkv[:n],
            self.heads[:n],
            self.projected[:n],
            self.inner[:n],
            self.scores,
            self.logits[:n],
        )


@intrinsic
def widen(typing_context, value):
    """Convert a stored weight to float32. uint16 holds bfloat16 and int16 holds float16."""

    def from_float32(context, builder, signature, arguments):
        return arguments[0]

    def from_int8(context, builder, signature, arguments):
        return builder.sitofp(arguments[0], ir.FloatType())

    def from_bfloat16(context, builder, signature, arguments):
        bits = builder.zext(arguments[0], ir.IntType(32))
        return builder.bitcast(builder.shl(bits, ir.Constant(ir.IntType(32), 16)), ir.FloatType())

    def from_float16(context, builder, signature, arguments):
        return builder.fpext(builder.bitcast(arguments[0], ir.HalfType()), ir.FloatType())

    table = {
        types.float32: from_float32,
        types.int8: from_int8,
        types.uint16: from_bfloat16,
        types.int16: from_float16,
    }
    return (types.float32(value), table[value]) if value in table else None


@intrinsic
def publish(typing_context, counters, index, value):
    """Set counters[index] = value. Other threads see it only after everything that was written before."""

    def code(context, builder, signature, arguments):
        builder.store_atomic(arguments[2], _address(context, builder, signature, arguments), "release", 8)
        return context.get_dummy_value()

    return types.void(counters, index, types.int64), code


@intrinsic
def observe(typing_context, counters, index):
    """Read counters[index] as another thread has published it, with everything it wrote before."""

    def code(context, builder, signature, arguments):
        return builder.load_atomic(_address(context, builder, signature, arguments), "acquire", 8)

    return types.int64(counters, index), code


def _address(context, builder, signature, arguments):
    array = context.make_array(signature.args[0])(context, builder, arguments[0])
    return builder.gep(array.data, [arguments[1]])


@intrinsic
def sleep_microseconds(typing_context, n):
    """Call the C library's usleep."""

    def code(context, builder, signature, arguments):
        kind = ir.FunctionType(ir.IntType(32), [ir.IntType(32)])
        function = builder.module.globals.get("usleep") or ir.Function(builder.module, kind, "usleep")
        builder.call(function, arguments)
        return context.get_dummy_value()

    return types.void(types.int32), code


@njit(nogil=True, cache=True)
def wait_for_all(counters: np.ndarray, thread: int, n_threads: int, turn: int) -> int:
    """Wait until every thread has come to this point, and return turn + 1.

    counters: (n_threads, 8) int64, a cache line per thread
    """
    turn += 1
    flat = counters.ravel()
    publish(flat, thread * 8, turn)
    for other in range(n_threads):
        tries = 0
        while observe(flat, other * 8) < turn:
            tries += 1
            if tries > SPINS:
                sleep_microseconds(np.int32(20))
    return turn


@njit(nogil=True, cache=True)
def thread_range(n: int, thread: int, n_threads: int) -> tuple[int, int]:
    """Return the part [first, last) of n items that this thread computes."""
    return n * thread // n_threads, n * (thread + 1) // n_threads


@njit(nogil=True, cache=True, fastmath=FAST)
def dot(weights: np.ndarray, x: np.ndarray) -> np.float32:
    """Return the sum of products of one row of weights and one row of numbers."""
    total = np.float32(0)
    for c in range(len(x)):
        total += widen(weights[c]) * x[c]
    return total


@njit(nogil=True, cache=True, fastmath=FAST)
def dot_2x4(
    weights0: np.ndarray, weights1: np.ndarray, x0: np.ndarray, x1: np.ndarray, x2: np.ndarray, x3: np.ndarray
) -> tuple[tuple[np.float32, ...], tuple[np.float32, ...]]:
    """Return eight such sums at once. Each number is loaded once for them and each weight widened once."""
    a0 = a1 = a2 = a3 = b0 = b1 = b2 = b3 = np.float32(0)
    for c in range(len(x0)):
        u, v = widen(weights0[c]), widen(weights1[c])
        a0 += u * x0[c]
        a1 += u * x1[c]
        a2 += u * x2[c]
        a3 += u * x3[c]
        b0 += v * x0[c]
        b1 += v * x1[c]
        b2 += v * x2[c]
        b3 += v * x3[c]
    return (a0, a1, a2, a3), (b0, b1, b2, b3)


@njit(nogil=True, cache=True)
def at_layer(linear: Linear, layer: int) -> Linear:
    """Return the matrix of one layer."""
    return Linear(linear.weight[layer], linear.scale[layer], linear.bias[layer])


@njit(nogil=True, cache=True, fastmath=FAST)
def multiply(linear: Linear, x: np.ndarray, y: np.ndarray, thread: int, n_threads: int) -> None:
    """Write y (N, R) from x (N, C), for this thread's rows of the matrix."""
    weight, scale, bias = linear
    r, last = thread_range(weight.shape[0], thread, n_threads)
    n = len(x)
    while r < last:
        in_fours = n - n % 4 if r + 1 < last else 0
        for b in range(0, in_fours, 4):
            sums = dot_2x4(weight[r], weight[r + 1], x[b], x[b + 1], x[b + 2], x[b + 3])
            for k in range(4):
                y[b + k, r] = sums[0][k] * scale[r] + bias[r]
                y[b + k, r + 1] = sums[1][k] * scale[r + 1] + bias[r + 1]
        n_rows = 2 if r + 1 < last else 1
        for row in range(r, r + n_rows):
            for b in range(in_fours, n):
                y[b, row] = dot(weight[row], x[b]) * scale[row] + bias[row]
        r += n_rows


@njit(nogil=True, cache=True, fastmath={"contract"})  # reordered, the rest would lose its last digits
def exponential(x: np.float32) -> np.float32:
    """Return e ** x for x <= 0, with a relative error of at most 3e-7.

    It is 2 ** whole times a polynomial of the rest, which is vectorised, unlike the C library's function.
    """
    x = max(x, np.float32(-87.0))
    whole = np.floor(x * np.float32(1.44269504) + np.float32(0.5))
    rest = (x - whole * np.float32(0.693359375)) - whole * np.float32(-2.12194440e-4)
    p = np.float32(1 / 720)
    p = p * rest + np.float32(1 / 120)
    p = p * rest + np.float32(1 / 24)
    p = p * rest + np.float32(1 / 6)
    p = p * rest + np.float32(0.5)
    p = p * rest + np.float32(1)
    p = p * rest + np.float32(1)
    return p * power_of_two(np.int32(whole))


@intrinsic
def power_of_two(typing_context, n):
    """Return 2 ** n as float32, for n in [-126, 127], by setting the bits of the exponent."""

    def code(context, builder, signature, arguments):
        biased = builder.add(arguments[0], ir.Constant(ir.IntType(32), 127))
        return builder.bitcast(builder.shl(biased, ir.Constant(ir.IntType(32), 23)), ir.FloatType())

    return types.float32(types.int32), code


@njit(nogil=True, cache=True, fastmath=FAST)
def exponentiate(x: np.ndarray, factor: np.float32) -> np.float32:
    """Replace x by e ** (factor * (x - largest x)) and return the sum."""
    largest = np.float32(-np.inf)
    for t in range(len(x)):
        largest = max(largest, x[t])
    total = np.float32(0)
    for t in range(len(x)):
        x[t] = exponential(factor * (x[t] - largest))
        total += x[t]
    return total


@njit(nogil=True, cache=True, fastmath=FAST)
def attend(
    work: Workspace, keys: np.ndarray, values: np.ndarray, rows: Rows, position: int, thread: int, n_threads: int
) -> None:
    """Store the new keys and values and attend to the columns from each row's start to `position`.

    Reads work.qkv and writes work.heads. keys, values: those of one layer of the cache, (B, H, blocks, D/H, BLOCK)
    """
    qkv, out = work.qkv, work.heads
    n_heads, head = keys.shape[1], keys.shape[3]
    hidden = n_heads * head
    factor = np.float32(1) / np.sqrt(np.float32(head))
    first, last = thread_range(len(rows.cache_rows) * n_heads, thread, n_threads)
    score = work.scores[thread]
    for item in range(first, last):
        i, h = item // n_heads, item % n_heads
        key, value = keys[rows.cache_rows[i], h], values[rows.cache_rows[i], h]  # (blocks, D/H, BLOCK)
        query, result = qkv[i, h * head : (h + 1) * head], out[i, h * head : (h + 1) * head]
        for d in range(head):
            key[position // BLOCK, d, position % BLOCK] = qkv[i, hidden + h * head + d]
            value[position // BLOCK, d, position % BLOCK] = qkv[i, 2 * hidden + h * head + d]
        start, end = rows.starts[i], position + 1
        first_block, last_block = start // BLOCK, position // BLOCK
        for block in range(first_block, last_block + 1):
            part = score[block * BLOCK : (block + 1) * BLOCK]
            part[:] = 0
            for d in range(head):
                for t in range(BLOCK):
                    part[t] += query[d] * key[block, d, t]
        total = exponentiate(score[start:end], factor)
        score[first_block * BLOCK : start] = 0
        score[end : (last_block + 1) * BLOCK] = 0
        result[:] = 0
        for block in range(first_block, last_block + 1):
            part = score[block * BLOCK : (block + 1) * BLOCK]
            for d in range(head):
                sum_ = np.float32(0)
                for t in range(BLOCK):
                    sum_ += part[t] * value[block, d, t]
                result[d] += sum_
        for d in range(head):
            result[d] /= total


@njit(nogil=True, cache=True, fastmath=FAST)
def add_and_normalize(x: np.ndarray, added: np.ndarray, weight: np.ndarray, bias: np.ndarray) -> None:
    """Replace x (N, D) by layer_norm(x + added). Every thread does this for itself, which is cheaper than waiting."""
    width = np.float32(x.shape[1])
    for i in range(x.shape[0]):
        row, other = x[i], added[i]
        total = np.float32(0)
        for d in range(x.shape[1]):
            row[d] += other[d]
            total += row[d]
        mean = total / width
        squares = np.float32(0)
        for d in range(x.shape[1]):
            squares += (row[d] - mean) * (row[d] - mean)
        factor = np.float32(1) / np.sqrt(squares / width + np.float32(1e-5))
        for d in range(x.shape[1]):
            row[d] = (row[d] - mean) * factor * weight[d] + bias[d]


@njit(nogil=True, cache=True, fastmath=FAST)
def decode_step(
    layers: Layers,
    predict: Linear,
    cache: Cache,
    rows: Rows,
    position: int,
    inputs: np.ndarray,
    work: Workspace,
    counters: np.ndarray,
    thread: int,
) -> None:
    """Write the logits of the token after `position` for each row into work.logits, and its keys and values into cache.

    Every thread calls this with the same arguments but its own number.

    Args:
        layers: The weights of all layers.
        predict: The prediction layer, from D to V.
        cache: Keys and values of the earlier columns.
        rows: The rows at work.
        position: The column of the cache that this token fills.
        inputs: (N, D) float32, the embedded tokens.
        work: Memory to compute in, which also takes the logits.
        counters: (n_threads, 8) int64, zeros.
        thread: Number of this thread, from 0.
    """
    n_threads = counters.shape[0]
    x = work.states[thread]  # every thread has its own copy
    x[:] = inputs
    turn = 0
    for layer in range(layers.qkv.weight.shape[0]):
        # 1. Attention: the projections, the heads, the output's projection, the norm.
        multiply(at_layer(layers.qkv, layer), x, work.qkv, thread, n_threads)
        turn = wait_for_all(counters, thread, n_threads, turn)
        attend(work, cache.keys[layer], cache.values[layer], rows, position, thread, n_threads)
        turn = wait_for_all(counters, thread, n_threads, turn)
        multiply(at_layer(layers.out, layer), work.heads, work.projected, thread, n_threads)
        turn = wait_for_all(counters, thread, n_threads, turn)
        add_and_normalize(x, work.projected, layers.attention_norm.weight[layer], layers.attention_norm.bias[layer])
        # 2. Feed-forward part: up, ReLU, down, the norm.
        multiply(at_layer(layers.up, layer), x, work.inner, thread, n_threads)
        first, last = thread_range(work.inner.shape[1], thread, n_threads)
        for i in range(x.shape[0]):
            for d in range(first, last):
                work.inner[i, d] = max(work.inner[i, d], np.float32(0))
        turn = wait_for_all(counters, thread, n_threads, turn)
        multiply(at_layer(layers.down, layer), work.inner, work.projected, thread, n_threads)
        turn = wait_for_all(counters, thread, n_threads, turn)
        norm = layers.feed_forward_norm
        add_and_normalize(x, work.projected, norm.weight[layer], norm.bias[layer])
    multiply(predict, x, work.logits, thread, n_threads)
