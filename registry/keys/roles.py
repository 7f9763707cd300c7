"""The roles that a key can have, and the role that each kind of record needs."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Literal, get_args

Role = Literal["engineer", "release_manager", "privacy_officer"]
ROLES: tuple[Role, ...] = get_args(Role)

WHAT_A_ROLE_DOES: dict[Role, str] = {
    "engineer": "registers candidates, scores them again and gates them",
    "release_manager": "promotes, rolls back and approves",
    "privacy_officer": "records consents, their revocation and what was erased",
}

# None: any trusted key. A checkpoint is what the next commands start from, so it needs the role that releases.
# The records of a chain that are not named here are refused.
_KINDS: dict[str, Role] = {
    "registration": "engineer",
    "rescore": "engineer",
    "verdict": "engineer",
    "approval": "release_manager",
    "consent": "privacy_officer",
    "erasure": "privacy_officer",
    "checkpoint": "release_manager",
}
_RELEASES: dict[str, Role | None] = {
    "promote": "release_manager",
    "rollback": "release_manager",
    "revoke": "privacy_officer",
    "restore": None,  # puts the alias back where the journal says: recovery, which whoever comes next has to do
}


def role_for(kind: str, content: Mapping[str, Any]) -> Role | None:
    """Return the role that a record's signer needs, None where any trusted key will do.

    The end of a release (`done`, `undone`) needs none, because recovery writes it after a killed release. It allows
    nothing that its `started` row did not.

    Args:
        kind: The record's kind, such as `release`.
        content: Its content. Of a release, `action` and `state` are read.

    Raises:
        ValueError: No role is known for records of this kind.
    """
    if kind == "release":
        action, state = content.get("action"), content.get("state")
        if action in _RELEASES and state in ("started", "done", "undone"):
            return _RELEASES[action] if state == "started" else None
        raise ValueError(f"a release cannot be {action!r} in the state {state!r}")
    if kind not in _KINDS:
        raise ValueError(f"{kind!r} is not a kind of record; the kinds are release, {', '.join(_KINDS)}")
    return _KINDS[kind]
