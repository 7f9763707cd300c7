"""A campaign on disk: one YAML file, and the template, lexicon and recipients beside it."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

from pydantic import ValidationError
from ruamel.yaml import YAML
from ruamel.yaml.error import YAMLError

from campaigns.errors import CampaignError
from campaigns.records import MAX_TEMPLATE_CHARACTERS, CampaignSettings
from gpt_sovits.text.lexicon import load_lexicon
from registry.names import shorten

MAX_FILE_BYTES = 4 << 20  # of campaign file, template and lexicon


@dataclass(frozen=True, kw_only=True)
class CampaignFile:
    """A campaign as its file describes it.

    Attributes:
        settings: With the contents of template and lexicon, and without names of files.
        recipients: The file with one row per recipient.
    """

    settings: CampaignSettings
    recipients: Path


def load_campaign(path: Path) -> CampaignFile:
    """Load a campaign file and what stands beside it.

    Raises:
        CampaignError: A file is missing or cannot be read, or a setting is wrong. The message lists each fault.
    """
    settings = parse_settings(_read_yaml(path), str(path))
    if settings.recipients_file is None:
        raise CampaignError(f"{path}: recipients_file is missing; name a CSV, JSON Lines or Parquet file")
    changes: dict[str, Any] = {"template_file": None, "lexicon_file": None, "recipients_file": None}
    if settings.template_file is not None:
        template = _read_text(path.parent / settings.template_file)
        if len(template) > MAX_TEMPLATE_CHARACTERS:
            raise CampaignError(
                f"{settings.template_file} has {len(template)} characters; a template has at most "
                f"{MAX_TEMPLATE_CHARACTERS}"
            )
        changes["template"] = template
    if settings.lexicon_file is not None:
        changes["lexicon"] = _read_lexicon(path.parent / settings.lexicon_file)
    recipients = path.parent / settings.recipients_file
    if not recipients.is_file():
        raise CampaignError(f"{recipients} is missing; write the file, or correct recipients_file in {path}")
    return CampaignFile(settings=settings.model_copy(update=changes), recipients=recipients)


def parse_settings(raw: object, place: str) -> CampaignSettings:
    """Return the settings of a campaign.

    Args:
        raw: What the file or the request holds.
        place: Where it stands, for the message.

    Raises:
        CampaignError: A setting is missing, unknown or wrong. The message lists each with the value seen.
    """
    try:
        return CampaignSettings.model_validate(raw)
    except ValidationError as error:
        raise CampaignError(f"{place}: {_faults(error)}") from error


def _faults(error: ValidationError) -> str:
    faults = []
    for fault in error.errors(include_url=False):
        name = ".".join(str(part) for part in fault["loc"]) or "the file"
        is_plain = fault["type"] == "missing" or not fault["loc"]
        seen = "" if is_plain else f" (seen: {shorten(fault['input'])!a})"
        faults.append(f"{name}: {fault['msg'].removeprefix('Value error, ')}{seen}")
    return "; ".join(faults)


def _read_lexicon(path: Path) -> dict[str, dict[str, str]]:
    raw = _read_yaml(path)
    try:
        load_lexicon(path)  # its errors name the line
    except ValueError as error:
        raise CampaignError(str(error)) from error
    return {key: words for key, words in raw.items() if key != "format"}


def _read_yaml(path: Path) -> Any:
    text = _read_text(path)
    try:
        return YAML(typ="safe", pure=True).load(text)
    except (YAMLError, ValueError, RecursionError) as error:
        raise CampaignError(f"{path} is not YAML: {shorten(' '.join(str(error).split()), 300)}") from error


def _read_text(path: Path) -> str:
    try:
        size = path.stat().st_size
        if size > MAX_FILE_BYTES:
            raise CampaignError(f"{path} has {size} bytes; at most {MAX_FILE_BYTES} are read")
        return path.read_text(encoding="utf-8-sig")
    except UnicodeDecodeError as error:
        raise CampaignError(f"{path} is not UTF-8 (byte {error.start}); save it as UTF-8") from error
    except OSError as error:
        raise CampaignError(f"{path} cannot be read ({error.strerror}); correct the name or the permissions") from error
