"""Read YAML without surprises, and write it so that comments stay."""

from __future__ import annotations

from io import StringIO
from pathlib import Path
from typing import Any

from ruamel.yaml import YAML, YAMLError
from ruamel.yaml.representer import RoundTripRepresenter

from registry.consent.record import ConsentError


class _Representer(RoundTripRepresenter):
    """Writes null as `null`, because ruamel's empty value looks like something forgotten, and lists in one line."""


_Representer.add_representer(type(None), lambda node, _: node.represent_scalar("tag:yaml.org,2002:null", "null"))
_Representer.add_representer(
    tuple, lambda node, values: node.represent_sequence("tag:yaml.org,2002:seq", values, flow_style=True)
)


def read_yaml(path: Path, yaml: YAML | None = None) -> Any:
    """Return what a YAML file says.

    Args:
        path: The file.
        yaml: Of make_round_trip_yaml, where the file is edited. None for plain values.

    Raises:
        FileNotFoundError: There is no such file.
        ConsentError: The file cannot be read.
    """
    try:
        return (yaml or YAML(typ="safe", pure=True)).load(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        raise
    except OSError as error:
        raise ConsentError(f"{path} cannot be read ({error.strerror or error}); make it a readable file") from error
    # ValueError: not UTF-8, or a day that does not exist such as 2030-02-31
    except (YAMLError, ValueError, RecursionError) as error:
        reason = " ".join(str(error).split())[:200]
        raise ConsentError(f"{path} is not readable YAML ({reason}); correct it") from error


def make_round_trip_yaml() -> YAML:
    """Return a reader and writer that keeps comments and builds no objects, as the safe loader."""
    yaml = YAML(typ="rt", pure=True)
    yaml.Representer = _Representer
    return yaml


def dump_yaml(yaml: YAML, data: Any) -> str:
    """Return data as YAML text."""
    text = StringIO()
    yaml.dump(data, text)
    return text.getvalue()
