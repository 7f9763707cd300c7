"""Calls in flows/ read without a look at the signature: third and later arguments, and flags, have names."""

from __future__ import annotations

import ast

import pytest
from imports import ROOT

N_POSITIONAL = 2


def functions(tree, inside=""):
    """Yield (qualified name, node) of each function of a module or class, without closures."""
    for node in tree.body:
        if isinstance(node, ast.ClassDef):
            yield from functions(node, f"{inside}{node.name}.")
        elif isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
            yield f"{inside}{node.name}", node


def positional_arguments(function, *, is_method):
    """Return [(name, annotation, default)] of what may be passed by position, without self or cls."""
    arguments = function.args.posonlyargs + function.args.args
    is_bound = is_method and not any(ast.unparse(decorator) == "staticmethod" for decorator in function.decorator_list)
    defaults = [None] * (len(arguments) - len(function.args.defaults)) + function.args.defaults
    found = [
        (argument.arg, ast.unparse(argument.annotation) if argument.annotation else "", default)
        for argument, default in zip(arguments, defaults, strict=True)
    ]
    return found[1:] if is_bound else found


def is_flag(annotation, default):
    return "bool" in annotation or (isinstance(default, ast.Constant) and isinstance(default.value, bool))


def dataclasses_of(tree):
    """Yield (name, is keyword-only, fields) of each dataclass."""
    for node in ast.walk(tree):
        if not isinstance(node, ast.ClassDef):
            continue
        for decorator in map(ast.unparse, node.decorator_list):
            if decorator.startswith("dataclass"):
                fields = [field for field in node.body if isinstance(field, ast.AnnAssign)]
                yield node.name, "kw_only=True" in decorator, fields


@pytest.mark.parametrize("path", sorted((ROOT / "flows").rglob("*.py")), ids=lambda path: str(path.relative_to(ROOT)))
def test_third_arguments_and_flags_are_keyword_only(path):
    tree, wrong = ast.parse(path.read_text(encoding="utf-8")), []
    for name, function in functions(tree):
        if name.split(".")[-1] in ("__exit__", "__init_subclass__"):  # Python calls these by position
            continue
        arguments = positional_arguments(function, is_method="." in name)
        if len(arguments) > N_POSITIONAL:
            wrong.append(f"{name} takes {len(arguments)} arguments by position")
        wrong += [f"{name}: the flag {flag}" for flag, annotation, default in arguments if is_flag(annotation, default)]
    assert not wrong


@pytest.mark.parametrize("path", sorted((ROOT / "flows").rglob("*.py")), ids=lambda path: str(path.relative_to(ROOT)))
def test_records_of_many_fields_are_made_by_keyword(path):
    tree = ast.parse(path.read_text(encoding="utf-8"))
    wrong = [name for name, is_keyword_only, fields in dataclasses_of(tree) if len(fields) > 3 and not is_keyword_only]
    assert not wrong
