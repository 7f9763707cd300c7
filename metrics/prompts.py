"""The fixed prompts: what they are, how they are kept from changing unnoticed, and a small subset of them.

A prompt file is locked by a file beside it (`en.yaml`, `en.lock`) that holds the hash of its content. That hash travels
with every score, so scores on different questions are never compared. After an edit:

    python -m metrics.prompts lock benchmarks/prompts/en.yaml
"""

from __future__ import annotations

import argparse
import hashlib
import json
import os
import re
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Annotated, Literal

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, ValidationError
from ruamel.yaml import YAML
from ruamel.yaml.error import YAMLError

CATEGORIES = (
    "everyday",
    "numbers_and_dates",
    "names",
    "questions",
    "long",
    "short",
    "tongue_twisters",
    "domain_terms",
)
SPOKEN = re.compile(r"[^\W\d_]+(?:'[^\W\d_]+)*'?(?: [^\W\d_]+(?:'[^\W\d_]+)*'?)*")


def _spoken(text: str) -> str:
    if text != text.lower() or not SPOKEN.fullmatch(text):
        raise ValueError("must be lower-case words, one space between them, numbers written out as they are said")
    return text


def _category(name: str) -> str:
    if name not in CATEGORIES:
        raise ValueError(f"unknown category {name!r}; one of {', '.join(CATEGORIES)}")
    return name


class Part(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid", strict=True)


class Prompt(Part):
    """One question to a voice."""

    id: str = Field(pattern=r"^[a-z0-9_]{1,64}$", description="stable name: scores are paired by it, files named by it")
    category: Annotated[str, AfterValidator(_category)]
    text: str = Field(min_length=1, max_length=400, description="what the voice is given, as a person would type it")
    normalized: Annotated[str, AfterValidator(_spoken)] = Field(description="what a person says: the reference of WER")


class PromptFile(Part):
    """A prompt file as it is written."""

    format: Literal[1]
    language: str = Field(pattern=r"^[a-z]{2,3}$", description="ISO 639 code")
    version: int = Field(ge=1, description="raised with every change of the prompts")
    prompts: list[Prompt] = Field(min_length=1)


class PromptSet(Part):
    """The prompts of one file, checked against their lock."""

    language: str
    version: int
    prompts: tuple[Prompt, ...] = Field(description="in the order of the file")
    sha256: str = Field(description="of the content: scores are comparable only where it is equal")


class Lock(Part):
    """What a prompt file held when a person last said that it is right."""

    format: Literal[1] = 1
    language: str
    version: int
    n_prompts: int
    content_sha256: str = Field(description="of the language and every prompt, sorted by id; see `content_sha256`")
    file_sha256: str = Field(description="of the file's bytes, comments included")


def load_prompts(path: Path) -> PromptSet:
    """The prompts of a YAML file, if they are what the lock beside it says.

    Raises ValueError that names the file, what is wrong with it and what to do: missing or malformed file, unknown key
    or category, repeated id or text, no prompts, missing lock, content other than the locked one.
    """
    file = _read(path)
    expected, seen = _read_lock(lock_path(path)), _lock_of(path, file)
    if expected is None:
        raise ValueError(f"{lock_path(path)}: no lock for {path.name}; run `{_command(path)}` and commit it")
    changed = [name for name in type(seen).model_fields if getattr(seen, name) != getattr(expected, name)]
    if changed == ["file_sha256"]:
        raise ValueError(f"{path}: the prompts are as locked, but comments or layout changed; run `{_command(path)}`")
    if changed:
        found, locked = (
            ", ".join(f"{name} {_short(getattr(side, name))}" for name in changed) for side in (seen, expected)
        )
        raise ValueError(
            f"{path}: the prompts are not the locked ones: found {found}; locked {locked}. Scores on other prompts are "
            f"not comparable: undo the change, or raise `version` and accept a new baseline with `{_command(path)}`"
        )
    return PromptSet(
        language=file.language, version=file.version, prompts=tuple(file.prompts), sha256=seen.content_sha256
    )


def write_lock(path: Path) -> Path:
    """Lock the prompt file at `path` as it is now, and return the lock's path. Atomic.

    Raises ValueError where the file is malformed, or where its prompts changed and its `version` did not.
    """
    lock, before = _lock_of(path, _read(path)), _read_lock(lock_path(path))
    if before and before.content_sha256 != lock.content_sha256 and before.version >= lock.version:
        raise ValueError(
            f"{path}: the prompts changed since version {before.version} was locked, but version is {lock.version}; "
            f"set `version: {before.version + 1}` and lock again"
        )
    target = lock_path(path)
    temporary = target.with_name(f".{target.name}.{os.getpid()}.tmp")
    temporary.write_text(json.dumps(lock.model_dump(), indent=2, sort_keys=True) + "\n", encoding="utf-8")
    temporary.replace(target)
    return target


def lock_path(path: Path) -> Path:
    """The lock that belongs to a prompt file: the same name ending in `.lock`."""
    return path.with_suffix(".lock")


def content_sha256(language: str, prompts: Sequence[Prompt]) -> str:
    """Hash of what is asked, whatever the order and layout of the file: hex sha256 of canonical JSON."""
    content = {"language": language, "prompts": [p.model_dump() for p in sorted(prompts, key=lambda p: p.id)]}
    text = json.dumps(content, sort_keys=True, separators=(",", ":"), ensure_ascii=True)
    return hashlib.sha256(text.encode("ascii")).hexdigest()


def selection_subset(prompts: Sequence[Prompt], n: int) -> tuple[Prompt, ...]:
    """`n` prompts spread over the categories: one of each in turn, in the order of CATEGORIES, lowest id first.

    A larger subset contains every smaller one. Raises ValueError unless 1 <= n <= len(prompts).
    """
    if not 1 <= n <= len(prompts):
        raise ValueError(f"{n} prompts asked for; there are {len(prompts)}, so ask for 1 to {len(prompts)}")
    rank_in_category: dict[str, int] = dict.fromkeys(CATEGORIES, 0)
    order = []
    for prompt in sorted(prompts, key=lambda p: p.id):
        order.append((rank_in_category[prompt.category], CATEGORIES.index(prompt.category), prompt))
        rank_in_category[prompt.category] += 1
    return tuple(prompt for *_, prompt in sorted(order, key=lambda entry: entry[:2])[:n])


def _read(path: Path) -> PromptFile:
    try:
        text = path.read_text(encoding="utf-8")
        file = PromptFile.model_validate(YAML(typ="safe", pure=True).load(text))
    except FileNotFoundError as error:
        raise ValueError(f"{path}: no prompt file there; evaluate.prompts in params.yaml names it") from error
    except (YAMLError, UnicodeDecodeError) as error:
        raise ValueError(f"{path}: not YAML ({' '.join(str(error).split())}); mend it") from error
    except ValidationError as error:
        raise ValueError(f"{path}: {_faults(error)}; mend it, then run `{_command(path)}`") from error
    for name in ("id", "text"):
        values = [getattr(prompt, name) for prompt in file.prompts]
        if twice := sorted({value for value in values if values.count(value) > 1}):
            raise ValueError(f"{path}: {name} {', '.join(map(repr, twice))} is there more than once; keep one of each")
    return file


def _read_lock(path: Path) -> Lock | None:
    """The lock in a file, or None where there is none."""
    try:
        return Lock.model_validate_json(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        return None
    except (ValidationError, UnicodeDecodeError) as error:
        prompts = path.with_suffix(".yaml")
        raise ValueError(
            f"{path}: not a lock of prompts; restore it from version control, or delete it, then `{_command(prompts)}`"
        ) from error


def _lock_of(path: Path, file: PromptFile) -> Lock:
    return Lock(
        language=file.language,
        version=file.version,
        n_prompts=len(file.prompts),
        content_sha256=content_sha256(file.language, file.prompts),
        file_sha256=hashlib.sha256(path.read_bytes()).hexdigest(),
    )


def _faults(error: ValidationError) -> str:
    """Every fault of a file in one line, the place first: `prompts.3.category: unknown category ...`."""
    faults = [(".".join(map(str, fault["loc"])) or "the file", fault["msg"]) for fault in error.errors()]
    return "; ".join(f"{where}: {message.removeprefix('Value error, ')}" for where, message in faults)


def _short(value: object) -> str:
    return f"{value[:12]}..." if isinstance(value, str) and len(value) == 64 else str(value)


def _command(path: Path) -> str:
    return f"python -m metrics.prompts lock {path}"


def main(arguments: Sequence[str] | None = None) -> int:
    """`lock FILE` writes the lock, `check FILE` verifies it. Returns 0, or 1 after a sentence on stderr."""
    parser = argparse.ArgumentParser(prog="python -m metrics.prompts", description="Lock or check a file of prompts.")
    parser.add_argument("action", choices=("lock", "check"))
    parser.add_argument("file", type=Path)
    options = parser.parse_args(arguments)
    try:
        if options.action == "lock":
            write_lock(options.file)
        found = load_prompts(options.file)
    except ValueError as error:
        print(error, file=sys.stderr)
        return 1
    print(f"{options.file}: {len(found.prompts)} prompts, version {found.version}, content {found.sha256}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
