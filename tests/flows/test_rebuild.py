"""`vox rebuild` on a small voice: the same bytes again, and the first output that differs."""

from __future__ import annotations

import pytest
from project import VOICE, run, vox

pytestmark = [pytest.mark.slow, pytest.mark.timeout(900)]


def test_rebuild_from_the_cache_has_the_registered_hashes_and_says_what_was_not_computed(finished):
    done = vox(finished, "rebuild", VOICE, "1")
    assert done.returncode == 0, done.stderr[-3000:] + done.stdout
    assert "same: all" in done.stdout
    assert "restored from DVC's cache, not computed: ingest, segment" in done.stdout
    assert run(["git", "worktree", "list"], finished).stdout.count("\n") == 1


def test_recording_that_is_not_to_be_had_is_named(finished):
    (recording, *_) = sorted((finished / f"data/1_recordings/{VOICE}").rglob("*.flac"))
    recording.write_bytes(recording.read_bytes() + b"\0")
    done = vox(finished, "rebuild", VOICE, "1")
    assert done.returncode == 2
    assert f"{recording.name} as registered is neither in this workspace nor in DVC's cache" in done.stderr
    done = vox(finished, "verify", VOICE, "1")
    assert done.returncode == 1
    assert "the first broken link of version 1 of tiny is 'recordings'" in done.stdout
