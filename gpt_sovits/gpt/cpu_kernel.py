"""One token through all layers of the GPT on a CPU, as one compiled function.

Decoding reads every weight once a token and computes little with it, so its limit is the memory bandwidth. Through
library calls (15 a layer) it stays far from it: each call costs, and matrix libraries are made for larger products.
These loops do what `gpt.model.Layer.forward` does for one new position a row, in float32, whatever the weights are
stored as; tests hold the two equal. numba compiles them for the CPU at hand when they are first used and keeps the
result; its wheel carries the compiler.

Every thread runs `decode_step` and takes its share of the rows of each matrix; between the matrices they wait for each
other. No row of a batch sees another, and padding counts for nothing.

Letters in shapes: N rows at work, B rows of the cache, L layers, D hidden size, H heads, V vocabulary.
"""

import numpy as np
from llvmlite import ir
from numba import njit, types
from numba.extending import intrinsic

# What may be reordered: sums (or nothing would be vectorised). NaN and infinity keep their meaning.
FAST = {"reassoc", "contract", "nsz", "arcp"}
# Tries, about 200 microseconds of them, before a waiting thread sleeps. A sleep takes 85 microseconds, longer than most
# waits: with fewer tries a thread that is late once makes another sleep, which is then late itself, through all layers
# (9 ms a token instead of 4, measured). A thread that spins for milliseconds, or yields, on a busy machine uses up the
# time that the scheduler owes it, and is then late for the others (75 ms a token instead of 20, measured).
SPINS = 200000
# Columns of the cache that lie side by side, so that loops over them are vectorised and read memory in a row.
BLOCK = 64


@intrinsic
def widen(typing_context, value):
    """A stored weight as float32. float32 and int8 say what they are; uint16 holds bfloat16, int16 holds float16."""

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
    """counters[index] = value, seen by other threads only after everything written before."""

    def code(context, builder, signature, arguments):
        builder.store_atomic(arguments[2], _address(context, builder, signature, arguments), "release", 8)
        return context.get_dummy_value()

    return types.void(counters, index, types.int64), code


@intrinsic
def observe(typing_context, counters, index):
    """counters[index] as another thread has published it, with everything it wrote before."""

    def code(context, builder, signature, arguments):
        return builder.load_atomic(_address(context, builder, signature, arguments), "acquire", 8)

    return types.int64(counters, index), code


def _address(context, builder, signature, arguments):
    array = context.make_array(signature.args[0])(context, builder, arguments[0])
    return builder.gep(array.data, [arguments[1]])


@intrinsic
def sleep_microseconds(typing_context, n):
    """The C library's usleep."""

    def code(context, builder, signature, arguments):
        kind = ir.FunctionType(ir.IntType(32), [ir.IntType(32)])
        function = builder.module.globals.get("usleep") or ir.Function(builder.module, kind, "usleep")
        builder.call(function, arguments)
        return context.get_dummy_value()

    return types.void(types.int32), code


@njit(nogil=True, cache=True)
def wait_for_all(counters, thread, n_threads, turn):
    """Returns turn + 1 once every thread has come to this point. counters: (n_threads, 8), a cache line a thread."""
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
def share(n, thread, n_threads):
    """The part [first, last) of n items that is this thread's."""
    return n * thread // n_threads, n * (thread + 1) // n_threads


@njit(nogil=True, cache=True, fastmath=FAST)
def dot(weights, x):
    """The sum of products of one row of weights and one row of numbers."""
    total = np.float32(0)
    for c in range(len(x)):
        total += widen(weights[c]) * x[c]
    return total


@njit(nogil=True, cache=True, fastmath=FAST)
def dot_2x4(weights0, weights1, x0, x1, x2, x3):
    """Eight such sums at once: each number is loaded once for them, each weight widened once."""
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


@njit(nogil=True, cache=True, fastmath=FAST)
def multiply(weight, scale, bias, x, y, thread, n_threads):
    """y (N, R) = x (N, C) @ weight (R, C)^T * scale (R,) + bias (R,), this thread's rows of the weight."""
    r, last = share(weight.shape[0], thread, n_threads)
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
def exponential(x):
    """e ** x for x <= 0, within 3e-7 of it: 2 ** whole times a polynomial of the rest. Vectorised, unlike the C one."""
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
    """2 ** n as float32, for n in [-126, 127]: the exponent's bits."""

    def code(context, builder, signature, arguments):
        biased = builder.add(arguments[0], ir.Constant(ir.IntType(32), 127))
        return builder.bitcast(builder.shl(biased, ir.Constant(ir.IntType(32), 23)), ir.FloatType())

    return types.float32(types.int32), code


@njit(nogil=True, cache=True, fastmath=FAST)
def exponentials(x, factor):
    """x becomes e ** (factor * (x - its largest)); returns the sum."""
    largest = np.float32(-np.inf)
    for t in range(len(x)):
        largest = max(largest, x[t])
    total = np.float32(0)
    for t in range(len(x)):
        x[t] = exponential(factor * (x[t] - largest))
        total += x[t]
    return total


@njit(nogil=True, cache=True, fastmath=FAST)
def attend(qkv, keys, values, rows, starts, position, scores, out, thread, n_threads):
    """Store the new keys and values and attend to the columns from each row's start to `position`.

    qkv: (N, 3D); keys, values: (B, H, blocks, D/H, BLOCK), column t of the cache in block t // BLOCK, finite everywhere
    rows: (N,) of the cache; scores: (n_threads, blocks * BLOCK) to work in
    """
    n_heads, head = keys.shape[1], keys.shape[3]
    hidden = n_heads * head
    factor = np.float32(1) / np.sqrt(np.float32(head))
    first, last = share(len(rows) * n_heads, thread, n_threads)
    score = scores[thread]
    for item in range(first, last):
        i, h = item // n_heads, item % n_heads
        key, value = keys[rows[i], h], values[rows[i], h]  # (blocks, D/H, BLOCK)
        query, result = qkv[i, h * head : (h + 1) * head], out[i, h * head : (h + 1) * head]
        for d in range(head):
            key[position // BLOCK, d, position % BLOCK] = qkv[i, hidden + h * head + d]
            value[position // BLOCK, d, position % BLOCK] = qkv[i, 2 * hidden + h * head + d]
        start, end = starts[i], position + 1
        first_block, last_block = start // BLOCK, position // BLOCK
        for block in range(first_block, last_block + 1):
            part = score[block * BLOCK : (block + 1) * BLOCK]
            part[:] = 0
            for d in range(head):
                for t in range(BLOCK):
                    part[t] += query[d] * key[block, d, t]
        total = exponentials(score[start:end], factor)
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
def add_and_normalize(x, added, weight, bias):
    """x (N, D) becomes layer_norm(x + added). Every thread does this for itself: cheaper than waiting."""
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
def decode_step(layers, predict, keys, values, rows, starts, position, inputs, work, logits, counters, thread):
    """Logits of the token after `position` for each row, keys and values of `position` stored on the way.

    layers: (weight, scale, bias) of the four matrices, each with a first dimension L, and the two norms' (weight, bias)
    predict: (weight, scale, bias) of the last one; keys, values: (L, B, H, blocks, D/H, BLOCK); inputs: (N, D)
    work: arrays to compute in, see `gpt.cpu_decoder`; logits: (N, V), written; counters: zeros (n_threads, 8)
    """
    qkv_w, qkv_s, qkv_b, out_w, out_s, out_b, up_w, up_s, up_b, down_w, down_s, down_b, g1, b1, g2, b2 = layers
    hidden_states, qkv, heads, projected, inner, scores = work
    n_threads = counters.shape[0]
    x = hidden_states[thread]  # every thread has its own copy
    x[:] = inputs
    turn = 0
    for layer in range(qkv_w.shape[0]):
        multiply(qkv_w[layer], qkv_s[layer], qkv_b[layer], x, qkv, thread, n_threads)
        turn = wait_for_all(counters, thread, n_threads, turn)
        attend(qkv, keys[layer], values[layer], rows, starts, position, scores, heads, thread, n_threads)
        turn = wait_for_all(counters, thread, n_threads, turn)
        multiply(out_w[layer], out_s[layer], out_b[layer], heads, projected, thread, n_threads)
        turn = wait_for_all(counters, thread, n_threads, turn)
        add_and_normalize(x, projected, g1[layer], b1[layer])
        multiply(up_w[layer], up_s[layer], up_b[layer], x, inner, thread, n_threads)
        first, last = share(inner.shape[1], thread, n_threads)
        for i in range(x.shape[0]):
            for d in range(first, last):
                inner[i, d] = max(inner[i, d], np.float32(0))
        turn = wait_for_all(counters, thread, n_threads, turn)
        multiply(down_w[layer], down_s[layer], down_b[layer], inner, projected, thread, n_threads)
        turn = wait_for_all(counters, thread, n_threads, turn)
        add_and_normalize(x, projected, g2[layer], b2[layer])
    multiply(predict[0], predict[1], predict[2], x, logits, thread, n_threads)
