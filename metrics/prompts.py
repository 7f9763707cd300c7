"""The fixed prompts: what they are, how they are kept from changing unnoticed, and how a small subset is chosen.

A set is a prompt file with its seeds, and the user's custom prompts: every file of the same language in the folder
`custom` beside it. Each file is locked by one beside it (`en.yaml`, `en.lock`) that holds the hash of its content. The
hash of the whole set is kept with every score, so scores on different prompts are never compared. After an edit, run

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

from metrics.normalize import LANGUAGES, has_words

CUSTOM = "custom"  # category of the user's own prompts, and the folder that holds them
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
SPOKEN_FORM = re.compile(r"[^\W\d_]+(?:'[^\W\d_]+)*'?(?: [^\W\d_]+(?:'[^\W\d_]+)*'?)*")


def _check_spoken_form(text: str) -> str:
    if text != text.lower() or not SPOKEN_FORM.fullmatch(text):
        raise ValueError(
            "must be lower-case words with one space between them, and numbers written out as they are said"
        )
    return text


def _check_category(name: str) -> str:
    if name not in CATEGORIES:
        raise ValueError(f"unknown category {name!r}; one of {', '.join(CATEGORIES)}")
    return name


def _check_language(code: str) -> str:
    if code not in LANGUAGES:
        raise ValueError(f"unknown language {code!r}; one of {', '.join(LANGUAGES)}")
    return code


def _check_seeds(seeds: list[int]) -> list[int]:
    if len(set(seeds)) != len(seeds) or min(seeds) < 0:
        raise ValueError(f"{seeds} must be different and not negative")
    return seeds


class Part(BaseModel):
    """A part of a prompt file or of its lock. It is frozen, strict, and refuses unknown keys."""

    model_config = ConfigDict(frozen=True, extra="forbid", strict=True)


class Prompt(Part):
    """One fixed sentence that every voice is asked to say."""

    id: str = Field(
        pattern=r"^[a-z0-9_]{1,64}$", description="stable name, by which scores are paired and files are named"
    )
    category: Annotated[str, AfterValidator(_check_category)] = Field(description="one of CATEGORIES")
    text: str = Field(min_length=1, max_length=400, description="what the voice is given, as a person would type it")
    normalized: Annotated[str, AfterValidator(_check_spoken_form)] = Field(
        description="what a person would say: the reference of the word error rate"
    )


class CustomFile(Part):
    """A file of the user's custom prompts as it is written. Their seeds are those of the language's prompt file."""

    format: Literal[1] = Field(description="version of the file format")
    language: Annotated[str, AfterValidator(_check_language)] = Field(description="ISO 639 code of the texts")
    version: int = Field(ge=1, description="number to raise with every change of the prompts")
    prompts: list[Prompt] = Field(min_length=1, description="the prompts, each with its own id and text")

    @model_validator(mode="after")
    def _categories_fit(self) -> CustomFile:
        is_custom = type(self) is CustomFile
        if wrong := [prompt.id for prompt in self.prompts if (prompt.category == CUSTOM) != is_custom]:
            rule = f"must be {CUSTOM!r}" if is_custom else f"must not be {CUSTOM!r}, which is for the folder {CUSTOM}"
            raise ValueError(f"category of {', '.join(wrong)}: in this file it {rule}")
        return self

    @model_validator(mode="after")
    def _texts_have_words(self) -> CustomFile:
        for prompt in self.prompts:
            for name in ("text", "normalized"):
                if not has_words(getattr(prompt, name), self.language):
                    raise ValueError(
                        f"{name} of {prompt.id}: {getattr(prompt, name)!r} has no words after normalisation, so no "
                        "errors could be counted; write words that are scored, or remove the prompt"
                    )
        return self


class PromptFile(CustomFile):
    """The prompt file of a language as it is written."""

    seeds: Annotated[list[int], AfterValidator(_check_seeds)] = Field(
        min_length=1, description="sampling seeds, with each of which every prompt is spoken once"
    )


class PromptSet(Part):
    """The prompts that a voice is asked to say, checked against their locks."""

    language: str = Field(description="ISO 639 code of the texts")
    version: int = Field(description="version of the prompt file")
    seeds: tuple[int, ...] = Field(description="sampling seeds, in the order of the file")
    prompts: tuple[Prompt, ...] = Field(description="the prompts in the order of the file, then the user's own")
    sha256: str = Field(description="hash of the content; scores are comparable only where it is equal")


class Lock(Part):
    """What a prompt file held when a person last approved it."""

    format: Literal[1] = Field(default=1, description="version of the file format")
    language: str = Field(description="ISO 639 code of the texts")
    version: int = Field(description="version of the prompt file")
    n_prompts: int = Field(description="number of prompts")
    content_sha256: str = Field(description="hash of language, seeds and prompts, see the function `content_sha256`")
    file_sha256: str = Field(description="hash of the file's bytes, comments included")


def load_prompts(path: Path) -> PromptSet:
    """Load the prompts of a YAML file and the custom ones of its language, if all of them are as locked.

    Raises:
        ValueError: a file is missing or malformed, has an unknown key, category or language, has an id or text that is
            already in the set, or differs from its lock. The message names the file, the fault and what to do.
    """
    main = _read(path)
    if not isinstance(main, PromptFile):
        raise ValueError(
            f"{path}: a file of custom prompts is not a set by itself; name the prompt file of its language"
        )
    _check_lock(path, main)
    prompts = {path: main.prompts}
    for custom_path in custom_files(path):
        custom = _read(custom_path)
        _check_lock(custom_path, custom)
        if custom.language == main.language:
            prompts[custom_path] = custom.prompts
    _refuse_collisions(prompts)
    merged = tuple(prompt for part in prompts.values() for prompt in part)
    return PromptSet(
        language=main.language,
        version=main.version,
        seeds=tuple(main.seeds),
        prompts=merged,
        sha256=content_sha256(main.language, main.seeds, merged),
    )


def custom_files(path: Path) -> list[Path]:
    """List the files of custom prompts in the folder `custom` beside a prompt file, of every language, by name.

    Raises:
        ValueError: something there would be overlooked, such as `terms.yml` or a folder.
    """
    folder = path.parent / CUSTOM
    found = sorted(folder.iterdir()) if folder.is_dir() else []
    for entry in found:
        if not entry.name.startswith(".") and (entry.suffix not in (".yaml", ".lock", ".md") or entry.is_dir()):
            raise ValueError(
                f"{entry}: would not be read; custom prompts are files {CUSTOM}/NAME.yaml, so rename or move it"
            )
    return [entry for entry in found if entry.suffix == ".yaml" and not entry.name.startswith(".")]


def write_lock(path: Path) -> Path:
    """Lock a prompt file as it is now, in one step, and return the path of the lock.

    Raises:
        ValueError: the file is malformed, or its prompts changed and its `version` did not.
    """
    lock, before = _make_lock(path, _read(path)), _read_lock(lock_path(path))
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
    """Return the path of a prompt file's lock: the same name ending in `.lock`."""
    return path.with_suffix(".lock")


def content_sha256(language: str, seeds: Sequence[int], prompts: Sequence[Prompt]) -> str:
    """Hash what is asked, whatever the order and layout of the file. Return the hex sha256 of canonical JSON."""
    content = {
        "language": language,
        "seeds": list(seeds),
        "prompts": [p.model_dump() for p in sorted(prompts, key=lambda p: p.id)],
    }
    text = json.dumps(content, sort_keys=True, separators=(",", ":"), ensure_ascii=True)
    return hashlib.sha256(text.encode("ascii")).hexdigest()


def selection_subset(prompts: Sequence[Prompt], n: int) -> tuple[Prompt, ...]:
    """Choose `n` prompts that are spread over the categories.

    One prompt of each category is taken in turn, in the order of CATEGORIES, the lowest id first. A larger subset
    contains every smaller one.

    Raises:
        ValueError: `n` is not between 1 and the number of prompts.
    """
    if not 1 <= n <= len(prompts):
        raise ValueError(f"cannot take {n} prompts; there are {len(prompts)}, so take 1 to {len(prompts)}")
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
        raise ValueError(f"{path}: there is no prompt file; it is named by evaluate.prompts in params.yaml") from error
    except ValidationError as error:
        raise ValueError(f"{path}: {_faults(error)}; correct it, then run `{_command(path)}`") from error
    # ValueError: not UTF-8, or a day that does not exist such as 2030-02-31
    except (YAMLError, ValueError, RecursionError) as error:
        raise ValueError(f"{path}: not valid YAML ({' '.join(str(error).split())}); correct it") from error
    _refuse_collisions({path: file.prompts})
    return file


def _refuse_collisions(files: Mapping[Path, Sequence[Prompt]]) -> None:
    """Raise ValueError for ids, by which scores are paired, and texts that are there more than once."""
    for name in ("id", "text"):
        first: dict[str, Path] = {}
        for path, prompts in files.items():
            for prompt in prompts:
                value = getattr(prompt, name)
                if value in first:
                    where = "" if first[value] == path else f", first in {first[value]}"
                    raise ValueError(f"{path}: {name} {value!r} is there more than once{where}; keep one of them")
                first[value] = path


def _check_lock(path: Path, file: CustomFile) -> None:
    locked, found = _read_lock(lock_path(path)), _make_lock(path, file)
    if locked is None:
        raise ValueError(f"{lock_path(path)}: there is no lock for {path.name}; run `{_command(path)}` and commit it")
    changed = [name for name in type(found).model_fields if getattr(found, name) != getattr(locked, name)]
    if changed == ["file_sha256"]:
        raise ValueError(
            f"{path}: the prompts are the locked ones, but comments or layout changed; run `{_command(path)}`"
        )
    if changed:
        found_values, locked_values = (
            ", ".join(f"{name} {_short(getattr(lock, name))}" for name in changed) for lock in (found, locked)
        )
        raise ValueError(
            f"{path}: the prompts differ from the locked ones: found {found_values}; locked {locked_values}. Scores on "
            "other prompts are not comparable: undo the change, or raise `version` and accept a new baseline with "
            f"`{_command(path)}`"
        )


def _read_lock(path: Path) -> Lock | None:
    """Return the lock in a file, or None if the file is missing."""
    try:
        return Lock.model_validate_json(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        return None
    except (ValidationError, UnicodeDecodeError) as error:
        prompts = path.with_suffix(".yaml")
        raise ValueError(
            f"{path}: not a lock of prompts; restore it from version control, or delete it and run "
            f"`{_command(prompts)}`"
        ) from error


def _make_lock(path: Path, file: CustomFile) -> Lock:
    return Lock(
        language=file.language,
        version=file.version,
        n_prompts=len(file.prompts),
        content_sha256=content_sha256(file.language, file.seeds if isinstance(file, PromptFile) else (), file.prompts),
        file_sha256=hashlib.sha256(path.read_bytes()).hexdigest(),
    )


def _faults(error: ValidationError) -> str:
    """Return every fault of a file in one line, each with its place: `prompts.3.category: unknown category ...`."""
    faults = [(".".join(map(str, fault["loc"])) or "the file", fault["msg"]) for fault in error.errors()]
    return "; ".join(f"{where}: {message.removeprefix('Value error, ')}" for where, message in faults)


def _short(value: object) -> str:
    return f"{value[:12]}..." if isinstance(value, str) and len(value) == 64 else str(value)


def _command(path: Path) -> str:
    return f"python -m metrics.prompts lock {path}"


def main(arguments: Sequence[str] | None = None) -> int:
    """Write locks (`lock FILE...`) or verify them (`check FILE...`).

    Returns:
        0, or 1 after a message on stderr.
    """
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
                prompts = load_prompts(path)
                print(
                    f"{path}: the set has {len(prompts.prompts)} prompts x {len(prompts.seeds)} seeds, {prompts.sha256}"
                )
    except ValueError as error:
        print(error, file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
