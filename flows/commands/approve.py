"""`vox approve`: a release manager agrees that a version may be promoted on its verdict."""

from __future__ import annotations

from flows.console import print_error, print_line
from registry.releases.alias import ReleaseRefused
from registry.storage.store import open_store
from stages.params import load_params

REFUSED = 1  # exit code


def approve_voice(voice: str, version: int | None) -> int:
    """Approve a version, or the newest for None. Return 0 if it is approved now, 1 if refused."""
    from registry.releases.approvals import approve

    needed = load_params().releases.approvals
    try:
        done = approve(open_store(), voice, version=version)
    except ReleaseRefused as refusal:
        print_error(f"refused: {refusal}")
        return REFUSED
    state = "approved" if done.is_new else "you approved before"
    print_line(
        f"{voice} version {done.version}: {state}; {len(done.approvers)} of {needed} required approvals: "
        f"{', '.join(done.approvers)}"
    )
    return 0
