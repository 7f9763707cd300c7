"""What a template may hold: text, variables, our filters, and conditions. Everything else is refused before it is run.

The list names what is allowed, so a syntax that a newer Jinja brings is refused too. Loops, calls, attributes, items,
macros, assignments, arithmetic and imports are not on it: a template cannot run for long, reach Python, or grow what it
is given. A condition compares texts, or asks `is given` or `is yes`. A bare `if vip` is refused, because the text
"false" would count as true.
"""

from __future__ import annotations

import inspect
import itertools
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass

from jinja2 import Environment, TemplateError, nodes

from campaigns.errors import CampaignError
from campaigns.recipients.cells import COLUMN_NAME
from campaigns.records import MAX_TEMPLATE_CHARACTERS
from registry.names import shorten, shown

MAX_DEPTH = 20  # of nested conditions and expressions
RESERVED = ("self", "loop", "caller", "varargs", "kwargs", "super")  # Jinja gives them a meaning
CONSTANT = (str, int, float)
ALLOWED = (
    nodes.Template, nodes.Output, nodes.TemplateData, nodes.If, nodes.CondExpr, nodes.Name, nodes.Const, nodes.Filter,
    nodes.Test, nodes.Compare, nodes.Operand, nodes.And, nodes.Or, nodes.Not, nodes.Tuple, nodes.List,
)  # fmt: skip
NAME_FILTERS = ("name", "default")  # those after which a variable is still the name of something
TESTS = ("given", "yes")
OPERATORS = ("eq", "ne", "in", "notin")
Filters = Mapping[str, Callable[..., object]]


@dataclass(frozen=True)
class Variables:
    """The variables of a template.

    Attributes:
        used: All of them.
        names: Those that are said as they stand, or by the filter name: the names of people, places and things.
    """

    used: frozenset[str]
    names: frozenset[str]


def check_template(source: str, environment: Environment) -> Variables:
    """Return the variables of a template that holds nothing else than what is allowed.

    Args:
        source: The template.
        environment: Parses it. Its filters are those that are allowed.

    Raises:
        CampaignError: It is too long, is not a template, or holds something else. The message names the line.
    """
    if len(source) > MAX_TEMPLATE_CHARACTERS:
        raise CampaignError(f"the template has {len(source)} characters; at most {MAX_TEMPLATE_CHARACTERS} are read")
    try:
        tree = environment.parse(source)
    except TemplateError as error:
        line = getattr(error, "lineno", None) or 1
        raise CampaignError(f"the template, line {line}: {shorten(error.message or '', 200)}") from error
    except (RecursionError, ValueError, MemoryError) as error:
        raise CampaignError("the template is nested too deeply or has a number that is too long") from error
    names: set[str] = set()
    _check(tree, environment.filters, names, depth=0)
    said = {name for output in tree.find_all(nodes.Output) for node in output.nodes for name in _said(node)}
    return Variables(frozenset(names), frozenset(said))


def _check(node: nodes.Node, filters: Filters, names: set[str], *, depth: int) -> None:
    if fault := _fault(node, filters) or ("nested too deeply" if depth > MAX_DEPTH else None):
        raise CampaignError(f"the template, line {node.lineno}: {fault}")
    if isinstance(node, nodes.Name):
        names.add(node.name)
    for child in node.iter_child_nodes():
        _check(child, filters, names, depth=depth + 1)


def _fault(node: nodes.Node, filters: Filters) -> str | None:
    """Return what is wrong with a node itself, None where nothing is."""
    match node:
        case nodes.Name():
            if node.name in RESERVED or not COLUMN_NAME.fullmatch(node.name):
                return f"{shown(node.name)} cannot be a variable; its name has letters, digits and _, from a letter on"
        case nodes.Const():
            return (
                None if type(node.value) in CONSTANT else f"{node.value} is not allowed; compare with a text in quotes"
            )
        case nodes.Filter():
            if node.node is None or node.name not in filters:
                return f"there is no filter {shown(node.name)}; there are {', '.join(sorted(filters))}"
            if node.kwargs or node.dyn_args or node.dyn_kwargs or not _are_simple(node.args):
                return f"the filter {node.name} takes texts and variables, without names"
            return _argument_fault(node.name, filters[node.name], len(node.args))
        case nodes.Test():
            if node.name not in TESTS or node.args or node.kwargs or node.dyn_args or node.dyn_kwargs:
                return f"there is no test {shown(node.name)}; write `is given` or `is yes`"
            if node.name == "given" and not isinstance(node.node, nodes.Name):
                return "`is given` asks about a variable"
        case nodes.Output():
            if not all(map(_is_text, node.nodes)):
                return "only a text, a variable, or one of them with filters can be said"
        case nodes.If() | nodes.CondExpr():
            if not _is_condition(node.test):
                return 'a condition compares, as in `city == "Rome"`, or asks `vip is yes` or `vip is given`'
            if isinstance(node, nodes.CondExpr) and node.expr2 is None:
                return "an expression with `if` needs an `else`"
        case nodes.Compare():
            return _comparison_fault(node)
        case _ if not isinstance(node, ALLOWED):
            return f"{type(node).__name__} is not allowed; a template has variables, filters and conditions only"
    return None


def _argument_fault(name: str, call: Callable[..., object], n_arguments: int) -> str | None:
    """Return what is wrong with the number of a filter's arguments, None where nothing is."""
    signature = inspect.signature(call)
    try:
        signature.bind(None, *range(n_arguments))
    except TypeError:
        names = ", ".join(list(signature.parameters)[1:])
        return f"the filter {name} is written {name}({names})" if names else f"the filter {name} is written without ()"
    return None


def _comparison_fault(node: nodes.Compare) -> str | None:
    for operand in node.ops:
        if operand.op not in OPERATORS:
            return "only ==, !=, in and not in compare, because values are texts and 9 would come after 10"
        is_list = isinstance(operand.expr, nodes.Tuple | nodes.List)
        if is_list != (operand.op in ("in", "notin")):
            return 'write `city in ("Rome", "Oslo")` or `city == "Rome"`'
        values = operand.expr.items if is_list else [operand.expr]
        if any(isinstance(value, nodes.Const) and not isinstance(value.value, str) for value in values):
            return "values are texts; write what is compared in quotes"
    return None


def _are_simple(arguments: Iterable[nodes.Node]) -> bool:
    return all(isinstance(argument, nodes.Const | nodes.Name) for argument in arguments)


def _said(node: nodes.Node | None) -> Iterator[str]:
    """Yield the variables that an expression says as they stand."""
    match node:
        case nodes.Name():
            yield node.name
        case nodes.CondExpr():
            yield from itertools.chain(_said(node.expr1), _said(node.expr2))
        case nodes.Filter() if node.name in NAME_FILTERS:
            yield from itertools.chain(_said(node.node), *map(_said, node.args))


def _is_text(node: nodes.Node) -> bool:
    match node:
        case nodes.CondExpr():
            return _is_text(node.expr1) and node.expr2 is not None and _is_text(node.expr2)
        case nodes.Filter():
            return node.node is not None and _is_text(node.node)
        case nodes.Const():
            return isinstance(node.value, str)
        case _:
            return isinstance(node, nodes.TemplateData | nodes.Name)


def _is_condition(node: nodes.Node) -> bool:
    if isinstance(node, nodes.And | nodes.Or):
        return _is_condition(node.left) and _is_condition(node.right)
    return _is_condition(node.node) if isinstance(node, nodes.Not) else isinstance(node, nodes.Compare | nodes.Test)
