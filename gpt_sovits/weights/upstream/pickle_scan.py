"""Read a pickle as a list of instructions, without following any, and refuse what weights never need.

torch.load(weights_only=True) is a second check behind this one. This check allows fewer names, and its message names
what a file tries to reach.
"""

from __future__ import annotations

import pickletools
from collections import Counter
from pathlib import Path

from gpt_sovits.weights.errors import WeightsError, first_names

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
# Instructions of protocol 2 that build plain values, containers, tensors and the config. INST, OBJ, STACK_GLOBAL and
# the extension registry are not allowed, because they reach names in other ways than GLOBAL does.
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
# A tensor needs four. Python hashes nested tuples without a bound and crashes at about 100,000 levels
MAX_TUPLES = 20_000


def check_pickle(path: Path, pickle: bytes) -> None:
    """Check that a pickle is well formed and uses only ALLOWED_NAMES and ALLOWED_OPCODES.

    Args:
        path: the file that the pickle came from, for messages.
        pickle: the bytes.

    Raises:
        WeightsError: it is not. The message names what is not allowed.
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
            f"{path} would call {first_names([name.replace(' ', '.') for name in foreign])} when it is read, which "
            "weights never need; nothing in it was run and the file is refused: do not load it elsewhere either"
        )
    if foreign := sorted(opcodes.keys() - ALLOWED_OPCODES):
        raise WeightsError(
            f"{path} uses pickle instructions that torch.save does not write ({first_names(foreign)}); it is refused"
        )
    if (n_tuples := sum(opcodes[name] for name in TUPLES)) > MAX_TUPLES:
        raise WeightsError(f"{path}: its pickle makes {n_tuples} tuples; weights need at most {MAX_TUPLES}")
