"""How a verdict is printed, by `vox run` and `vox gate`."""

from __future__ import annotations

from rich.text import Text

from flows.console import print_line
from registry.verdicts.store import SignedVerdict

COLOURS = {"pass": "green", "fail": "red", "inconclusive": "yellow"}


def print_verdict(signed: SignedVerdict, *, is_earlier: bool, is_followed: bool = False) -> None:
    """Print a verdict with its reasons, the next step and the figures.

    Args:
        signed: The verdict.
        is_earlier: Whether an earlier run has made it.
        is_followed: Whether the next step was made already, so that nobody has to be told.
    """
    verdict = signed.verdict
    decision = verdict.decision
    opponent = f"champion version {verdict.champion.version}" if verdict.champion else "no champion"
    subject = f"{verdict.voice} version {verdict.candidate.version} against {opponent}"
    note = ", unchanged since an earlier run" if is_earlier else ""
    print_line()
    print_line("verdict: ", Text(verdict.outcome, f"bold {COLOURS[verdict.outcome]}"), f"  ({subject}{note})")
    for reason in decision.reasons:
        print_line(f"  - {reason.text}")
    if not is_followed:
        print_line(f"next: {decision.advice}")
    figures = ", ".join(f"{name} {value:.3f}" for name, value in decision.figures.items())
    print_line(f"figures: {figures} on {decision.n_prompts} prompts, {decision.n_utterances} utterances")
