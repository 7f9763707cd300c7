"""YAML whose errors name the line: mappings of text to text, without duplicate keys, anchors or other types."""

from collections.abc import Iterator
from pathlib import Path

from ruamel.yaml import YAML
from ruamel.yaml.error import MarkedYAMLError, YAMLError
from ruamel.yaml.nodes import MappingNode, Node, ScalarNode, SequenceNode

MAX_BYTES = 4 << 20
TEXT_TAG, NUMBER_TAG = "tag:yaml.org,2002:str", "tag:yaml.org,2002:int"


def read_nodes(path: Path) -> Node:
    """The document of a YAML file of at most 4 MiB; ValueError names file and line of what is no YAML."""
    if path.stat().st_size > MAX_BYTES:
        raise ValueError(f"{path}: {path.stat().st_size} bytes, at most {MAX_BYTES} are read")
    try:
        root = YAML(pure=True).compose(path.read_text(encoding="utf-8"))
    except UnicodeDecodeError as error:
        raise ValueError(f"{path}: not UTF-8 text at byte {error.start}") from None
    except MarkedYAMLError as error:
        mark = error.problem_mark or error.context_mark
        raise ValueError(f"{path}, line {mark.line + 1 if mark else 1}: no YAML: {error.problem}") from None
    except YAMLError as error:
        raise ValueError(f"{path}: no YAML: {error}") from None
    if root is None:
        raise ValueError(f"{path}: the file is empty")
    return root


def where(path: Path, node: Node) -> str:
    """'file, line 7'."""
    return f"{path}, line {node.start_mark.line + 1}"


def items(node: Node, path: Path, what: str) -> Iterator[tuple[str, Node, Node]]:
    """(key, its node, value node) of a mapping; ValueError for another type, a key that is no text or stands twice."""
    if not isinstance(node, MappingNode):
        raise ValueError(f"{where(path, node)}: {what} must be a mapping (key: value), not {_kind(node)}")
    seen: dict[str, int] = {}
    for key_node, value in node.value:
        key = text(key_node, path, f"a key of {what}")
        if key in seen:
            raise ValueError(f"{where(path, key_node)}: {key!r} stands twice in {what}, first in line {seen[key]}")
        seen[key] = key_node.start_mark.line + 1
        yield key, key_node, value


def elements(node: Node, path: Path, what: str) -> list[Node]:
    """The nodes of a list; ValueError for another type."""
    if not isinstance(node, SequenceNode):
        raise ValueError(f"{where(path, node)}: {what} must be a list (lines that begin with -), not {_kind(node)}")
    return node.value


def text(node: Node, path: Path, what: str, key: Node | None = None) -> str:
    """A text that is not empty; ValueError for another type, at the line of the node or of its key."""
    if not isinstance(node, ScalarNode) or node.tag != TEXT_TAG:
        hint = f"; write it in quotes: {node.value!r}" if isinstance(node, ScalarNode) and node.value else ""
        raise ValueError(f"{where(path, key or node)}: {what} must be text, not {_kind(node)}{hint}")
    if not node.value.strip():
        raise ValueError(f"{where(path, key or node)}: {what} is empty")
    return node.value


def check_format(node: Node, path: Path, known: int) -> None:
    """ValueError unless the node is the whole number `known`."""
    if not isinstance(node, ScalarNode) or node.tag != NUMBER_TAG or node.value != str(known):
        raise ValueError(f"{where(path, node)}: format must be {known}, not {getattr(node, 'value', _kind(node))!r}")


def _kind(node: Node) -> str:
    if isinstance(node, MappingNode):
        return "a mapping"
    if isinstance(node, SequenceNode):
        return "a list"
    return {"null": "nothing", "int": "a number", "float": "a number", "bool": "yes or no"}.get(
        str(node.tag).rpartition(":")[2], f"{node.value!r}"
    )
