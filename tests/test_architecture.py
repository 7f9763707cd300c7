"""docs/architecture.md names the file behind every arrow of the pipeline and every command, and this keeps it true."""

from __future__ import annotations

import ast
import re
from itertools import pairwise

import pytest
from imports import ROOT

README = (ROOT / "README.md").read_text(encoding="utf-8")
COMMAND = r"`vox ((?:voice |server |data |keys |api-keys |profile |provenance |campaign )?[a-z]+)"
TABLES = (ROOT / "docs/architecture.md").read_text(encoding="utf-8")


def arrows(markdown: str) -> set[tuple[str, str]]:
    """The arrows of the first Mermaid picture, as pairs of node names."""
    picture = re.search(r"```mermaid\nflowchart LR\n(.*?)```", markdown, re.DOTALL)[1]
    found = set()
    for line in picture.splitlines():
        nodes = [
            re.match(r"\w+", part.strip())[0] for part in re.split(r"-->|-- .*? -->|-\. .*? \.->", line) if part.strip()
        ]
        found |= set(pairwise(nodes))
    return found


def rows(markdown: str, first_title: str) -> list[list[str]]:
    """The cells of the table whose first column has that title."""
    table = re.search(rf"(?m)^\| {first_title} \|.*\n\| ?---.*\n((?:\|.*\n)+)", markdown)[1]
    return [[cell.strip() for cell in line.strip().strip("|").split("|")] for line in table.splitlines()]


def places() -> list[tuple[str, str]]:
    cells = [row[1] for title in ("arrow", "command") for row in rows(TABLES, title)]
    return [place for cell in cells for place in re.findall(r"`([\w/.]+\.py)`: `(\w+)`", cell)]


def test_every_arrow_of_the_picture_has_its_row():
    named = {tuple(re.findall(r"\w+", row[0])[:2]) for row in rows(TABLES, "arrow")}
    assert named == arrows(README)


def test_the_picture_is_the_same_everywhere():
    assert arrows((ROOT / "docs/index.md").read_text(encoding="utf-8")) == arrows(README)


def test_every_command_of_the_readme_has_its_row():
    def commands(markdown: str) -> set[str]:
        return {name for row in rows(markdown, "command") for name in re.findall(COMMAND, row[0])}

    assert commands(TABLES) == commands(README)


def test_every_command_of_vox_is_in_the_readme():
    from click import Group

    from flows.cli import vox

    names = {
        f"{name} {sub}" if isinstance(command, Group) else name
        for name, command in vox.commands.items()
        for sub in (command.commands if isinstance(command, Group) else [""])
    }
    assert names == {name for row in rows(README, "command") for name in re.findall(COMMAND, row[0])}


@pytest.mark.parametrize(("file", "function"), places())
def test_the_named_file_defines_the_named_function(file, function):
    tree = ast.parse((ROOT / file).read_text(encoding="utf-8"))
    defined = {node.name for node in ast.walk(tree) if isinstance(node, ast.FunctionDef | ast.ClassDef)}
    assert function in defined, f"{file} has no {function}"


def test_every_row_names_a_file():
    for title in ("arrow", "command"):
        for row in rows(TABLES, title):
            assert re.search(r"`[\w/.]+\.py`: `\w+`", row[1]), row
