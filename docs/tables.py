"""Fill the tables of the documentation from the code: a hook of MkDocs.

A page holds a marker, and the built page holds the table:

    <!-- params: segment -->                          the keys of a section of params.yaml, from stages/sections
    <!-- columns: stages.tables.Clip -->              the fields of a pydantic model, such as the row of a table
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from importlib import import_module
from pathlib import Path
from types import UnionType
from typing import Any, Literal, Union, get_args, get_origin

from annotated_types import Ge, Gt, Le, Lt, MinLen
from pydantic import BaseModel
from pydantic.fields import FieldInfo

MARKER = re.compile(r"^<!-- (?P<kind>params|columns): (?P<name>[\w.]+) -->$", flags=re.MULTILINE)
LIMITS = {Ge: ("≥", "ge"), Gt: (">", "gt"), Le: ("≤", "le"), Lt: ("<", "lt")}


def on_page_markdown(markdown: str, **_: Any) -> str:
    """Replace every marker of a page by its table. MkDocs calls this for each page.

    Raises:
        ValueError: If a marker names a section or a class that does not exist.
    """
    return MARKER.sub(lambda match: table_of(match["kind"], match["name"]), markdown)


def table_of(kind: str, name: str) -> str:
    """Return the Markdown table for one marker.

    Args:
        kind: `params` for a section of params.yaml, `columns` for a pydantic model.
        name: The section's name, or the dotted path of the class.
    """
    if kind == "params":
        return _params_table(name)
    module, _, class_name = name.rpartition(".")
    try:
        model = getattr(import_module(module), class_name)
    except (ImportError, AttributeError, ValueError) as error:
        raise ValueError(f"the marker <!-- columns: {name} --> names a class that does not exist") from error
    rows = [(f"`{key}`", type_of(field.annotation), limits_of(field), described(field)) for key, field in fields(model)]
    return markdown_table(("column", "type", "range", "meaning"), rows)


def _params_table(section: str) -> str:
    from ruamel.yaml import YAML

    from stages.params import Params

    known = {field.alias or key: field.annotation for key, field in Params.model_fields.items()}
    if section not in known or not issubclass(known[section], BaseModel):
        raise ValueError(f"the marker <!-- params: {section} --> names a section that params.yaml does not have")
    values = YAML(typ="safe").load(Path("params.yaml").read_text(encoding="utf-8"))[section]
    rows = [
        (f"`{key}`", type_of(field.annotation), limits_of(field), f"`{shown(values[key])}`", described(field))
        for key, field in fields(known[section])
    ]
    return markdown_table(("key", "type", "range", "value in params.yaml", "meaning"), rows)


def fields(model: type[BaseModel]) -> Iterable[tuple[str, FieldInfo]]:
    """Return the fields of a model with the names that files use."""
    return [(field.alias or key, field) for key, field in model.model_fields.items()]


def type_of(annotation: Any) -> str:
    """Return a type as a reader of a table names it, such as `text, or null`."""
    names = {str: "text", float: "number", int: "integer", bool: "true or false", type(None): "null", Any: "anything"}
    origin, arguments = get_origin(annotation), get_args(annotation)
    if annotation in names:
        return names[annotation]
    if origin in (Union, UnionType):
        return ", or ".join(type_of(argument) for argument in arguments)
    if origin is Literal:
        return ", ".join(f"`{value}`" for value in arguments)
    if origin is tuple and arguments[-1] is Ellipsis:
        return f"list of {type_of(arguments[0])}"
    if origin is tuple:
        return f"({', '.join(type_of(argument) for argument in arguments)})"
    if origin is dict:
        return f"{type_of(arguments[0])} → {type_of(arguments[1])}"
    return getattr(annotation, "__name__", str(annotation))


def limits_of(field: FieldInfo) -> str:
    """Return the range of a field, such as `> 0, ≤ 1`, or an empty text for any value of its type."""
    found = [f"{sign} {getattr(limit, name):g}" for kind, (sign, name) in LIMITS.items()
             for limit in field.metadata if isinstance(limit, kind)]  # fmt: skip
    found += [f"at least {limit.min_length} long" for limit in field.metadata if isinstance(limit, MinLen)]
    return ", ".join(found)


def described(field: FieldInfo) -> str:
    """Return the description of a field, as one line that cannot leave its cell."""
    return " ".join((field.description or "").replace("|", "\\|").split())


def shown(value: Any) -> str:
    """Return a value of params.yaml as YAML writes it."""
    if value is None:
        return "null"
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, float):
        return f"{value:g}"
    if isinstance(value, dict):
        return ", ".join(f"{key}: {shown(one)}" for key, one in value.items())
    return str(value)


def markdown_table(titles: tuple[str, ...], rows: Iterable[tuple[str, ...]]) -> str:
    """Return a Markdown table."""
    lines = [titles, ("---",) * len(titles), *rows]
    return "\n".join(f"| {' | '.join(line)} |" for line in lines)
