"""What may not be shown: passwords in addresses, the values of settings that hold one, and control characters."""

from __future__ import annotations

import os
import re
import unicodedata
from collections.abc import Mapping
from urllib.parse import quote, unquote

from registry.names import INVISIBLE

MASK = "***"
MIN_CHARACTERS = 4  # of a setting's value: a shorter one would be masked in the middle of words
SECRET_SETTING = re.compile(r"(PASSWORD|PASSPHRASE|TOKEN|SECRET|SECRET_KEY|SECRET_ACCESS_KEY|API_KEY|AUTH_STRING)$")
# scheme://user:password@host. A password may hold any character but a space, also @ and /
ADDRESS = re.compile(r"\b([A-Za-z][A-Za-z0-9+.-]*://)([^\s@/:'\"]*):([^\s'\"]+)@")
QUERY = re.compile(r"([?&][a-z_-]*(?:password|token|secret|signature)[a-z_-]*=)[^&\s'\"]+", re.IGNORECASE)


def mask_secrets(text: str, environ: Mapping[str, str] = os.environ) -> str:
    """Return a text in which every password of an address and every secret setting is `***`.

    Args:
        text: A message.
        environ: The settings of the process.
    """
    found = set()
    for name, value in environ.items():
        if SECRET_SETTING.search(name):
            found.add(value)
        found |= {match[3] for match in ADDRESS.finditer(value)}
    spellings = {spelling for value in found for spelling in (value, unquote(value), quote(value, safe=""))}
    for secret in sorted(spellings, key=len, reverse=True):
        if len(secret) >= MIN_CHARACTERS:
            text = text.replace(secret, MASK)
    return QUERY.sub(rf"\1{MASK}", ADDRESS.sub(rf"\1\2:{MASK}@", text))


def visible(text: str) -> str:
    r"""Return a text in which every control character is written as its escape, such as \x1b or \n."""
    if text.isprintable():
        return text
    return "".join(ascii(letter)[1:-1] if unicodedata.category(letter) in INVISIBLE else letter for letter in text)
