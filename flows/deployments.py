"""The flows that a Prefect worker runs, one per deployment of prefect.yaml.

They do what `vox run`, `vox gate`, `vox promote`, `vox rollback`, `vox rescore` and `vox campaign run` do, in the
project folder of the worker. What a command answers with an exit code is the final state of the run here: a verdict
other than `pass`, drift, and a campaign that is not delivered as a whole end as `Failed`, so that an automation can
tell somebody.

Prefect shows the docstrings of the flows and of Approval to whoever starts or approves a run.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Annotated, Literal

from prefect import flow, get_client, get_run_logger, runtime, suspend_flow_run
from prefect.client.schemas.actions import GlobalConcurrencyLimitCreate
from prefect.concurrency.sync import concurrency
from prefect.context import FlowRunContext
from prefect.deployments import run_deployment
from prefect.exceptions import ObjectAlreadyExists
from prefect.input import RunInput
from prefect.states import Completed, Failed, State
from pydantic import Field

from flows import gate_and_promote
from flows.campaign_flow import run_and_publish
from flows.console import console
from flows.dvc_remote import default_remote
from flows.dvc_stages import push_outputs
from flows.errors import FlowError
from flows.evaluate_champion import RescoreResult
from flows.gate_and_promote import GatedCandidate
from flows.prefect_engine import (
    PrefectEngine,
    end_lost_runs,
    evaluate_champion_flow,
    publish_verdict,
    tag_run,
)
from flows.run_campaign import CampaignRequest
from flows.run_view import RunView
from flows.train_and_release import Request, run_pipeline
from flows.worker_project import require_project
from registry.consent.record import VOICE_NAME
from registry.gate.policy import parse_policy
from stages.params import load_params

PROMOTE = "promote/promote"  # flow and deployment
LEASE_SECONDS = 60.0  # after a worker was killed, its voice is free again this much later; Prefect allows no less
WAIT_SECONDS = 86_400.0  # for another run of the voice, which may take hours
APPROVAL_SECONDS = 86_400
MAX_APPROVAL_SECONDS = 31_536_000

NAME = r"^[^\x00-\x1f\x7f]*[^\s\x00-\x1f\x7f][^\x00-\x1f\x7f]*$"  # one line with at least one character
APPROVAL = "approval"  # Prefect's key of the pause

VoiceName = Annotated[str, Field(pattern=VOICE_NAME)]
Version = Annotated[int, Field(ge=1)]
CampaignPath = Annotated[
    str, Field(max_length=500, pattern=r"^[A-Za-z0-9_-][A-Za-z0-9_.-]*(/[A-Za-z0-9_-][A-Za-z0-9_.-]*)*\.ya?ml$")
]


class ApprovalError(FlowError, RuntimeError):
    """A person approved something else than what would be promoted now."""


class Approval(RunInput):
    """A person's answer to a promotion that waits. Prefect shows the fields as a form."""

    decision: Literal["promote", "reject"] = Field(description="Whether the version becomes champion.")
    name: str = Field(max_length=100, pattern=NAME, description="Who decides. The journal of releases keeps it.")
    verdict: str = Field(description="SHA-256 of the verdict that you decide about. Leave it as it is.")


@flow(name="train_and_release", flow_run_name="{voice}", persist_result=False, retries=0)
def train_and_release(voice: VoiceName, *, promote: bool = False, first_release: bool = False) -> State:
    """Bring a voice up to date and gate its candidate.

    Args:
        voice: The name of a voice in params.yaml.
        promote: Whether a candidate that the gate passes is put up for promotion, which waits for a person.
        first_release: Accept that there is no champion to compare the candidate with.
    """
    with _only_run_of(voice):
        request = Request(voice=voice, first_release=first_release)
        with RunView(voice, console, quiet=True) as view:
            outcome = run_pipeline(request, view, engine=PrefectEngine())
        if default_remote():
            PrefectEngine().step("push to the DVC remote", lambda log: push_outputs(voice, on_line=log))
    if promote:
        _put_up_for_promotion(outcome.candidate)
    return _state_of(outcome.candidate)


@flow(name="gate", flow_run_name="{voice}", persist_result=False, retries=0)
def gate(voice: VoiceName, version: Version | None = None, *, first_release: bool = False) -> State:
    """Decide whether a candidate may replace the champion.

    Args:
        voice: The name of a voice in params.yaml.
        version: The version to gate. Without one, the one that the last run in the worker's project folder made, or the
            newest where no run has made one there.
        first_release: Accept that there is no champion to compare the candidate with.
    """
    _begin(voice)
    policy = parse_policy(load_params().gate)
    candidate = PrefectEngine().step(
        "gate",
        lambda log: gate_and_promote.gate_version(voice, policy, version=version, first_release=first_release),
    )
    if candidate.note:
        get_run_logger().info("%s", candidate.note)
    publish_verdict(voice, candidate)
    return _state_of(candidate)


@flow(name="promote", flow_run_name="{voice}", persist_result=False, retries=0)
def promote(
    voice: VoiceName,
    version: Version | None = None,
    *,
    first_release: bool = False,
    approval_seconds: Annotated[int, Field(ge=1, le=MAX_APPROVAL_SECONDS)] = APPROVAL_SECONDS,
) -> State:
    """Make a version champion after a person has approved it.

    The run is suspended meanwhile and occupies no worker. When it is resumed, it starts anew: so it looks again at what
    it asked about.

    Args:
        voice: The name of a voice in params.yaml.
        version: The version to promote. Without one, the newest.
        first_release: Accept that there is no champion to compare the candidate with.
        approval_seconds: How long the run waits for an answer before it fails.
    """
    _begin(voice)
    # 1. Refuse what no answer could make right, before anybody is asked.
    candidate = gate_and_promote.find_passed(voice, version)
    verdict = candidate.signed.verdict
    if gate_and_promote.is_champion(candidate):
        return Completed(message=f"version {verdict.candidate.version} is champion already")
    publish_verdict(voice, candidate)
    # 2. Wait for a person. In the resumed run this returns the answer.
    tag_run(voice, names_process=False)
    answer = suspend_flow_run(_question(candidate), timeout=approval_seconds, key=APPROVAL)
    if answer.decision == "reject":
        return Completed(name="Rejected", message=f"{answer.name} rejected version {verdict.candidate.version}")
    # 3. Promote what was approved, and nothing else.
    if answer.verdict != candidate.signed.sha256:
        raise ApprovalError(
            f"{answer.name} approved the verdict {answer.verdict[:12]}, but the one about version "
            f"{verdict.candidate.version} is {candidate.signed.sha256[:12]} now; start another promotion"
        )
    tag_run(voice, names_process=True)
    note = PrefectEngine().step(
        "promote",
        lambda log: gate_and_promote.promote(
            voice, version=verdict.candidate.version, first_release=first_release, actor=answer.name.strip()
        ),
    )
    return Completed(message=note)


@flow(name="rollback", flow_run_name="{voice}", persist_result=False, retries=0)
def rollback(voice: VoiceName, to_version: Version | None = None) -> State:
    """Go back to the champion before this one. It waits for nothing. A run that is repeated goes back once.

    Args:
        voice: The name of a voice in params.yaml.
        to_version: A version that was champion before. Without one, the release before.
    """
    _begin(voice)
    request = f"Prefect run {runtime.flow_run.id}"
    note = PrefectEngine().step(
        "rollback", lambda log: gate_and_promote.rollback(voice, to=to_version, request=request)
    )
    return Completed(message=note)


@flow(name="evaluate_champion", flow_run_name="{voice}", persist_result=False, retries=0)
def evaluate_champion(voice: VoiceName, version: Version | None = None) -> RescoreResult:
    """Score the champion again and look for drift. Drift fails the run.

    Args:
        voice: The name of a voice in params.yaml.
        version: The version to score. Without one, the champion.
    """
    with _only_run_of(voice):
        return evaluate_champion_flow.fn(voice, version)


@flow(name="campaign", flow_run_name="{file}", persist_result=False, retries=0)
def campaign(file: CampaignPath, *, accept_rejects: bool = False) -> State:
    """Speak a campaign to its end. What was spoken before is not spoken again.

    Args:
        file: The campaign file, below the project's folder.
        accept_rejects: Whether the other rows are spoken where the check refuses some.
    """
    require_project()
    written = run_and_publish(CampaignRequest(file=Path(file), accept_rejects=accept_rejects))
    if written is None:
        return Failed(message="it may not be spoken as it is; the log has the reasons")
    n_missing = written.summary.n_rows - written.summary.rows["done"]
    note = f"{written.summary.rows['done']} of {written.summary.n_rows} recipients have their audio"
    return Failed(message=note) if n_missing else Completed(message=note)


def _put_up_for_promotion(candidate: GatedCandidate) -> None:
    """Start a promotion, which waits for a person, where the verdict is a pass that nobody was asked about.

    It is put up as a first release only where the verdict is about one. A run may ask for a first release although the
    voice has a champion, and such a promotion would be refused after a person had approved it.
    """
    signed = candidate.signed
    if signed.verdict.outcome != "pass" or gate_and_promote.is_champion(candidate):
        return
    version = signed.verdict.candidate.version
    waiting = run_deployment(
        PROMOTE,
        parameters={
            "voice": signed.verdict.voice,
            "version": version,
            "first_release": signed.verdict.decision.first_release,
        },
        timeout=0,
        idempotency_key=signed.sha256,  # one question per verdict
        as_subflow=False,  # this run ends now
    )
    get_run_logger().info("the promotion of version %s is run %s", version, waiting.id)


def _question(candidate: GatedCandidate) -> type[Approval]:
    """Return the form that asks about a candidate, or after it was asked the form that the answer must fit."""
    if APPROVAL in FlowRunContext.get().flow_run.empirical_policy.pause_keys:
        return Approval  # without today's verdict, or it would stand in for one that the answer left out
    verdict = candidate.signed.verdict
    question = f"Make {verdict.voice} version {verdict.candidate.version} the champion?\n\n{candidate.markdown()}"
    return Approval.with_initial_data(description=question, verdict=candidate.signed.sha256)


def _state_of(candidate: GatedCandidate) -> State:
    """Return the state in which a run with this verdict ends."""
    verdict = candidate.signed.verdict
    message = f"version {verdict.candidate.version}: {verdict.outcome}"
    if verdict.outcome == "pass":
        return Completed(message=message)
    reasons = "; ".join(reason.text for reason in verdict.decision.reasons)
    return Failed(name=verdict.outcome.capitalize(), message=f"{message}: {reasons}")


def _begin(voice: str) -> None:
    """Tag this run with its voice and process, and end runs of the voice that a kill left open.

    Raises:
        WorkerProjectError: The worker has no project folder.
    """
    require_project()
    tag_run(voice, names_process=True)
    end_lost_runs(voice)


@contextmanager
def _only_run_of(voice: str) -> Iterator[None]:
    """Begin a run, and wait until no other one of the voice computes on any worker."""
    _begin(voice)
    limit = f"voice-{voice}"
    with get_client(sync_client=True) as client, suppress(ObjectAlreadyExists):
        client.create_global_concurrency_limit(GlobalConcurrencyLimitCreate(name=limit, limit=1))
    # a lost lease must not end a training: the same work done twice gives the same bytes
    with concurrency(
        limit,
        timeout_seconds=WAIT_SECONDS,
        lease_duration=LEASE_SECONDS,
        strict=True,
        raise_on_lease_renewal_failure=False,
    ):
        yield
