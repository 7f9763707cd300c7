"""The fixed prompts: what they are, how they are kept from changing unnoticed, and a small subset of them.

A set is a prompt file, its seeds among it, and the user's own prompts: every file of the same language in the folder
`custom` beside it. Each file is locked by one beside it (`en.yaml`, `en.lock`) that holds the hash of its content. The
hash of the whole set travels with every score, so scores on different questions are never compared. After an edit:

    python -m metrics.prompts lock benchmarks/prompts/en.yaml
"""

from __future__ import annotations

import argparse
import hashlib
import json
import os
import re
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Annotated, Literal

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, ValidationError, model_validator
from ruamel.yaml import YAML
from ruamel.yaml.error import YAMLError

from metrics.normalize import LANGUAGES

CUSTOM = "custom"  # the category of the user's own prompts, and the folder that holds them
CATEGORIES = (
    "everyday",
    "numbers_and_dates",
    "names",
    "questions",
    "long",
    "short",
    "tongue_twisters",
    "domain_terms",
    CUSTOM,
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


def _language(code: str) -> str:
    if code not in LANGUAGES:
        raise ValueError(f"unknown language {code!r}; one of {', '.join(LANGUAGES)}")
    return code


def _seeds(seeds: list[int]) -> list[int]:
    if len(set(seeds)) != len(seeds) or min(seeds) < 0:
        raise ValueError(f"{seeds} must be different and not negative")
    return seeds


class Part(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid", strict=True)


class Prompt(Part):
    """One question to a voice."""

    id: str = Field(pattern=r"^[a-z0-9_]{1,64}$", description="stable name: scores are paired by it, files named by it")
    category: Annotated[str, AfterValidator(_category)]
    text: str = Field(min_length=1, max_length=400, description="what the voice is given, as a person would type it")
    normalized: Annotated[str, AfterValidator(_spoken)] = Field(description="what a person says: the reference of WER")


class CustomFile(Part):
    """A file of the user's own prompts as it is written. Its seeds are those of the language's prompt file."""

    format: Literal[1]
    language: Annotated[str, AfterValidator(_language)] = Field(description="of the texts")
    version: int = Field(ge=1, description="raised with every change of the prompts")
    prompts: list[Prompt] = Field(min_length=1)

    @model_validator(mode="after")
    def _categories_fit(self) -> CustomFile:
        is_custom = type(self) is CustomFile
        if wrong := [prompt.id for prompt in self.prompts if (prompt.category == CUSTOM) != is_custom]:
            wanted = f"is {CUSTOM!r}" if is_custom else f"is any but {CUSTOM!r}, which is for the folder {CUSTOM}"
            raise ValueError(f"category of {', '.join(wrong)}: in this file it {wanted}")
        return self


class PromptFile(CustomFile):
    """The prompt file of a language as it is written."""

    seeds: Annotated[list[int], AfterValidator(_seeds)] = Field(
        min_length=1, description="sampling seeds: every prompt is spoken once with each"
    )


class PromptSet(Part):
    """The prompts that a voice is asked, checked against their locks."""

    language: str
    version: int
    seeds: tuple[int, ...] = Field(description="sampling seeds, in the order of the file")
    prompts: tuple[Prompt, ...] = Field(description="in the order of the file; the user's own behind them")
    sha256: str = Field(description="of the content: scores are comparable only where it is equal")


class Lock(Part):
    """What a prompt file held when a person last said that it is right."""

    format: Literal[1] = 1
    language: str
    version: int
    n_prompts: int
    content_sha256: str = Field(description="of language, seeds and every prompt, sorted by id; see `content_sha256`")
    file_sha256: str = Field(description="of the file's bytes, comments included")


def load_prompts(path: Path) -> PromptSet:
    """The prompts of a YAML file and the user's own of its language (`custom_files`), if all are as locked.

    Raises ValueError that names the file, what is wrong with it and what to do: missing or malformed file, unknown key,
    category or language, an id or text that stands twice in the set, no lock, content other than the locked one.
    """
    main = _read(path)
    if not isinstance(main, PromptFile):
        raise ValueError(f"{path}: a file of own prompts is no set; name the prompt file of its language")
    _check_lock(path, main)
    prompts = {path: main.prompts}
    for own_path in custom_files(path):
        own = _read(own_path)
        _check_lock(own_path, own)
        if own.language == main.language:
            prompts[own_path] = own.prompts
    _refuse_collisions(prompts)
    merged = tuple(prompt for some in prompts.values() for prompt in some)
    return PromptSet(
        language=main.language,
        version=main.version,
        seeds=tuple(main.seeds),
        prompts=merged,
        sha256=content_sha256(main.language, main.seeds, merged),
    )


def custom_files(path: Path) -> list[Path]:
    """The files of the user's own prompts, of every language, in the folder `custom` beside a prompt file, by name.

    Raises ValueError for anything there that would be overlooked, such as `terms.yml` or a folder.
    """
    folder = path.parent / CUSTOM
    found = sorted(folder.iterdir()) if folder.is_dir() else []
    for entry in found:
        if not entry.name.startswith(".") and (entry.suffix not in (".yaml", ".lock", ".md") or entry.is_dir()):
            raise ValueError(
                f"{entry}: would not be read; own prompts are files {CUSTOM}/NAME.yaml, so rename or move it"
            )
    return [entry for entry in found if entry.suffix == ".yaml" and not entry.name.startswith(".")]


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


def content_sha256(language: str, seeds: Sequence[int], prompts: Sequence[Prompt]) -> str:
    """Hash of what is asked, whatever the order and layout of the file: hex sha256 of canonical JSON."""
    content = {
        "language": language,
        "seeds": list(seeds),
        "prompts": [p.model_dump() for p in sorted(prompts, key=lambda p: p.id)],
    }
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


def _read(path: Path) -> CustomFile:
    kind = CustomFile if path.parent.name == CUSTOM else PromptFile
    try:
        text = path.read_text(encoding="utf-8")
        file = kind.model_validate(YAML(typ="safe", pure=True).load(text))
    except FileNotFoundError as error:
        raise ValueError(f"{path}: no prompt file there; evaluate.prompts in params.yaml names it") from error
    except (YAMLError, UnicodeDecodeError) as error:
        raise ValueError(f"{path}: not YAML ({' '.join(str(error).split())}); mend it") from error
    except ValidationError as error:
        raise ValueError(f"{path}: {_faults(error)}; mend it, then run `{_command(path)}`") from error
    _refuse_collisions({path: file.prompts})
    return file


def _refuse_collisions(files: Mapping[Path, Sequence[Prompt]]) -> None:
    """Scores are paired by id, and a text asked twice would count twice."""
    for name in ("id", "text"):
        first: dict[str, Path] = {}
        for path, prompts in files.items():
            for prompt in prompts:
                value = getattr(prompt, name)
                if value in first:
                    where = "" if first[value] == path else f", first in {first[value]}"
                    raise ValueError(f"{path}: {name} {value!r} is there more than once{where}; keep one of each")
                first[value] = path


def _check_lock(path: Path, file: CustomFile) -> None:
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


def _lock_of(path: Path, file: CustomFile) -> Lock:
    return Lock(
        language=file.language,
        version=file.version,
        n_prompts=len(file.prompts),
        content_sha256=content_sha256(file.language, file.seeds if isinstance(file, PromptFile) else (), file.prompts),
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
    """`lock FILE...` writes the locks, `check FILE...` verifies them. Returns 0, or 1 after a sentence on stderr."""
    parser = argparse.ArgumentParser(prog="python -m metrics.prompts", description="Lock or check files of prompts.")
    parser.add_argument("action", choices=("lock", "check"))
    parser.add_argument("files", type=Path, nargs="+")
    options = parser.parse_args(arguments)
    try:
        for path in options.files:
            if options.action == "lock":
                write_lock(path)
            file = _read(path)
            _check_lock(path, file)
            print(f"{path}: {len(file.prompts)} prompts, version {file.version}")
            if isinstance(file, PromptFile):
                found = load_prompts(path)
                print(f"{path}: the set has {len(found.prompts)} prompts x {len(found.seeds)} seeds, {found.sha256}")
    except ValueError as error:
        print(error, file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
