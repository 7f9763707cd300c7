"""A map over workers that computes only what the cache lacks.

The key of a result is a hash of the function's code and of its arguments, where a file counts by its bytes and by the
ending of its name. So a function that is called through this map must depend on nothing but its arguments, what `same`
names, and the code, and its result holds no name of a file. A clip that gets another name is then not computed again.
"""

from __future__ import annotations

import hashlib
import inspect
import json
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from functools import cache, partial
from pathlib import Path
from typing import Any, get_type_hints

from pydantic import BaseModel, TypeAdapter, ValidationError

from registry.files import file_sha256
from stages.execution.cache import ResultCache
from stages.execution.code_identity import code_of
from stages.execution.parallel import Map, call

FORMAT = 2  # of the keys and entries; another number makes all older ones useless
WITHOUT_EFFECT = {"n_jobs"}  # settings in rows and sections that change no result
OUT_DIR = "out_dir"  # name of the argument that says where the files of a result are written; not part of the key
OUT_FILE = "out_file"  # name of the argument that says which file is written, where it is the only one; nor is this
ONLY_FILE = "."  # relative to itself


def cached_map(
    workers: Map,
    results: ResultCache,
    *,
    same: Mapping[str, Any],
    out_dir: Path | None = None,
    files: Callable[[Any], Sequence[str]] = lambda _: (),
    keep: Callable[[Any], bool] = lambda _: True,
) -> Map:
    """Return a map like `workers` that takes from the cache what was computed before from equal arguments.

    A result is the same whether it was computed or kept, because both were turned into JSON and back. The functions
    that it maps are functions of modules, partials of them, or `call` with partials. Their return type is annotated,
    and pydantic can turn it into JSON. Arguments are paths of files, rows, tuples, lists and plain values.

    Args:
        workers: computes what the cache lacks, see parallel.py.
        results: the cache. Where it is off, `workers` is returned.
        same: what all results depend on besides code and arguments, such as the version of a judge, as JSON values.
        out_dir: where the functions write files, which is their argument `out_dir`. Functions that write one file have
            the argument `out_file` instead.
        files: returns the paths of a result's files relative to `out_dir`.
        keep: whether a result is kept. One that could be another the next time must not be.
    """
    if not results.is_on:
        return workers

    def map_in_order(function: Callable[[Any], Any], items: Iterable[Any]) -> Iterator[Any]:
        items = list(items)
        calls = [item if function is call else partial(function, item) for item in items]
        keys = [_key_if_readable(one, same) for one in calls]
        adapter = _result_type(calls[0]) if calls else None
        places = [_arguments(one).get(OUT_FILE) for one in calls]
        kept = [
            _read(results, key, adapter, place or out_dir) if key else ()
            for key, place in zip(keys, places, strict=True)
        ]
        missing = [item for item, found in zip(items, kept, strict=True) if not found]
        computed = iter(workers(function, missing) if missing else ())
        for key, place, found in zip(keys, places, kept, strict=True):
            if found:
                yield found[0]
                continue
            result = next(computed)
            text = adapter.dump_json(result).decode()
            if key and keep(result):
                written = {ONLY_FILE: place} if place else {name: out_dir / name for name in files(result)}
                results.put(key, text, written)
            yield adapter.validate_json(text)
        results.trim()

    return map_in_order


def key_of(function: Callable[..., Any], same: Mapping[str, Any]) -> str:
    """Return the key of a call that is ready to be made: 64 hex digits.

    Args:
        function: a partial with all of its arguments.
        same: see cached_map.

    Raises:
        TypeError: an argument is of a kind that has no key.
    """
    target, *_ = _unpack(function)
    inputs = {name: _value(value) for name, value in _arguments(function).items() if name not in (OUT_DIR, OUT_FILE)}
    code = code_of(Path(inspect.getfile(target)).resolve())
    parts = {"format": FORMAT, "function": target.__qualname__, "code": code, "same": same, "inputs": inputs}
    return hashlib.sha256(json.dumps(parts, sort_keys=True, allow_nan=False).encode()).hexdigest()


def _key_if_readable(function: Callable[..., Any], same: Mapping[str, Any]) -> str:
    """Return the key of a call, or an empty text where a file cannot be read. The function says what that means."""
    try:
        return key_of(function, same)
    except OSError:
        return ""


def _unpack(function: Callable[..., Any]) -> tuple[Callable[..., Any], tuple[Any, ...], dict[str, Any]]:
    """Return the function below all partials, and its arguments."""
    if not isinstance(function, partial):
        return function, (), {}
    target, arguments, keywords = _unpack(function.func)
    return target, (*arguments, *function.args), {**keywords, **function.keywords}


def _arguments(function: Callable[..., Any]) -> dict[str, Any]:
    """Return the arguments of a call that is ready to be made, by name."""
    target, arguments, keywords = _unpack(function)
    bound = inspect.signature(target).bind(*arguments, **keywords)
    bound.apply_defaults()
    return bound.arguments


def _result_type(function: Callable[..., Any]) -> TypeAdapter[Any]:
    target, *_ = _unpack(function)
    return _adapter(target)


@cache
def _adapter(target: Callable[..., Any]) -> TypeAdapter[Any]:
    return TypeAdapter(get_type_hints(target)["return"])


def _value(value: Any) -> Any:
    """Return an argument as JSON values: a file as the hash of its bytes and its ending, a row as its fields."""
    if isinstance(value, Path):
        return {"sha256": file_sha256(value), "suffix": value.suffix}  # decoders look at the ending
    if isinstance(value, BaseModel):
        return value.model_dump(mode="json", exclude=WITHOUT_EFFECT)
    if isinstance(value, list | tuple):
        return [_value(one) for one in value]
    if isinstance(value, dict):
        return {key: _value(one) for key, one in value.items()}
    if value is None or isinstance(value, str | int | float):
        return value
    raise TypeError(f"{type(value).__name__} has no key in the cache: {value!r}")


def _read(results: ResultCache, key: str, adapter: TypeAdapter[Any], out_dir: Path | None) -> tuple[Any, ...]:
    """Return the kept result alone in a tuple, or an empty one where there is none."""
    text = results.get(key, out_dir)
    try:
        return () if text is None else (adapter.validate_json(text),)
    except ValidationError:
        return ()
