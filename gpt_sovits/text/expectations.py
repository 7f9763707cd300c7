"""What texts must sound like: the YAML files of benchmarks/text, read and compared with the front end.

python -m gpt_sovits.text.expectations FILE...      prints every line that sounds otherwise; exit code 1 if any does
"""

import dataclasses
import sys
from pathlib import Path

from ruamel.yaml.nodes import Node

from gpt_sovits.text.frontend import phonemize
from gpt_sovits.text.lexicon import Lexicon, load_lexicon
from gpt_sovits.text.symbols import SYMBOL_IDS
from gpt_sovits.text.yaml_lines import check_format, elements, items, read_nodes, text, where

FORMAT = 1
KEYS = ("text", "spoken", "phonemes", "about")


@dataclasses.dataclass(frozen=True)
class Expectation:
    """place: "file, line 7"; spoken: the normalized text, None where the file does not say."""

    place: str
    text: str
    phonemes: tuple[str, ...]
    about: str
    spoken: str | None = None


@dataclasses.dataclass(frozen=True)
class Expectations:
    language: str
    lines: tuple[Expectation, ...]
    lexicon: Lexicon | None = None


def load_expectations(path: str | Path) -> Expectations:
    """A file in the format that benchmarks/text/README.md describes, with NAME.lexicon.yaml where one lies beside it.

    Raises ValueError that names file and line: for unknown, missing or double keys, empty values, an unknown symbol, a
    text that stands twice, and a file without lines.
    """
    path = Path(path)
    found = {key: (key_node, value) for key, key_node, value in items(read_nodes(path), path, "the file")}
    for key, (key_node, _) in found.items():
        if key not in ("format", "language", "lines"):
            raise ValueError(f"{where(path, key_node)}: unknown key {key!r}; known: format, language, lines")
    for key in ("format", "language", "lines"):
        if key not in found:
            raise ValueError(f"{path}: no {key!r}")
    check_format(found["format"][1], path, FORMAT)
    language = text(found["language"][1], path, "language")
    lines: dict[str, Expectation] = {}
    for node in elements(found["lines"][1], path, "lines"):
        expectation = _expectation(node, path)
        if expectation.text in lines:
            raise ValueError(f"{expectation.place}: the same text as in {lines[expectation.text].place}")
        lines[expectation.text] = expectation
    if not lines:
        raise ValueError(f"{path}: no lines")
    lexicon = path.with_name(f"{path.stem}.lexicon.yaml")
    return Expectations(language, tuple(lines.values()), load_lexicon(lexicon) if lexicon.is_file() else None)


def _expectation(node: Node, path: Path) -> Expectation:
    place = where(path, node)
    values = {}
    for key, key_node, value in items(node, path, "a line"):
        if key not in KEYS:
            raise ValueError(f"{where(path, key_node)}: unknown key {key!r}; known: {', '.join(KEYS)}")
        values[key] = text(value, path, key, key_node)
    missing = [key for key in ("text", "phonemes", "about") if key not in values]
    if missing:
        raise ValueError(f"{place}: the line has no {' and no '.join(missing)}")
    phonemes = tuple(values["phonemes"].split())
    unknown = [symbol for symbol in phonemes if symbol not in SYMBOL_IDS]
    if unknown:
        raise ValueError(f"{place}: unknown symbol {unknown[0]!r}; gpt_sovits/text/symbols.py lists the symbols")
    return Expectation(place, values["text"], phonemes, values["about"], values.get("spoken"))


def differences(expectations: Expectations) -> list[str]:
    """A sentence for each line that the front end speaks otherwise; empty where all is as expected."""
    found = []
    for line in expectations.lines:
        try:
            phonemes = phonemize(line.text, expectations.language, expectations.lexicon)
        except ValueError as error:
            found.append(f"{line.place}: {line.text!r} ({line.about}) is refused: {error}")
            continue
        if tuple(phonemes.symbols) != line.phonemes:
            expected, said = " ".join(line.phonemes), " ".join(phonemes.symbols)
            found.append(f"{line.place}: {line.text!r} ({line.about})\n  expected {expected}\n  but said {said}")
        elif line.spoken not in (None, phonemes.normalized_text):
            found.append(
                f"{line.place}: {line.text!r} ({line.about}) is read as {phonemes.normalized_text!r}, "
                f"expected {line.spoken!r}"
            )
    return found


def main(arguments: list[str]) -> int:
    found = []
    try:
        for argument in arguments:
            found += differences(load_expectations(argument))
    except (ValueError, OSError) as error:
        print(f"error: {error}", file=sys.stderr)
        return 2
    print("\n".join(found), end="\n" * bool(found))
    return 1 if found else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
