"""`vox gate`: a verdict about a candidate, for a person and for CI."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path

from flows.commands.verdicts import print_verdict
from flows.console import print_line
from flows.errors import named_errors
from flows.gate_and_promote import GatedCandidate, gate_version, report_html
from flows.guard import explain
from flows.prefect_server import ensure_server
from registry.gate.policy import parse_policy
from registry.report.page import unmeasured_report
from registry.verdicts.junit import to_junit, unmeasured_junit
from registry.verdicts.markdown import to_markdown, unmeasured_markdown
from registry.verdicts.store import SignedVerdict
from registry.verdicts.verdict_file import to_json
from stages.execution.outputs import write_atomically
from stages.params import load_params


@dataclass(frozen=True, kw_only=True)
class VerdictFiles:
    """Where the verdict is written, in up to four forms. None stands for a form that is not wanted."""

    json: Path | None = None
    markdown: Path | None = None
    junit: Path | None = None
    html: Path | None = None

    def write(self, signed: SignedVerdict) -> None:
        """Write a verdict."""
        _write(self.json, to_json(signed))
        _write(self.markdown, to_markdown(signed))
        _write(self.junit, to_junit(signed))
        if self.html is not None:  # the report takes seconds
            _write(self.html, report_html(signed))

    def write_unmeasured(self, voice: str, message: str) -> None:
        """Write that there is no verdict, and why."""
        _write(self.json, json.dumps({"voice": voice, "outcome": None, "error": message}, indent=2) + "\n")
        _write(self.markdown, unmeasured_markdown(voice, message))
        _write(self.junit, unmeasured_junit(voice, message))
        _write(self.html, unmeasured_report(voice, message))


def gate_voice(voice: str, version: int | None, *, first_release: bool, files: VerdictFiles, with_prefect: bool) -> int:
    """Gate a version, write and print the verdict, and return its exit code.

    Args:
        voice: The voice.
        version: The version to gate, None for the one that this checkout made.
        first_release: Whether the user accepts that there is no champion to compare with.
        files: Where the verdict is written.
        with_prefect: Whether the gate is a flow run of the project's Prefect server.
    """
    # However this ends, an earlier `pass` must not stand where CI looks for the answer.
    files.write_unmeasured(voice, "the gate did not finish")
    try:
        candidate = _gate(voice, version, first_release=first_release, with_prefect=with_prefect)
    except (RuntimeError, *named_errors()) as error:
        files.write_unmeasured(voice, explain(error))
        raise
    files.write(candidate.signed)
    if candidate.note:
        print_line(candidate.note)
    print_verdict(candidate.signed, is_earlier=False)
    return candidate.signed.verdict.exit_code


def _gate(voice: str, version: int | None, *, first_release: bool, with_prefect: bool) -> GatedCandidate:
    policy = parse_policy(load_params().gate)

    def gate() -> GatedCandidate:
        return gate_version(voice, policy, version=version, first_release=first_release)

    if not with_prefect:
        return gate()
    ensure_server()
    from flows.prefect_engine import gate_with_prefect  # after ensure_server: prefect reads its settings on import

    return gate_with_prefect(voice, version, gate=gate)


def _write(path: Path | None, text: str) -> None:
    if path is not None:
        path.parent.mkdir(parents=True, exist_ok=True)
        write_atomically(path, text)
