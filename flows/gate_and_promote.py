"""The steps after the stages: gate a candidate, promote it, write its report."""

from __future__ import annotations

import json
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from flows.paths import CANDIDATES, REPORTS, recordings_dir
from metrics.prompt_sets import load_language, load_other_languages, prompts_of_lane, prompts_of_preset
from metrics.prompts import PromptSet
from metrics.scores import LaneScores, PresetScores, Scorecard
from registry.gate.decision import Decision
from registry.gate.errors import CannotMeasure
from registry.gate.policy import GatePolicy, parse_policy
from registry.releases.journal import champion, read_journal
from registry.storage.store import open_store
from registry.verdicts.gating import current_verdict, gate_candidate
from registry.verdicts.store import SignedVerdict
from stages.execution.outputs import write_atomically
from stages.params import load_params


@dataclass(frozen=True)
class GatedCandidate:
    """A candidate's signed verdict.

    Attributes:
        signed: The verdict.
        is_earlier: Whether the verdict was given by an earlier run and is still up to date.
        note: Why this candidate was taken, where the user should know. Else empty.
    """

    signed: SignedVerdict
    is_earlier: bool
    note: str = ""

    def table(self) -> list[dict[str, Any]]:
        """Return one row per figure, for Prefect's table artifact."""
        decision = self.signed.verdict.decision
        others = decision.champion_figures or {}
        return [
            {"figure": name, "candidate": round(value, 4), "champion": round(others[name], 4) if others else ""}
            for name, value in decision.figures.items()
        ]

    def markdown(self) -> str:
        """Return the verdict as Markdown."""
        from registry.verdicts.markdown import to_markdown

        return to_markdown(self.signed)


def candidate_id(voice: str) -> str | None:
    """Return the id of the candidate that the register stage wrote, or None before it ran."""
    path = CANDIDATES / voice / "candidate.json"
    return json.loads(path.read_text(encoding="utf-8"))["candidate_id"] if path.is_file() else None


def candidate_is_registered(voice: str) -> bool:
    """Return whether the registry in use holds the candidate with every byte as registered, which DVC cannot know."""
    wanted = candidate_id(voice)
    if wanted is None:
        return False
    from registry.candidates.candidate import find_candidate, score_folder_of, voice_folder_of
    from registry.candidates.fingerprint import CandidateError

    store = open_store()
    try:
        candidate = find_candidate(store, voice, candidate_id=wanted)
        voice_folder_of(store, candidate)
        score_folder_of(store, candidate)
    except (CandidateError, ValueError):  # ValueError: the scorecard is not one any more
        return False
    return True


def gate_newest(voice: str, policy: GatePolicy, *, first_release: bool) -> GatedCandidate:
    """Return the verdict about the candidate of the last run: an earlier one that is up to date, else a new one.

    An earlier one is not repeated where the candidate was registered again since, because it names a version that is
    gone or damaged.

    Args:
        voice: The voice.
        policy: What the gate requires.
        first_release: Whether the user accepts that there is no champion to compare with. Without meaning once the
            voice has a champion.
    """
    store = open_store()
    wanted = candidate_id(voice)
    if wanted is None:
        raise CannotMeasure(f"{voice} has no candidate; run `vox run {voice}`")
    release = champion(store, voice)
    first_release = first_release and release is None
    earlier = current_verdict(store, voice, candidate_id=wanted, policy=policy, locked_prompts=locked_prompts)
    # The verdict that made the candidate champion stays its verdict: compared with itself it could only pass
    is_champion = release is not None and release.candidate_id == wanted
    if earlier is not None and (
        is_champion or _is_about(earlier, _registered_version(voice, wanted), first_release=first_release)
    ):
        return GatedCandidate(earlier, is_earlier=True)
    signed = _gate(voice, policy, version=None, candidate_id=wanted, first_release=first_release)
    return GatedCandidate(signed, is_earlier=False)


def gate_version(voice: str, policy: GatePolicy, *, version: int | None, first_release: bool) -> GatedCandidate:
    """Return a new verdict about a registered version, or for None about the candidate that this checkout made.

    Another job may have registered a newer version in the same registry. It is gated only where this checkout has made
    no candidate, and the note says so.
    """
    wanted = candidate_id(voice) if version is None else None
    signed = _gate(voice, policy, version=version, candidate_id=wanted, first_release=first_release)
    note = ""
    if version is None and wanted is None:
        note = (
            f"this checkout has made no candidate of {voice}, so the newest in the registry is gated: version "
            f"{signed.verdict.candidate.version}"
        )
    return GatedCandidate(signed, is_earlier=False, note=note)


def is_champion(candidate: GatedCandidate) -> bool:
    """Return whether a candidate is the champion of its voice."""
    verdict = candidate.signed.verdict
    release = champion(open_store(), verdict.voice)
    return release is not None and release.candidate_id == verdict.candidate.candidate_id


def find_passed(voice: str, version: int | None) -> GatedCandidate:
    """Return a version with the verdict that lets it be promoted today.

    Args:
        voice: The voice.
        version: The version, None for the newest.

    Raises:
        ReleaseRefused: If the verdict is missing, out of date or not a pass, or the version was taken back since.
    """
    from registry.candidates.candidate import find_candidate
    from registry.releases.alias import ReleaseRefused
    from registry.releases.taken_back import why_taken_back

    store = open_store()
    candidate = find_candidate(store, voice, version)
    policy = parse_policy(load_params().gate)
    signed = current_verdict(
        store, voice, candidate_id=candidate.candidate_id, policy=policy, locked_prompts=locked_prompts
    )
    if signed is None or signed.verdict.outcome != "pass":
        found = f"its verdict is {signed.verdict.outcome}" if signed else "it has no verdict that is up to date"
        raise ReleaseRefused(
            f"{voice} version {candidate.version} cannot be promoted: {found}; see "
            f"`vox gate {voice} --candidate {candidate.version}`"
        )
    if taken_back := why_taken_back(read_journal(store, voice).require_whole().state, candidate, signed):
        raise ReleaseRefused(f"{voice} version {candidate.version} cannot be promoted: {taken_back}")
    return GatedCandidate(signed, is_earlier=True)


def promote(voice: str, *, version: int | None, first_release: bool, actor: str | None = None) -> str:
    """Make a version champion and return what happened in a sentence.

    Args:
        voice: The voice.
        version: The version to promote, None for the newest.
        first_release: Whether the user accepts that there is no champion to compare with.
        actor: Who decided, None for whoever runs this process.

    Raises:
        ReleaseRefused: With every reason.
    """
    from registry.releases import promotion

    params = load_params()
    move = promotion.promote(
        open_store(),
        voice,
        policy=parse_policy(params.gate),
        recordings_dir=recordings_dir(voice),
        smoke_texts=params.register_.smoke_text,
        version=version,
        first_release=first_release,
        approvals=params.releases.approvals,
        actor=actor,
        today=datetime.now(UTC).date(),
        locked_prompts=locked_prompts,
    )
    return move.note


def rollback(voice: str, *, to: int | None, request: str = "") -> str:
    """Make a former champion the champion again and return what happened in a sentence.

    Args:
        voice: The voice.
        to: The version to go back to, None for the champion before.
        request: Names what asked for it. A rollback that was done for it is not done again.

    Raises:
        ReleaseRefused: With every reason.
    """
    from registry.releases import promotion

    today, folder = datetime.now(UTC).date(), recordings_dir(voice)
    return promotion.rollback(open_store(), voice, recordings_dir=folder, to=to, today=today, request=request).note


def promote_if_passed(candidate: GatedCandidate) -> str:
    """Promote a candidate if the gate passed it, and return what happened in a sentence."""
    verdict = candidate.signed.verdict
    if verdict.outcome != "pass":
        return f"not promoted: the verdict is {verdict.outcome}"
    version = _registered_version(verdict.voice, verdict.candidate.candidate_id)
    return promote(verdict.voice, version=version, first_release=verdict.decision.first_release)


def _registered_version(voice: str, candidate_id: str) -> int:
    """Return the number of a candidate in the registry. It is a new one where the candidate was registered again."""
    from registry.candidates.candidate import find_candidate

    return find_candidate(open_store(), voice, candidate_id=candidate_id).version


def _is_about(signed: SignedVerdict, version: int, *, first_release: bool) -> bool:
    verdict = signed.verdict
    return (verdict.candidate.version, verdict.decision.first_release) == (version, first_release)


def report_html(signed: SignedVerdict) -> str:
    """Return the report of a verdict as one HTML page, made from what the registry holds."""
    from registry.report.verdict_report import report_of
    from stages.evaluation.selection import RULE

    return report_of(open_store(), signed, RULE)


def write_report(candidate: GatedCandidate) -> Path:
    """Write the report of a verdict unless it is there, and return its path.

    The file's name holds the verdict's hash, so a report that exists never changes.
    """
    signed = candidate.signed
    name = f"{signed.verdict.voice}-{signed.verdict.candidate.version}-{signed.sha256[:8]}.html"
    path = REPORTS.absolute() / name
    if not path.is_file():
        path.parent.mkdir(parents=True, exist_ok=True)
        write_atomically(path, report_html(signed))
    return path


def locked_prompts(decision: Decision) -> dict[str, str]:
    """Return the sha256 of the locked prompts of today for each part of a decision, as `vox gate` would ask for them.

    Args:
        decision: What was decided, in which languages, with which presets and in which lanes.

    Returns:
        The hashes by `language CODE`, `preset NAME` and `lane NAME`. A part that params.yaml has no more has none left,
        and its hash is empty.

    Raises:
        ValueError: A prompt file is missing or malformed, or differs from its lock.
    """
    params = load_params()
    settings, presets, lanes = params.evaluate, params.presets, params.evaluate.lanes
    folder, others = Path(settings.prompts), [part.language for part in decision.other_languages]
    own = load_language(folder, decision.language)
    sets = [own, *load_other_languages(folder, decision.language, others, settings.n_other_language_prompts)]
    hashes = {f"language {prompts.language}": prompts.sha256 for prompts in sets}
    for part in decision.presets:
        preset = presets.get(part.name)
        prompts = prompts_of_preset(own, part.name, preset.categories) if preset else None
        hashes[f"preset {part.name}"] = prompts.sha256 if prompts else ""
    for part in decision.lanes:
        lane = lanes.get(part.name)
        prompts = prompts_of_lane(own, part.name, lane.n_prompts, lane.n_seeds) if lane else None
        hashes[f"lane {part.name}"] = prompts.sha256 if prompts else ""
    return hashes


def _gate(
    voice: str, policy: GatePolicy, *, version: int | None, candidate_id: str | None, first_release: bool
) -> SignedVerdict:
    from registry.candidates.candidate import find_candidate, scorecard_of

    store = open_store()
    candidate = find_candidate(store, voice, version, candidate_id)
    scorecard = scorecard_of(store, candidate)
    prompt_sets = _locked_prompts(scorecard, version=candidate.version)
    return gate_candidate(
        store,
        voice,
        policy=policy,
        version=candidate.version,
        first_release=first_release,
        prompt_sets=prompt_sets,
        part_prompts=_prompts_of_parts(scorecard, prompt_sets[0], version=candidate.version),
    )


def _prompts_of_parts(card: Scorecard, prompts: PromptSet, *, version: int) -> dict[str, PromptSet]:
    """Return the locked prompts of every preset and lane of a scorecard, by `preset NAME` and `lane NAME`.

    Args:
        card: The scores.
        prompts: The locked prompts in the voice's own language.
        version: Which version was scored.

    Raises:
        CannotMeasure: params.yaml does not have a preset or lane any more, or judges it by other prompts.
    """
    params, sets = load_params(), {}
    presets, lanes = params.presets, params.evaluate.lanes
    for part in card.presets:
        who = f"{card.voice} version {version} was scored with the preset {part.name}"
        if part.name not in presets:
            raise CannotMeasure(
                f"{who}, which params.yaml does not have; add it to presets, or make a version without it with "
                f"`vox run {card.voice}`"
            )
        expected = prompts_of_preset(prompts, part.name, presets[part.name].categories)
        sets[f"preset {part.name}"] = _require_same(part, expected, who=who)
    for part in card.lanes:
        who = f"{card.voice} version {version} was scored in the lane {part.name}"
        if (lane := lanes.get(part.name)) is None:
            raise CannotMeasure(
                f"{who}, which evaluate.lanes in params.yaml does not have; add it, or make a version without it with "
                f"`vox run {card.voice}`"
            )
        expected = prompts_of_lane(prompts, part.name, lane.n_prompts, lane.n_seeds)
        sets[f"lane {part.name}"] = _require_same(part, expected, who=who)
    return sets


def _require_same(part: PresetScores | LaneScores, expected: PromptSet, *, who: str) -> PromptSet:
    """Return the prompts of a part after a check that it was scored on them."""
    if part.prompts_sha256 != expected.sha256:
        raise CannotMeasure(
            f"{who} on other prompts or seeds ({part.prompts_sha256[:12]}...) than params.yaml gives it "
            f"({expected.sha256[:12]}...); score it on them with `vox run`"
        )
    return expected


def _locked_prompts(card: Scorecard, *, version: int) -> list[PromptSet]:
    """Return the locked prompts in every language of a scorecard.

    Raises:
        CannotMeasure: It was scored on other prompts.
    """
    settings = load_params().evaluate
    folder, others = Path(settings.prompts), [part.language for part in card.other_languages]
    prompt_sets = [
        load_language(folder, card.language),
        *load_other_languages(folder, card.language, others, settings.n_other_language_prompts),
    ]
    hashes = {part.language: part.prompts_sha256 for part in (card, *card.other_languages)}
    for prompts in prompt_sets:
        if hashes[prompts.language] != prompts.sha256:
            raise CannotMeasure(
                f"{card.voice} version {version} was scored on other prompts in {prompts.language} "
                f"({hashes[prompts.language][:12]}...) than the locked ones ({prompts.sha256[:12]}...); score it on "
                f"them with `vox run {card.voice}`"
            )
    return prompt_sets
