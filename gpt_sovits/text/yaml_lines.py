"""YAML whose errors name the line: mappings of text to text, without duplicate keys, anchors or other types."""

from collections.abc import Iterator
from pathlib import Path

from ruamel.yaml import YAML
from ruamel.yaml.error import MarkedYAMLError, YAMLError
from ruamel.yaml.nodes import MappingNode, Node, ScalarNode, SequenceNode

MAX_BYTES = 4 << 20
TEXT_TAG, NUMBER_TAG = "tag:yaml.org,2002:str", "tag:yaml.org,2002:int"


def read_nodes(path: Path) -> Node:
    """Read the only document of a YAML file.

    Raises:
        ValueError: If the file is larger than 4 MiB, empty, not UTF-8 or not YAML. The message names file and line.
    """
    if path.stat().st_size > MAX_BYTES:
        raise ValueError(f"{path} has {path.stat().st_size} bytes; it must have at most {MAX_BYTES}")
    try:
        root = YAML(pure=True).compose(path.read_text(encoding="utf-8"))
    except UnicodeDecodeError as error:
        raise ValueError(f"{path}: not UTF-8 text at byte {error.start}; save it as UTF-8") from None
    except MarkedYAMLError as error:
        mark = error.problem_mark or error.context_mark
        raise ValueError(f"{path}, line {mark.line + 1 if mark else 1}: not valid YAML: {error.problem}") from None
    except YAMLError as error:
        raise ValueError(f"{path}: not valid YAML: {error}") from None
    if root is None:
        raise ValueError(f"{path}: the file is empty")
    return root


def location(path: Path, node: Node) -> str:
    """Return where a node is, like 'lexicon.yaml, line 7'."""
    return f"{path}, line {node.start_mark.line + 1}"


def mapping_items(node: Node, path: Path, what: str) -> Iterator[tuple[str, Node, Node]]:
    """Yield (key, node of the key, node of the value) for each item of a mapping.

    Args:
        node: The mapping.
        path: The file that it comes from, for messages.
        what: What the mapping is called in messages.

    Raises:
        ValueError: If the node is not a mapping, or a key is not text or appears twice.
    """
    if not isinstance(node, MappingNode):
        raise ValueError(f"{location(path, node)}: {what} must be a mapping (key: value), not {_kind(node)}")
    first_lines: dict[str, int] = {}
    for key_node, value in node.value:
        key = text_value(key_node, path, f"a key of {what}")
        if key in first_lines:
            raise ValueError(
                f"{location(path, key_node)}: {key!r} appears twice in {what}, first in line {first_lines[key]}; "
                "remove one of them"
            )
        first_lines[key] = key_node.start_mark.line + 1
        yield key, key_node, value


def list_items(node: Node, path: Path, what: str) -> list[Node]:
    """Return the nodes of a list.

    Args:
        node: The list.
        path: The file that it comes from, for messages.
        what: What the list is called in messages.

    Raises:
        ValueError: If the node is not a list.
    """
    if not isinstance(node, SequenceNode):
        raise ValueError(f"{location(path, node)}: {what} must be a list (lines that begin with -), not {_kind(node)}")
    return node.value


def text_value(node: Node, path: Path, what: str, key: Node | None = None) -> str:
    """Return the text of a node.

    Args:
        node: The value.
        path: The file that it comes from, for messages.
        what: What the value is called in messages.
        key: The node of its key, whose line the messages name instead of the value's.

    Raises:
        ValueError: If the node is not text, or is empty.
    """
    if not isinstance(node, ScalarNode) or node.tag != TEXT_TAG:
        hint = f"; write it in quotes: {node.value!r}" if isinstance(node, ScalarNode) and node.value else ""
        raise ValueError(f"{location(path, key or node)}: {what} must be text, not {_kind(node)}{hint}")
    if not node.value.strip():
        raise ValueError(f"{location(path, key or node)}: {what} is empty")
    return node.value


def check_format(node: Node, path: Path, known: int) -> None:
    """Raise ValueError unless the value of `format` is the whole number `known`.

    Args:
        node: The value.
        path: The file that it comes from, for messages.
        known: The only format that this version reads.
    """
    if not isinstance(node, ScalarNode) or node.tag != NUMBER_TAG or node.value != str(known):
        value = getattr(node, "value", _kind(node))
        raise ValueError(f"{location(path, node)}: format must be {known}, not {value!r}")


def _kind(node: Node) -> str:
    if isinstance(node, MappingNode):
        return "a mapping"
    if isinstance(node, SequenceNode):
        return "a list"
    return {"null": "nothing", "int": "a number", "float": "a number", "bool": "yes or no"}.get(
        str(node.tag).rpartition(":")[2], f"{node.value!r}"
    )
