"""Consent: who allowed a voice to be cloned, for what and until when.

record.py  the consent record of a voice, and its hash
file.py    voice.yaml, where the record is kept
checks.py  whether the consent allows a use today
"""

import lazy_loader

__getattr__, __dir__, __all__ = lazy_loader.attach(
    __name__,
    submod_attrs={
        "checks": ["check_consent"],
        "file": ["load_voice", "revoke_consent", "write_voice"],
        "record": ["Consent", "ConsentError", "Voice", "consent_sha256"],
    },
)
