"""`vox run`: every stage of a voice up to date, and a verdict."""

from __future__ import annotations

import json
from collections.abc import Sequence

from flows.commands.verdicts import print_verdict
from flows.console import console, print_line
from flows.paths import CARD_PAGE, DATA_CARDS
from flows.prefect_server import ensure_server, running_server
from flows.run_view import RunView
from flows.settings import apply_settings
from flows.train_and_release import DirectEngine, Outcome, Request, run_pipeline


def run_voice(request: Request, *, with_prefect: bool, settings: Sequence[str], as_json: bool) -> int:
    """Bring a voice up to date, gate its candidate, print the verdict and return its exit code.

    Args:
        request: The voice and what to do with its candidate.
        with_prefect: Whether the run is a flow run of the project's Prefect server, which is started if needed.
        settings: Changes of params.yaml, each `key=value`.
        as_json: Whether the outcome is printed as JSON and nothing else is.
    """
    view = RunView(request.voice, console, quiet=as_json)
    for change in apply_settings(settings):
        view.print_line(change)
    if with_prefect:
        outcome = _run_with_prefect(request, view)
    else:
        with view:
            outcome = run_pipeline(request, view, engine=DirectEngine())
    if as_json:
        print(_to_json(outcome))
    else:
        candidate = outcome.candidate
        is_followed = request.promote and candidate.signed.verdict.outcome == "pass"
        print_verdict(candidate.signed, is_earlier=candidate.is_earlier, is_followed=is_followed)
        if outcome.release:
            print_line(f"release: {outcome.release}")
        print_line(f"card:    {(DATA_CARDS / request.voice / CARD_PAGE).absolute()}")
        print_line(f"report:  {outcome.report}")
    return outcome.candidate.signed.verdict.exit_code


def _run_with_prefect(request: Request, view: RunView) -> Outcome:
    if running_server() is None:
        view.print_line("starting the Prefect server of this project (once; `vox server stop` ends it) ...")
    url = ensure_server()
    view.print_line(f"Prefect: {url.removesuffix('/api')}")
    from flows.prefect_engine import run_with_prefect  # after ensure_server: prefect reads its settings on import

    with view:
        return run_with_prefect(request, view)


def _to_json(outcome: Outcome) -> str:
    verdict = outcome.candidate.signed.verdict
    content = {
        "voice": verdict.voice,
        "outcome": verdict.outcome,
        "reasons": [reason.model_dump(mode="json") for reason in verdict.decision.reasons],
        "figures": verdict.decision.figures,
        "version": verdict.candidate.version,
        "stages": {result.stage: result.state for result in outcome.stages},
        "release": outcome.release,
        "report": str(outcome.report),
    }
    return json.dumps(content, indent=2)
