"""`vox rebuild`: reproduce a version from commit and recordings, and compare every output."""

from __future__ import annotations

import sys

from flows.console import print_line
from flows.proof.rebuild import rebuild
from registry.storage.masking import mask_secrets, visible
from registry.storage.store import open_store


def rebuild_voice(voice: str, version: int | None, *, force: bool) -> int:
    """Print which stages ran and whether the outputs are the registered ones. Return 0 if so, 1 if one differs."""
    result = rebuild(open_store(), voice, version, force=force, on_line=_print_progress)
    for note in result.notes:
        print_line(f"note: {note}")
    print_line(f"computed: {', '.join(result.computed) or 'nothing'}")
    if result.restored:
        print_line(f"restored from DVC's cache, not computed: {', '.join(result.restored)} (--force computes all)")
    subject = f"version {result.version} of {voice}"
    if result.difference:
        print_line(f"different: {subject}: {result.difference}")
        return 1
    print_line(f"same: all {result.n_outputs} outputs of {subject} have the registered hashes")
    return 0


def _print_progress(line: str) -> None:
    print(visible(mask_secrets(line)), file=sys.stderr, flush=True)
