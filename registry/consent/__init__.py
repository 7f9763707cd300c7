"""Consent: who allowed a voice to be cloned, for what and until when.

record.py           the consent record of a voice, and its hash
words.py            what a voice may be used for, and what is deleted after a revocation
file.py             voice.yaml, where the record is kept
checks.py           whether the consent allows a use today
statement.py        what a speaker says to agree
revocations.py      what remains of a voice whose consent was revoked
model_artifacts.py  delete the files that MLflow keeps of a voice
yaml_file.py        YAML without surprises
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
