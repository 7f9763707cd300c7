"""`vox rebuild`: compute a version again from its commit and recordings, and compare every output."""

from __future__ import annotations

import json

from rich.text import Text

from flows.console import console, print_line, print_table
from flows.proof.rebuild import COMPUTED, DIFFERENT, SAME, Rebuild, StageComparison, rebuild
from flows.run_view import RunView
from registry.storage.store import open_store

COLUMNS = ("stage", "result", "outputs", "time", "first difference")
STYLES = {"same": "green", "differs": "bold red", "missing": "yellow"}


def rebuild_voice(voice: str, version: int | None, *, keep: bool, as_json: bool) -> int:
    """Print which stages wrote the registered bytes again.

    Args:
        voice: The voice's name.
        version: Its number, None for the champion.
        keep: Whether the worktree stays until the next rebuild.
        as_json: Print the comparison as JSON and nothing else.

    Returns:
        0 if all outputs are the same, 1 if one differs, 2 if none differs and a stage failed.
    """
    with RunView(voice, console, quiet=as_json, stages=COMPUTED) as view:
        result = rebuild(open_store(), voice, version=version, keep=keep, view=view)
    if as_json:
        print(json.dumps({"voice": voice, **result.as_content()}, indent=2))
        return result.exit_code
    print_line()
    print_table([_describe(one) for one in result.comparisons], header=COLUMNS)
    for note in result.notes:
        print_line(f"note: {note}")
    if result.folder is not None:
        print_line(f"kept until the next rebuild: {result.folder}")
    print_line(_conclude(voice, result))
    return result.exit_code


def _describe(one: StageComparison) -> tuple[str | Text, ...]:
    seconds = "" if one.seconds is None else f"{one.seconds:.0f} s"
    result = Text(one.state, STYLES[one.state])
    difference = one.difference + ("; its inputs differ too" if one.difference and one.has_other_inputs else "")
    return one.stage, result, str(one.n_outputs or ""), seconds, difference


def _conclude(voice: str, result: Rebuild) -> str:
    subject = f"version {result.version} of {voice}"
    n_outputs = sum(one.n_outputs for one in result.comparisons if one.seconds is not None)
    if result.exit_code == SAME:
        return f"same: all {n_outputs} outputs of {subject} were computed again and have the registered hashes"
    failure = f"the rebuild of {subject} failed: {result.fault}" if result.fault else ""
    if result.exit_code == DIFFERENT and result.first_difference is not None:
        end = f"; {failure}" if failure else ""
        return f"different: the first stage of {subject} that wrote other bytes is {result.first_difference.stage}{end}"
    return f"not rebuilt: {failure}"
