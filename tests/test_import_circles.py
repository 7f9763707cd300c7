"""No module imports itself through others, also where imports inside functions and for type checkers are counted."""

from __future__ import annotations

import ast
from collections.abc import Iterable, Iterator
from graphlib import CycleError, TopologicalSorter
from pathlib import Path

import pytest
from imports import PACKAGES, ROOT

from stages.execution.code_identity import imported_files

TOP_PACKAGES = (*PACKAGES, "benchmarks")


def top_level_nodes(nodes: Iterable[ast.AST]) -> Iterator[ast.AST]:
    """Yield what runs when the module is imported: everything outside functions and TYPE_CHECKING blocks."""
    for node in nodes:
        is_for_type_checkers = isinstance(node, ast.If) and "TYPE_CHECKING" in ast.unparse(node.test)
        if not isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.Lambda) and not is_for_type_checkers:
            yield node
            yield from top_level_nodes(ast.iter_child_nodes(node))


def imports_that_count(path: Path) -> set[Path]:
    """Return the files that `path` imports. Of an `__init__` only what it imports eagerly counts.

    Every module imports its own packages. That makes a circle only where their `__init__` imports the module back.
    """
    tree = ast.parse(path.read_text(encoding="utf-8"))
    nodes = top_level_nodes(tree.body) if path.name == "__init__.py" else ast.walk(tree)
    return imported_files(path, nodes, TOP_PACKAGES) - {path}


def circles(graph: dict[Path, set[Path]]) -> list[str]:
    """Return circles in the order of their imports, one per edge that must go to break them all."""
    graph, found = {path: set(imported) for path, imported in graph.items()}, []
    while True:
        try:
            TopologicalSorter(graph).prepare()
        except CycleError as error:
            circle = error.args[1][::-1]  # the sorter names predecessors first; here importer comes before imported
            found.append(" -> ".join(str(path) for path in circle))
            graph[circle[0]].discard(circle[1])
        else:
            return found


def test_no_module_imports_itself_through_others():
    files = [path for package in TOP_PACKAGES for path in sorted((ROOT / package).rglob("*.py"))]
    graph = {path.relative_to(ROOT): {file.relative_to(ROOT) for file in imports_that_count(path)} for path in files}
    found = circles(graph)
    assert not found, "import circles; move what both sides need into a module below them:\n" + "\n".join(found)


@pytest.mark.parametrize(
    ("graph", "n_circles"),
    [
        ({"a": {"b"}, "b": {"c"}, "c": set()}, 0),
        ({"a": {"b"}, "b": {"c"}, "c": {"a"}}, 1),
        ({"a": {"b"}, "b": {"a"}, "c": {"d"}, "d": {"c"}}, 2),
    ],
)
def test_circles_are_found(graph, n_circles):
    assert len(circles(graph)) == n_circles


def test_what_an_init_imports_later_does_not_count():
    source = """
import ast
if TYPE_CHECKING:
    import html
def load():
    import json
class Door:
    import math
"""
    nodes = top_level_nodes(ast.parse(source).body)
    assert [alias.name for node in nodes if isinstance(node, ast.Import) for alias in node.names] == ["ast", "math"]
