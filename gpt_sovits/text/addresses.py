"""E-mail and web addresses: how to find them, and how they are said."""

import re
from collections.abc import Callable, Mapping

DOMAINS = "com|org|net|edu|gov|io|ai|co|cn|hk|tw|jp|kr|uk|de|fr|eu|info|dev|app|tv"
ADDRESS = (
    r"(?:https?://|www\.)[!-~]+|(?<![\w.+-])[\w.+-]++@[\w-]++(?:\.[\w-]+)+"
    rf"|(?<![\w.])[a-z0-9][\w-]*(?:\.[\w-]+)*\.(?:{DOMAINS})(?:\.[a-z]{{2}})?(?![\w.-])(?:/[!-~]*)?"
)
CLOSING_MARKS = ".,!?;:)]}'\""  # at the end of an address they are the sentence's


def spoken_address(address: str, signs: Mapping[str, str], read_digits: Callable[[str], str], gap: str) -> str:
    """The names and signs of an address, without protocol and www.

    signs: what @ . / - _ and so on are called; gap: what stands around a name of letters.
    """
    name = address.rstrip(CLOSING_MARKS)
    marks = address[len(name) :]
    name = re.sub(r"^https?://", "", name, flags=re.IGNORECASE)
    name = re.sub(r"^www\.", "", name, flags=re.IGNORECASE).rstrip("/")
    parts = re.findall(r"[A-Za-z]+|[0-9]+|.", name)
    words = (read_digits(part) if part.isdecimal() else signs.get(part, f"{gap}{part}{gap}") for part in parts)
    return "".join(words) + marks
