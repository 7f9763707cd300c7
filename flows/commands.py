"""What the commands of `vox` do, and what they print."""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from dataclasses import asdict
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

from rich.console import Console
from rich.table import Table

from flows.release import GatedCandidate, gate_version, promote, recordings_dir, report_html
from flows.view import RunView
from registry.gate.policy import parse_policy
from registry.storage.store import open_store
from registry.verdicts.store import SignedVerdict
from stages.execution.outputs import write_atomically
from stages.params import load_params

if TYPE_CHECKING:
    from flows.train_and_release import Outcome, Request

console = Console(highlight=False)
say = partial(console.print, soft_wrap=True)  # a line stays a line, for grep and for copying
COLOURS = {"pass": "green", "fail": "red", "inconclusive": "yellow"}


def run_voice(
    voice: str, promote_it: bool, first_release: bool, with_prefect: bool, settings: Sequence[str], as_json: bool
) -> int:
    """`vox run`."""
    from flows.settings import apply_settings
    from flows.train_and_release import NoPrefect, Request, run_pipeline

    view = RunView(voice, console, quiet=as_json)
    for change in apply_settings(settings):
        view.say(change)
    request = Request(voice, promote_it, first_release)
    if with_prefect:
        outcome = _run_with_prefect(request, view)
    else:
        with view:
            outcome = run_pipeline(request, view, NoPrefect())
    verdict = outcome.judged.signed.verdict
    if as_json:
        shown = {
            "voice": voice,
            "outcome": verdict.outcome,
            "reasons": [reason.model_dump(mode="json") for reason in verdict.decision.reasons],
            "figures": verdict.decision.figures,
            "version": verdict.candidate.version,
            "stages": {result.stage: result.state for result in outcome.stages},
            "release": outcome.release,
            "report": str(outcome.report),
        }
        print(json.dumps(shown, indent=2))
        return verdict.exit_code
    _show_verdict(outcome.judged.signed, outcome.judged.is_earlier)
    if outcome.release:
        say(f"release: {outcome.release}", markup=False)
    say(f"report:  {outcome.report}", markup=False)
    return verdict.exit_code


def _run_with_prefect(request: Request, view: RunView) -> Outcome:
    _prefect_server(view.say)
    from flows.prefect_engine import run_with_prefect

    with view:
        return run_with_prefect(request, view)


def _prefect_server(tell: Callable[[str], None] = lambda line: None) -> None:
    """See that a Prefect server answers; before anything imports prefect, which reads its settings then."""
    from flows.server import ensure_server, running_server

    if running_server() is None:
        tell("starting the Prefect server of this project (once; `vox server stop` ends it) ...")
    url = ensure_server()
    tell(f"Prefect: {url.removesuffix('/api')}")


def gate_voice(
    voice: str,
    candidate: int | None,
    first_release: bool,
    json_file: Path | None,
    markdown_file: Path | None,
    junit_file: Path | None,
    html_file: Path | None,
    with_prefect: bool,
) -> int:
    """`vox gate`."""
    from registry.report.page import unmeasured_report
    from registry.verdicts.junit import to_junit, unmeasured_junit
    from registry.verdicts.markdown import to_markdown, unmeasured_markdown
    from registry.verdicts.verdict_file import to_json

    def unmeasured(message: str) -> None:
        shown = json.dumps({"voice": voice, "outcome": None, "error": message}, indent=2) + "\n"
        _write_file(json_file, shown)
        _write_file(markdown_file, unmeasured_markdown(voice, message))
        _write_file(junit_file, unmeasured_junit(voice, message))
        _write_file(html_file, unmeasured_report(voice, message))

    unmeasured("the gate did not finish")  # however it ends, an earlier `pass` is not where CI looks for the answer
    try:
        if with_prefect:
            signed = _gate_with_prefect(voice, candidate, first_release)
        else:
            signed = gate_version(voice, parse_policy(load_params().gate), candidate, first_release)
    except (ValueError, RuntimeError, OSError) as error:
        unmeasured(" ".join(str(error).split()))
        raise
    _write_file(json_file, to_json(signed))
    _write_file(markdown_file, to_markdown(signed))
    _write_file(junit_file, to_junit(signed))
    if html_file is not None:
        _write_file(html_file, report_html(signed))
    _show_verdict(signed, is_earlier=False)
    return signed.verdict.exit_code


def _gate_with_prefect(voice: str, candidate: int | None, first_release: bool) -> SignedVerdict:
    _prefect_server()
    from flows.prefect_engine import gate_with_prefect

    policy = parse_policy(load_params().gate)
    return gate_with_prefect(
        voice,
        candidate,
        lambda: GatedCandidate(gate_version(voice, policy, candidate, first_release), is_earlier=False),
    ).signed


def rescore_voice(voice: str, version: int | None, with_prefect: bool, cron: str | None, as_json: bool) -> int:
    """`vox rescore`: 0 as it was, 1 it drifted."""
    from flows import rescore
    from flows.train_and_release import NoPrefect

    if cron is not None:
        _prefect_server()
        from flows.prefect_engine import rescore_on_schedule

        say(f"scoring the champion of {voice} again at {cron!r} (cron, UTC); this process must stay", markup=False)
        rescore_on_schedule(voice, cron)
        return 0
    if with_prefect:
        _prefect_server()
        from flows.prefect_engine import rescore_with_prefect

        done = rescore_with_prefect(voice, version)
    else:
        done = rescore.evaluate_champion(voice, version, NoPrefect())
    if as_json:
        print(rescore.as_json(done))
        return int(done.has_drifted)
    table = Table(box=None, padding=(0, 2, 0, 0))
    rows = done.table()
    for name in rows[0]:
        table.add_column(name)
    for row in rows:
        table.add_row(*(str(row.get(name, "")) for name in rows[0]))
    console.print(table)
    say(f"{voice} version {done.candidate.version}: [bold]{done.headline()}[/]")
    for finding in (*done.drift.findings, *done.worse):
        say(f"  - {finding}", markup=False)
    return int(done.has_drifted)


def _write_file(path: Path | None, text: str) -> None:
    if path is not None:
        path.parent.mkdir(parents=True, exist_ok=True)
        write_atomically(path, text)


def _show_verdict(signed: SignedVerdict, is_earlier: bool) -> None:
    verdict = signed.verdict
    decision = verdict.decision
    against = f"champion version {verdict.champion.version}" if verdict.champion else "no champion"
    colour = COLOURS[verdict.outcome]
    say()
    say(
        f"verdict: [bold {colour}]{verdict.outcome}[/]  ({verdict.voice} version {verdict.candidate.version} against "
        f"{against}{', unchanged since an earlier run' if is_earlier else ''})"
    )
    for reason in decision.reasons:
        say(f"  - {reason.text}", markup=False)
    say(f"next: {decision.advice}", markup=False)
    figures = ", ".join(f"{name} {value:.3f}" for name, value in decision.figures.items())
    say(f"figures: {figures} on {decision.n_prompts} prompts, {decision.n_utterances} utterances")


def promote_voice(voice: str, version: int | None, first_release: bool) -> int:
    """`vox promote`."""
    return _released(lambda: promote(voice, version, first_release)[1])


def rollback_voice(voice: str, to_version: int | None) -> int:
    """`vox rollback`."""
    from datetime import UTC, datetime

    from registry.releases.promotion import promotion as releases

    today = datetime.now(UTC).date()
    return _released(
        lambda: (
            releases.rollback(
                open_store(), voice, recordings_dir=recordings_dir(voice), to=to_version, today=today
            ).note
        )
    )


def _released(move: Callable[[], str]) -> int:
    """Print what a release did; 1 with every reason where it was refused."""
    from registry.releases.alias import ReleaseRefused

    try:
        say(move(), markup=False)
    except ReleaseRefused as refusal:
        Console(stderr=True, highlight=False).print(f"refused: {refusal}", markup=False, soft_wrap=True)
        return 1
    return 0


def show_releases(voice: str, as_json: bool) -> int:
    """`vox releases`: the journal, and what is live."""
    from registry.releases.journal import read_journal, release_state

    journal = read_journal(open_store())
    rows = journal.rows_of(voice)
    champion = release_state(rows).champion
    if as_json:
        shown = {
            "voice": voice,
            "champion": champion.version if champion else None,
            "whole": journal.fault is None,
            "journal": [asdict(row) for row in rows],
        }
        print(json.dumps(shown, indent=2))
        return 0
    if not rows:
        say(f"{voice} was never released; `vox promote {voice} --first-release` after a `pass` of `vox gate`")
        return 0
    table = Table(box=None, padding=(0, 2, 0, 0))
    for name in ("row", "when (UTC)", "action", "state", "from", "to", "by", "note"):
        table.add_column(name)
    for row in rows:
        versions = ("-" if v is None else str(v) for v in (row.from_version, row.to_version))
        table.add_row(str(row.number), row.utc[:19], row.action, row.state, *versions, row.actor, row.note)
    console.print(table)
    say(f"live: version {champion.version}" if champion else "live: nothing")
    if journal.fault is not None:
        say(f"[bold red]the journal is broken:[/] {journal.fault}; see `vox audit {voice}`")
    return 0


def audit_voice(voice: str, as_json: bool) -> int:
    """`vox audit`: 0 whole, 1 broken."""
    from registry.releases.audit import audit
    from registry.releases.journal import history

    store = open_store()
    if not history(store, voice) and not recordings_dir(voice).is_dir():
        raise ValueError(f"{voice} was never released and is no voice of this project; check the name")
    faults = audit(store, voice)
    if as_json:
        print(json.dumps({"voice": voice, "whole": not faults, "faults": [str(fault) for fault in faults]}, indent=2))
    elif not faults:
        say(f"whole: the journal of {voice} is as it was written, and MLflow says the same")
    for fault in [] if as_json else faults:
        say(f"broken: {fault}", markup=False)
    return int(bool(faults))


def say_text(voice: str, text: str, output: Path, version: int | None, seed: int) -> int:
    """`vox say`."""
    from datetime import UTC, datetime

    import soundfile

    from gpt_sovits.synthesis.voice import load_voice
    from registry.candidates.candidate import find_candidate, voice_folder_of
    from registry.consent import check_consent
    from registry.releases.journal import champion

    formats = {".flac": "FLAC", ".wav": "WAV"}
    if output.suffix.lower() not in formats:
        raise ValueError(f"-o {output.name}: end it in {' or '.join(formats)}")
    check_consent(recordings_dir(voice), datetime.now(UTC).date())
    store = open_store()
    if version is None:
        live = champion(store, voice)
        if live is None:
            raise ValueError(f"{voice} has no champion; promote one, or name a version with --version N")
        version = live.version
    speech = load_voice(voice_folder_of(store, find_candidate(store, voice, version))).say(text, seed)
    partial = output.with_name(f".{output.name}.partial")
    soundfile.write(
        partial, speech.waveform, speech.sample_rate, format=formats[output.suffix.lower()], subtype="PCM_16"
    )
    partial.replace(output)
    say(f"{output}: {len(speech.waveform) / speech.sample_rate:.1f} s, {voice} version {version}")
    for sentence in speech.failures:
        say(
            f"{sentence.outcome.replace('_', ' ')}: {sentence.text[:60]!r}, after {sentence.n_retries} retries",
            markup=False,
        )
    return 0
