"""E-mail and web addresses: how to find them in a text and how to say them."""

import re
from collections.abc import Callable, Mapping

DOMAINS = "com|org|net|edu|gov|io|ai|co|cn|hk|tw|jp|kr|uk|de|fr|eu|info|dev|app|tv"
ADDRESS = (
    r"(?:https?://|www\.)[!-~]+|(?<![\w.+-])[\w.+-]++@[\w-]++(?:\.[\w-]+)+"
    rf"|(?<![\w.])[a-z0-9][\w-]*(?:\.[\w-]+)*\.(?:{DOMAINS})(?:\.[a-z]{{2}})?(?![\w.-])(?:/[!-~]*)?"
)
SENTENCE_MARKS = ".,!?;:)]}'\""  # at the end of an address they belong to the sentence


def spoken_address(address: str, sign_names: Mapping[str, str], read_digits: Callable[[str], str], gap: str) -> str:
    """Return the words of an address, without its protocol and www.

    Args:
        address: A match of ADDRESS. Punctuation at its end is kept.
        sign_names: The name of each sign (@ . / - _ and so on).
        read_digits: Turns a run of digits into words.
        gap: Text that goes before and after each run of letters.
    """
    name = address.rstrip(SENTENCE_MARKS)
    ending = address[len(name) :]
    name = re.sub(r"^https?://", "", name, flags=re.IGNORECASE)
    name = re.sub(r"^www\.", "", name, flags=re.IGNORECASE).rstrip("/")
    parts = re.findall(r"[A-Za-z]+|[0-9]+|.", name)
    words = (read_digits(part) if part.isdecimal() else sign_names.get(part, f"{gap}{part}{gap}") for part in parts)
    return "".join(words) + ending
