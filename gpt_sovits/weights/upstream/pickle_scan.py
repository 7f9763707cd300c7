"""Reads a pickle as a list of instructions, without following any, and refuses what weights never need.

torch.load(weights_only=True) is the second wall behind this one. The first has a shorter list of names, and says which
name it was that a file asked for.
"""

from __future__ import annotations

import pickletools
from collections import Counter
from pathlib import Path

from gpt_sovits.weights.errors import WeightsError, some

UPSTREAM_CONFIG = "utils HParams"  # the class of the config inside a SoVITS file
PATHS = ("pathlib PosixPath", "pathlib WindowsPath", "pathlib PureWindowsPath", "pathlib PurePosixPath")
_DTYPES = ("Float", "Half", "BFloat16", "Double", "Long", "Int", "Short", "Char", "Byte", "Bool")
ALLOWED_NAMES = frozenset(
    (
        "collections OrderedDict",
        "torch._utils _rebuild_tensor_v2",
        "torch._utils _rebuild_parameter",
        UPSTREAM_CONFIG,
        *PATHS,
        *(f"torch {dtype}Storage" for dtype in _DTYPES),
    )
)
# Instructions of protocol 2 that build plain values, containers, tensors and the config. Not among them: INST, OBJ,
# STACK_GLOBAL and the extension registry, which reach names in other ways than GLOBAL does.
ALLOWED_OPCODES = frozenset(
    (
        "PROTO", "STOP", "MARK", "GLOBAL", "REDUCE", "NEWOBJ", "BUILD", "BINPERSID",
        "NONE", "NEWTRUE", "NEWFALSE", "BININT", "BININT1", "BININT2", "LONG1", "BINFLOAT", "BINUNICODE",
        "SHORT_BINSTRING",
        "EMPTY_DICT", "EMPTY_LIST", "EMPTY_TUPLE", "EMPTY_SET", "TUPLE", "TUPLE1", "TUPLE2", "TUPLE3",
        "APPEND", "APPENDS", "SETITEM", "SETITEMS", "BINPUT", "LONG_BINPUT", "BINGET", "LONG_BINGET",
    )
)  # fmt: skip

TUPLES = ("TUPLE", "TUPLE1", "TUPLE2", "TUPLE3")
# A tensor needs four. Python hashes tuples inside tuples without a bound and crashes at some 100,000 levels
MAX_TUPLES = 20_000


def check_pickle(path: Path, pickle: bytes) -> None:
    """Raises WeightsError unless the pickle is well formed and names nothing beyond ALLOWED_NAMES.

    path: the file that it came from, for messages
    """
    names, opcodes = set(), Counter()
    try:
        for opcode, argument, _ in pickletools.genops(pickle):
            opcodes[opcode.name] += 1
            if opcode.name == "GLOBAL":
                names.add(argument)
    except (ValueError, UnicodeDecodeError) as error:
        raise WeightsError(f"{path}: its pickle is damaged ({error}); copy or download the file again") from error
    if foreign := sorted(names - ALLOWED_NAMES):
        raise WeightsError(
            f"{path} asks for {some([name.replace(' ', '.') for name in foreign])} when it is read; weights need "
            "nothing of the kind, so nothing of it was run and the file is refused: do not load it elsewhere either"
        )
    if foreign := sorted(opcodes.keys() - ALLOWED_OPCODES):
        raise WeightsError(
            f"{path} uses pickle instructions that torch.save does not write ({some(foreign)}); it is refused"
        )
    if (n_tuples := sum(opcodes[name] for name in TUPLES)) > MAX_TUPLES:
        raise WeightsError(f"{path}: its pickle makes {n_tuples} tuples; weights need at most {MAX_TUPLES}")
