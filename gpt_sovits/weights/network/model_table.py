"""The table of published base models (models.yaml), and the lock file that pins each file when it is first seen."""

from __future__ import annotations

import json
import os
import re
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Literal

from pydantic import BaseModel, ConfigDict, Field, ValidationError, model_validator
from ruamel.yaml import YAML
from ruamel.yaml.error import YAMLError

from gpt_sovits.weights.errors import WeightsError

TABLE_FILE = Path(__file__).with_name("models.yaml")
LOCK_FORMAT = 1
FILE_NAME = r"^[A-Za-z0-9][A-Za-z0-9_.=-]*$"
SHA256 = r"^[0-9a-f]{64}$"


class RemoteFile(BaseModel):
    """One published file."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    url: str = Field(pattern=r"^https://[^/]+/.+", description="where the file is published")
    max_mb: float = Field(gt=0, description="a larger file is not fetched")
    sha256: str | None = Field(None, pattern=SHA256, description="as stated by the publisher, if it is")
    role: Literal["gpt", "sovits", "discriminator"] | None = Field(None, description="role in a pair")
    keep: bool = Field(False, description="copied beside an encoder's weights")


class RemoteModel(BaseModel):
    """A base model as models.yaml has it.

    Attributes:
        kind: "pair" (a GPT and a SoVITS), "part" (an encoder that pairs share) or "files" (kept as they are).
        files: the published files, by file name.
        needs: names of models that are pulled first.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    kind: Literal["pair", "part", "files"]
    files: dict[str, RemoteFile] = Field(min_length=1)
    needs: tuple[str, ...] = ()

    @model_validator(mode="after")
    def _check_files(self) -> RemoteModel:
        if bad := [name for name in self.files if not re.match(FILE_NAME, name)]:
            raise ValueError(f"{bad} are not valid file names")
        roles = [file.role for file in self.files.values() if file.role]
        complete = self.kind != "pair" or {"gpt", "sovits"} <= set(roles)
        if not complete or len(set(roles)) != len(roles):
            raise ValueError(f"the roles {roles} must be one gpt, one sovits and at most one discriminator")
        if self.kind != "pair" and roles:
            raise ValueError(f"only the files of a pair have roles, not those of {self.kind!r}")
        return self


@dataclass(frozen=True)
class Pin:
    """A file as it was first seen.

    Attributes:
        n_bytes: size.
        sha256: hash in hexadecimal.
        url: where the file is published.
    """

    n_bytes: int
    sha256: str
    url: str


def load_table(path: Path = TABLE_FILE) -> dict[str, RemoteModel]:
    """Load the table of models, by name.

    Raises:
        WeightsError: the file cannot be read or an entry is wrong. The message names every wrong entry.
    """
    try:
        raw = YAML(typ="safe").load(path.read_text(encoding="utf-8"))
        table = {str(name): RemoteModel.model_validate(entry) for name, entry in dict(raw).items()}
    except (OSError, YAMLError, ValidationError, TypeError, ValueError) as error:
        raise WeightsError(f"{path}: not a table of base models ({' '.join(str(error).split())})") from error
    if unknown := sorted({need for model in table.values() for need in model.needs} - table.keys()):
        raise WeightsError(f"{path}: {', '.join(unknown)} is needed but not in the table")
    return table


def load_pins(lock_file: Path) -> dict[str, Pin]:
    """Load the pins by MODEL/FILE, {} before the lock file exists.

    Raises:
        WeightsError: the lock file cannot be read.
    """
    if not lock_file.exists():
        return {}
    try:
        raw = json.loads(lock_file.read_text(encoding="utf-8"))
        if raw["format"] != LOCK_FORMAT:
            raise ValueError(f"format {raw['format']!r} is not {LOCK_FORMAT}")
        return {name: Pin(**values) for name, values in raw["files"].items()}
    except (OSError, ValueError, KeyError, TypeError, AttributeError) as error:
        raise WeightsError(
            f"{lock_file} is not a lock file of base models ({error}); restore it from version control"
        ) from error


def save_pins(lock_file: Path, pins: dict[str, Pin]) -> None:
    """Write the lock file, sorted, in one step."""
    content = {"format": LOCK_FORMAT, "files": {name: asdict(pin) for name, pin in pins.items()}}
    temporary = lock_file.with_name(f".{lock_file.name}.{os.getpid()}.tmp")
    temporary.write_text(json.dumps(content, indent=2, sort_keys=True) + "\n", encoding="utf-8")
    temporary.replace(lock_file)
