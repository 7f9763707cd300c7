"""The regression files of benchmarks/text: read them and compare them with the front end.

    python -m gpt_sovits.text.expectations FILE...

prints every line whose phonemes differ. The exit code is 0 if none does, 1 if any does, 2 if a file cannot be read.
"""

import dataclasses
import sys
from pathlib import Path

from ruamel.yaml.nodes import Node

from gpt_sovits.text.frontend import phonemize
from gpt_sovits.text.lexicon import Lexicon, load_lexicon
from gpt_sovits.text.symbols import SYMBOL_IDS
from gpt_sovits.text.yaml_lines import check_format, list_items, location, mapping_items, read_nodes, text_value

FORMAT = 1
KEYS = ("text", "spoken", "phonemes", "about")


@dataclasses.dataclass(frozen=True)
class Expectation:
    """A line of a regression file.

    Attributes:
        place: Where the line is, like "en.yaml, line 7".
        text: The text as written.
        phonemes: The symbols that it must have.
        about: What the line tests, in a word or a few.
        spoken: The normalized text that it must have, None if the file does not give one.
    """

    place: str
    text: str
    phonemes: tuple[str, ...]
    about: str
    spoken: str | None = None


@dataclasses.dataclass(frozen=True)
class Expectations:
    """A regression file.

    Attributes:
        language: The language of all lines, as `phonemize` takes it.
        lines: The lines, in the order of the file.
        lexicon: The lexicon beside the file, None if there is none.
    """

    language: str
    lines: tuple[Expectation, ...]
    lexicon: Lexicon | None = None


def load_expectations(path: str | Path) -> Expectations:
    """Load a regression file, with NAME.lexicon.yaml beside NAME.yaml if there is one.

    benchmarks/text/README.md describes the format.

    Raises:
        ValueError: If a key is unknown, missing or given twice, a value is empty, a symbol is unknown, a text appears
            twice, or there are no lines. The message names file and line.
    """
    path = Path(path)
    found = {key: (key_node, value) for key, key_node, value in mapping_items(read_nodes(path), path, "the file")}
    for key, (key_node, _) in found.items():
        if key not in ("format", "language", "lines"):
            raise ValueError(f"{location(path, key_node)}: unknown key {key!r}; known: format, language, lines")
    for key in ("format", "language", "lines"):
        if key not in found:
            raise ValueError(f"{path}: the key {key!r} is missing; add it")
    check_format(found["format"][1], path, FORMAT)
    language = text_value(found["language"][1], path, "language")
    lines: dict[str, Expectation] = {}
    for node in list_items(found["lines"][1], path, "lines"):
        expectation = _parse_line(node, path)
        if expectation.text in lines:
            raise ValueError(
                f"{expectation.place}: the same text as in {lines[expectation.text].place}; remove one of them"
            )
        lines[expectation.text] = expectation
    if not lines:
        raise ValueError(f"{path}: the list of lines is empty; add at least one")
    lexicon = path.with_name(f"{path.stem}.lexicon.yaml")
    return Expectations(language, tuple(lines.values()), load_lexicon(lexicon) if lexicon.is_file() else None)


def _parse_line(node: Node, path: Path) -> Expectation:
    place = location(path, node)
    values = {}
    for key, key_node, value in mapping_items(node, path, "a line"):
        if key not in KEYS:
            raise ValueError(f"{location(path, key_node)}: unknown key {key!r}; known: {', '.join(KEYS)}")
        values[key] = text_value(value, path, key, key_node)
    missing = [key for key in ("text", "phonemes", "about") if key not in values]
    if missing:
        raise ValueError(f"{place}: the line has no {' and no '.join(missing)}")
    phonemes = tuple(values["phonemes"].split())
    unknown = [symbol for symbol in phonemes if symbol not in SYMBOL_IDS]
    if unknown:
        raise ValueError(f"{place}: unknown symbol {unknown[0]!r}; gpt_sovits/text/symbols.py lists the symbols")
    return Expectation(place, values["text"], phonemes, values["about"], values.get("spoken"))


def differences(expectations: Expectations) -> list[str]:
    """Return a sentence for each line that the front end speaks differently."""
    found = []
    for line in expectations.lines:
        try:
            phonemes = phonemize(line.text, expectations.language, expectations.lexicon)
        except ValueError as error:
            found.append(f"{line.place}: {line.text!r} ({line.about}) is refused: {error}")
            continue
        if tuple(phonemes.symbols) != line.phonemes:
            expected, actual = " ".join(line.phonemes), " ".join(phonemes.symbols)
            found.append(f"{line.place}: {line.text!r} ({line.about})\n  expected {expected}\n  but got  {actual}")
        elif line.spoken not in (None, phonemes.normalized_text):
            found.append(
                f"{line.place}: {line.text!r} ({line.about}) is read as {phonemes.normalized_text!r}, "
                f"expected {line.spoken!r}"
            )
    return found


def main(arguments: list[str]) -> int:
    """Print the differences of the files named on the command line, and return the exit code."""
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
