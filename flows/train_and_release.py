"""The pipeline: recordings in, a gated release out. The same steps with Prefect and without."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Protocol, TypeVar

from flows.dvc_remote import default_remote
from flows.dvc_stages import STAGES, StageResult, reproduce, stale_stages
from flows.gate_and_promote import (
    GatedCandidate,
    candidate_is_registered,
    gate_newest,
    promote_if_passed,
    write_report,
)
from flows.paths import recordings_dir
from flows.proof.commit import describe_changes
from flows.run_view import RunView
from flows.stage_records import read_records
from metrics.prompt_sets import load_language, load_other_languages, prompts_of_lane, prompts_of_preset
from registry.consent.checks import check_consent
from registry.gate.policy import GatePolicy, parse_policy
from stages.capabilities import check_speaking_settings, find_device_faults
from stages.execution.inputs import changed_files, join_changes, read_inputs
from stages.execution.locks import locked
from stages.judges import check_judges
from stages.params import Params, load_params
from stages.profiles import PROFILES, require_language, require_other_languages
from stages.used_settings import require_same_settings

T = TypeVar("T")
Log = Callable[[str], None]


class Engine(Protocol):
    """What runs the steps of a pipeline and shows its outcome."""

    def step(self, name: str, work: Callable[[Log], T]) -> T:
        """Run one named step, whose `work` takes a function for its log lines."""
        ...

    def publish(self, voice: str, outcome: Outcome) -> None:
        """Show the outcome where the engine keeps such things."""
        ...


@dataclass(frozen=True, kw_only=True)
class Request:
    """What the user wants of a run.

    Attributes:
        voice: The voice to bring up to date.
        promote: Whether a candidate that the gate passes becomes champion.
        first_release: Whether the user accepts that there is no champion to compare with.
    """

    voice: str
    promote: bool = False
    first_release: bool = False


@dataclass(frozen=True, kw_only=True)
class Outcome:
    """What a run did.

    Attributes:
        stages: The result of each stage, in the order of the pipeline.
        candidate: The candidate with its verdict.
        release: What happened to the promotion, empty where none was requested.
        report: The HTML report of the verdict.
    """

    stages: tuple[StageResult, ...]
    candidate: GatedCandidate
    release: str
    report: Path


class DirectEngine:
    """Runs each step at once in this process, without Prefect."""

    def step(self, name: str, work: Callable[[Log], T]) -> T:
        """Run a step and drop its log lines, which the run's view shows already."""
        return work(lambda line: None)

    def publish(self, voice: str, outcome: Outcome) -> None:
        """Show nothing: the command prints the outcome itself."""


def run_pipeline(request: Request, view: RunView, *, engine: Engine) -> Outcome:
    """Reproduce what is stale, gate the candidate and, if requested, promote it when the gate passes it.

    Nothing is retried: a stage that failed would fail again on the same inputs. Each voice has one run at a time.

    Args:
        request: The voice and what to do with its candidate.
        view: Where progress is shown.
        engine: What runs the steps.

    Raises:
        ValueError: If the voice is not in params.yaml, the profile cannot make a voice of its language, or there are
            fewer prompts than the gate needs.
        ConsentError: If the speaker's consent is missing, over or revoked.
        JudgeUnavailableError: If a judge is not installed.
        StageFailedError: If a stage failed.
    """
    voice = request.voice
    with locked(f"run-{voice}", wait_seconds=2):
        # 1. Refuse what cannot end well before anything is computed.
        params = load_params()
        policy = parse_policy(params.gate)
        language = _check_voice(voice, params)
        check_judges(params)
        _check_prompts(language, params=params, policy=policy)
        if note := describe_changes():
            view.print_line(note)
        # 2. Bring every stage up to date.
        stages = build(voice, view, engine=engine)
        # 3. Decide about the candidate that the last stage registered.
        candidate = engine.step("gate", lambda log: gate_newest(voice, policy, first_release=request.first_release))
        # 4. Move the alias if the verdict allows it.
        release = engine.step("promote", lambda log: promote_if_passed(candidate)) if request.promote else ""
        # 5. Show what was decided.
        report = engine.step("report", lambda log: write_report(candidate))
        outcome = Outcome(stages=tuple(stages), candidate=candidate, release=release, report=report)
        engine.publish(voice, outcome)
        return outcome


def _check_voice(voice: str, params: Params) -> str:
    """Return the voice's language. Raise where the voice is unknown, its consent is missing, or no model speaks it."""
    if voice not in params.voices:
        raise ValueError(
            f"{voice!r} is not among the voices of params.yaml ({', '.join(params.voices)}); "
            f"add it with `vox voice add {voice} FOLDER --language en --consent FILE`"
        )
    record = check_consent(recordings_dir(voice), datetime.now(UTC).date())
    require_language(voice, record.language, params.profile)
    others = set(params.evaluate.other_languages) - {record.language}
    require_other_languages(sorted(others), params.profile)
    return record.language


def _check_prompts(language: str, *, params: Params, policy: GatePolicy) -> None:
    """Raise ValueError where a prompt set is smaller than the gate needs, which it would say after all stages."""
    settings, folder = params.evaluate, Path(params.evaluate.prompts)
    needed = {language: ("gate.min_prompts", policy.min_prompts)}
    for other, rules in policy.other_languages.items():
        needed.setdefault(other, (f"gate.other_languages.{other}.min_prompts", rules.min_prompts))
    others = load_other_languages(folder, language, settings.other_languages, settings.n_other_language_prompts)
    faults, own = [], load_language(folder, language)
    for name, preset in params.presets.items():
        key, rules = f"gate.presets.{name}.min_prompts", policy.presets.get(name)
        n_prompts = len(prompts_of_preset(own, name, preset.categories).prompts)
        if rules is not None and n_prompts < rules.min_prompts:
            faults.append(
                f"the categories of the preset {name} have {n_prompts} prompts in {language} and {key} is "
                f"{rules.min_prompts}; name more categories in presets.{name}, or set {key} to at most {n_prompts}"
            )
    for name, lane in settings.lanes.items():
        key, rules = f"gate.lanes.{name}.min_prompts", policy.lanes.get(name)
        n_prompts = len(prompts_of_lane(own, name, lane.n_prompts, lane.n_seeds).prompts)
        if rules is not None and n_prompts < rules.min_prompts:
            faults.append(
                f"the lane {name} is spoken on {n_prompts} prompts in {language} and {key} is {rules.min_prompts}; "
                f"raise evaluate.lanes.{name}.n_prompts, or set {key} to at most {n_prompts}"
            )
    for prompts in (own, *others):
        key, n_needed = needed.get(prompts.language, ("", 0))
        if (n_prompts := len(prompts.prompts)) < n_needed:
            faults.append(
                f"{folder / prompts.language}.yaml gives {n_prompts} prompts and {key} is {n_needed}, so the gate "
                "could not decide about the voice; add prompts and lock them with "
                f"`python -m metrics.prompts lock FILE`, or set {key} to at most {n_prompts}"
            )
    if faults:
        raise ValueError("\n".join(faults))


def build(voice: str, view: RunView, *, engine: Engine) -> list[StageResult]:
    """Bring every stage of a voice up to date, in the order of the pipeline.

    DVC says once which stages are stale. From the first stale stage on, it is asked to reproduce each one, because
    the outputs of the stages before may have changed.

    Raises:
        ValueError: A stage that would run cannot do what params.yaml says, on this base model or this machine, or
            params.yaml has changed since an earlier stage of the run.
        StageFailedError: A stage failed.
    """
    recordings = read_inputs("ingest", voice)
    stale = engine.step("ask DVC what is stale", lambda log: stale_stages(voice))
    if not stale and not candidate_is_registered(voice):
        stale = {"register": "the candidate is not in this registry, or not as it was registered"}
    _check_stages(STAGES[min(map(STAGES.index, stale), default=len(STAGES)) :], view)
    results: list[StageResult] = []
    has_run = False
    for stage in STAGES:
        if not has_run and stage not in stale:
            view.end_stage(stage, "fresh")
            results.append(StageResult(stage=stage, state="fresh"))
            continue
        _check_settings([result.stage for result in results], voice)
        view.start_stage(stage, stale.get(stage, "a stage before it ran"))
        result = engine.step(
            stage, lambda log, stage=stage: _reproduce(stage, voice, log=_log_to_both(view, stage, log=log))
        )
        view.end_stage(stage, result.state)
        has_run = True
        recordings = read_inputs("ingest", voice) if stage == "ingest" else recordings
        results.append(result)
    if not has_run:
        view.print_line(f"all {len(STAGES)} stages are up to date")
    if changes := changed_files(recordings, read_inputs("ingest", voice)):
        view.print_line(f"{join_changes(changes)} changed after ingest; `vox run {voice}` takes that in")
    return results


def _check_stages(stages: Sequence[str], view: RunView) -> None:
    """Refuse before the first of these stages runs what a later one would refuse."""
    params = load_params()
    if "evaluate" in stages:
        from gpt_sovits.weights.base import load_base  # it loads torch, which a run without stale stages does without

        check_speaking_settings(params, load_base(PROFILES[params.profile].base))
    if not (faults := find_device_faults(params, stages)):
        return
    if not (remote := default_remote()):
        raise ValueError("\n".join(faults))
    for fault in faults:  # a machine with a GPU may have trained already, as a run on a second worker expects
        view.print_line(f"{fault}. The run goes on, because {remote} may have what the stage writes")


def _check_settings(stages: Sequence[str], voice: str) -> None:
    """Raise ValueError where one of these stages ran with other parameters than params.yaml has now.

    The registration would refuse that too, hours later.
    """
    names = {f"{stage}@{voice}" for stage in stages}
    records = {name: entry for name, entry in read_records().items() if name in names}
    require_same_settings(records, load_params().model_dump(mode="json", by_alias=True))


def _reproduce(stage: str, voice: str, *, log: Log) -> StageResult:
    # DVC keeps the stage's output, not the registry: after a loss there, or a move to another one, it must run again
    force = stage == "register" and not candidate_is_registered(voice)
    return reproduce(stage, voice, on_line=log, force=force)


def _log_to_both(view: RunView, stage: str, *, log: Log) -> Log:
    """Return a log function that shows a line in the view and hands it to the step's own log."""

    def log_line(line: str) -> None:
        view.log_line(stage, line)
        log(line)

    return log_line
