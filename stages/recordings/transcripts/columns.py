"""What the columns of a table without a header are, by their number and their content."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Sequence

from gpt_sovits.text.alphabets import HAN, HANGUL, KANA
from gpt_sovits.text.languages import AUTOMATIC, language_code
from stages.recordings.transcripts.rows import LayoutError, Line, Row

LIST_WIDTH = 4  # of a GPT-SoVITS .list: path|speaker|language|text
WORD = re.compile(rf"[{HAN}{KANA}{HANGUL}]|[^\W_]+")


def positional_rows(
    lines: Sequence[Line], name_column: int, speaker: str, delimiter: str, *, is_list: bool
) -> list[Row]:
    """Return the rows of a table whose columns have no names.

    Two columns are name and text, three are LJSpeech's (name, text, normalised text) or have a speaker, four are those
    of a GPT-SoVITS `.list`.

    Args:
        lines: all lines of the table, at least one.
        name_column: the column with the names of the audio.
        speaker: the voice's name.
        delimiter: what separates the columns, which a text may hold too.
        is_list: whether four columns are those of a `.list` for certain. Otherwise the third must name languages.

    Raises:
        LayoutError: it cannot be known which column is the text.
    """
    if _is_list(lines, certain=is_list):
        return [_list_row(line, delimiter) for line in lines]
    widths = Counter(len(line.cells) for line in lines)
    width = max(widths, key=lambda width: (widths[width], width))
    if width > 3 or (name_column and width == 1):
        raise LayoutError(f"has {width} columns without names; {_advice(delimiter)}")
    others = [column for column in range(width) if column != name_column]
    narrow = [[line.cells[column] for column in others] for line in lines if len(line.cells) == width]
    text_column, speaker_column = others[-1] if others else 1, None
    if width == 3:
        for line in lines:
            if 0 < line.unquoted.count(f"{delimiter} ") < line.unquoted.count(delimiter) and delimiter in ",;":
                raise LayoutError(
                    f"has three columns, or two and texts with {delimiter!r}, as in line {line.number}; "
                    f"{_advice(delimiter)}"
                )
        text_column, speaker_column = _text_and_speaker(narrow, others, speaker, delimiter)
    return [_row(line, name_column, width, text_column, speaker_column, delimiter) for line in lines]


def _advice(delimiter: str) -> str:
    examples = [delimiter.join(names) for names in (("file", "text"), ("file", "speaker", "text"))]
    return f"name them in a first line, such as `{examples[0]}` or `{examples[1]}`"


def _is_list(lines: Sequence[Line], *, certain: bool) -> bool:
    """Return whether most lines have at least four columns, of which the third names languages.

    Where the width is larger and the same in all lines, the further columns are not parts of a text.
    """
    wide = [line.cells for line in lines if len(line.cells) >= LIST_WIDTH]
    widths = {len(line.cells) for line in lines}
    if len(lines) > 1 and len(widths) == 1 and widths != {LIST_WIDTH}:
        return False
    if 2 * len(wide) <= len(lines):
        return False
    return certain or 2 * sum(_is_language(cells[2]) for cells in wide) > len(wide)


def _is_language(written: str) -> bool:
    try:
        return bool(language_code(written))
    except ValueError:
        return written.strip().lower() in AUTOMATIC


def _list_row(line: Line, delimiter: str) -> Row:
    cells = line.joined(LIST_WIDTH, delimiter)
    if len(cells) < LIST_WIDTH:
        fault = f"{_count(len(cells))}; a row is path|speaker|language|text"
        return Row(line=line.number, name=cells[0], text="", fault=fault)
    name, speaker, language, *texts = cells
    return Row(line=line.number, name=name, text=delimiter.join(texts), speaker=speaker, language=language)


def _text_and_speaker(
    rows: Sequence[Sequence[str]], columns: Sequence[int], voice: str, delimiter: str
) -> tuple[int, int | None]:
    """Return the column of texts and the column of speakers of a table with three columns, None where it has none."""
    first, last = ([row[index] for row in rows] for index in (0, 1))
    speakers = [_are_speakers(cells, voice) for cells in (first, last)]
    if speakers == [True, False]:
        return columns[1], columns[0]
    if speakers == [False, True]:
        return columns[0], columns[1]
    both = [(a, b) for a, b in zip(first, last, strict=True) if a and b]
    n_alike = sum(a == b or not _words(a).isdisjoint(_words(b)) for a, b in both)
    if both and 2 * n_alike <= len(both):
        raise LayoutError(
            f"has three columns, and {both[0][0][:30]!r} or {both[0][1][:30]!r} may be the text; {_advice(delimiter)}"
        )
    return columns[1], None  # LJSpeech: the normalised text is last


def _are_speakers(cells: Sequence[str], voice: str) -> bool:
    """Return whether the cells are names of speakers: one word each, and often the same."""
    if not all(cells) or any(cell.split() != [cell] for cell in cells):
        return False
    distinct = {cell.casefold() for cell in cells}
    return distinct == {voice.casefold()} or all(cell.isdecimal() for cell in cells) or 2 * len(distinct) <= len(cells)


def _words(text: str) -> set[str]:
    return set(WORD.findall(text.casefold()))


def _row(line: Line, name_column: int, width: int, text_column: int, speaker_column: int | None, delimiter: str) -> Row:
    cells = line.cells
    name = cells[name_column] if name_column < len(cells) else cells[0]
    if width == 2 and name_column == 0:  # no normalised texts in this table: further bars belong to the text
        cells = line.joined(2, delimiter)
    if len(cells) not in ((2, 3) if width == 3 and speaker_column is None else (width,)) or len(cells) == 1:
        return Row(line=line.number, name=name, text="", fault=f"{_count(len(cells))}; {_advice(delimiter)}")
    if speaker_column is not None:
        return Row(line=line.number, name=name, text=cells[text_column], speaker=cells[speaker_column])
    texts = [cell for column, cell in enumerate(cells) if column != name_column and cell]
    return Row(line=line.number, name=name, text=texts[-1] if texts else "")


def _count(n_columns: int) -> str:
    return "1 column" if n_columns == 1 else f"{n_columns} columns"
