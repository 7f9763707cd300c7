"""Candidates, the gate, releases and consent: the only package that moves an alias.

    candidates/  a voice with its scores, registered as one MLflow model version
    gate/        the decision whether a candidate may replace the champion
    verdicts/    signed decisions: made, stored and rendered
    releases/    promote, roll back and revoke, with the journal and its audit
    profiles/    what is known of a voice in service, preset by preset
    listening/   blind comparison of candidate and champion, and the votes
    report/      the HTML page about a version
    keys/        who may sign what, and the signatures under every record
    storage/     where MLflow and the journals are
    consent/     who allowed a voice to be cloned, and for what
    files.py     hash a file, and write one durably
    names.py     what the name of a voice and of a person may be
    errors.py    the base class of this package's errors

The names below are loaded at first use, so `import registry` alone imports neither MLflow nor torch.
"""

import lazy_loader

__getattr__, __dir__, __all__ = lazy_loader.attach(
    __name__,
    submod_attrs={
        "candidates.candidate": ["Candidate", "find_candidate"],
        "candidates.registration": ["register_candidate"],
        "consent.checks": ["check_consent"],
        "errors": ["RegistryError"],
        "gate.policy": ["GatePolicy", "parse_policy"],
        "profiles.profile": ["SpeakerProfile", "read_profile", "read_voice_in_service"],
        "releases.alias": ["AliasMove", "ReleaseRefused"],
        "releases.audit": ["audit"],
        "releases.journal": ["champion", "history"],
        "releases.promotion": ["promote", "recover", "revoke", "rollback"],
        "releases.service": ["find_servable"],
        "storage.store": ["Store", "open_store"],
        "verdicts.gating": ["current_verdict", "gate_candidate"],
    },
)
