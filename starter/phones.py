"""The 40 phones of the labels: those of the CMU dictionary without stress, and silence.

flite and festival have a schwa of their own (ax), which the CMU dictionary and pocketsphinx write as ah.
"""

from __future__ import annotations

SILENCE = "sil"
_SPOKEN = "aa ae ah ao aw ay b ch d dh eh er ey f g hh ih iy jh k l m n ng ow oy p r s sh t th uh uw v w y z zh"
PHONES = (SILENCE, *_SPOKEN.split())
NUMBER_OF = {phone: number for number, phone in enumerate(PHONES)}
ALIASES = {"ax": "ah", "axr": "er", "pau": SILENCE, "h#": SILENCE, "brth": SILENCE, "ssil": SILENCE}


def from_festival(name: str) -> str:
    """Return the phone that flite and festival call `name`.

    Raises:
        ValueError: The table does not have this phone.
    """
    phone = ALIASES.get(name, name)
    if phone not in NUMBER_OF:
        raise ValueError(f"unknown phone {name!r}; the known phones are {', '.join(PHONES)}")
    return phone


def from_sphinx(name: str) -> str:
    """Return the phone that pocketsphinx calls `name`. Its fillers (+NOISE+, SIL) are silence.

    Raises:
        ValueError: The table does not have this phone.
    """
    return SILENCE if name == "SIL" or name.startswith("+") else from_festival(name.lower())
