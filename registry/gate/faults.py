"""What keeps scores from being judged: incomplete, contradictory, not comparable. Fail closed: all of it is named."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Collection, Iterable

from metrics.scores import Scorecard, UtteranceScore, pooled
from registry.gate.policy import GatePolicy
from registry.gate.tables import label

SHOWN = 5  # rows named in one fault; the count says how many there are


def faults_of(
    candidate: Scorecard,
    champion: Scorecard | None,
    policy: GatePolicy,
    first_release: bool,
    prompt_ids: Collection[str] | None,
) -> list[str]:
    """Everything that keeps the scores from being judged, in words; see registry.gate.judge for the arguments."""
    faults = _faults_of_one("the candidate", candidate, policy.min_prompts, prompt_ids)
    faults += _faults_of_recordings(candidate, policy) + _faults_of_slices(candidate, policy)
    if champion is None:
        return faults
    if first_release:
        faults.append("a first release was asked for, and there is a champion; judge against it")
    faults += _faults_of_one("the champion", champion, policy.min_prompts, prompt_ids)
    for name in ("voice", "judges", "prompts_sha256", "seeds"):
        ours, theirs = getattr(candidate, name), getattr(champion, name)
        if ours != theirs:
            faults.append(
                f"{name}: the candidate has {_short(ours)}, the champion {_short(theirs)}; "
                "score both again under the same ones"
            )
    ours, theirs = ({(row.prompt_id, row.seed): row for row in card.rows} for card in (candidate, champion))
    for who, missing in (("candidate", theirs.keys() - ours.keys()), ("champion", ours.keys() - theirs.keys())):
        if missing:
            faults.append(f"the {who} lacks {_some(f'{prompt} seed {seed}' for prompt, seed in missing)}")
    other = [f"{prompt} seed {seed}" for (prompt, seed), row in ours.items() if not _same_text(row, theirs)]
    if other:
        faults.append(f"the two were scored against different reference texts in {_some(other)}")
    return faults


def _faults_of_one(who: str, card: Scorecard, min_prompts: int, prompt_ids: Collection[str] | None) -> list[str]:
    faults = []
    keys = Counter((row.prompt_id, row.seed) for row in card.rows)
    prompts, seeds = {prompt for prompt, _ in keys}, set(card.seeds)
    if len(seeds) != len(card.seeds):
        faults.append(f"{who} names a seed twice: {card.seeds}")
    if not len(prompts) >= min_prompts:
        faults.append(f"{who} has {len(prompts)} scored prompts and gate.min_prompts is {min_prompts}")
    if prompt_ids is not None and prompts != set(prompt_ids):
        faults.append(f"{who} was not scored on exactly the prompt set: {_some(prompts ^ set(prompt_ids))}")
    if twice := [key for key, count in keys.items() if count > 1]:
        faults.append(f"{who} has more than one row for {_some(f'{prompt} seed {seed}' for prompt, seed in twice)}")
    wanted = {(prompt, seed) for prompt in prompts for seed in seeds}
    if missing := wanted - keys.keys():
        faults.append(f"{who} lacks rows for {_some(f'{prompt} seed {seed}' for prompt, seed in missing)}")
    if surplus := keys.keys() - wanted:
        faults.append(f"{who} has rows of unknown seeds: {_some(f'{prompt} seed {seed}' for prompt, seed in surplus)}")
    for why, found in (
        ("no audio and no named failure", [row for row in card.rows if not row.failures and not has_audio(row)]),
        ("no similarity and no named failure", [row for row in card.rows if not row.failures and not_a_number(row)]),
    ):
        if found:
            faults.append(f"{who} has {why} in {_some(f'{row.prompt_id} seed {row.seed}' for row in found)}")
    return faults


def _faults_of_recordings(card: Scorecard, policy: GatePolicy) -> list[str]:
    """What keeps the held-out recordings from being a measure of the voice, where a bar is about them."""
    if not policy.reads_recordings:
        return []
    if not card.held_out:
        return ["the scores have no held-out recordings, and bars of the policy are about them; score with some"]
    if unheard := [row.prompt_id for row in card.held_out if not_a_number(row)]:
        return [f"held-out recordings have no similarity: {_some(unheard)}"]
    similarity = pooled(card.held_out)["similarity"]
    if similarity <= 0:
        return [
            f"the held-out recordings resemble their own voice by {similarity:.3f}: nothing can be a share of that; "
            "are they all of one speaker?"
        ]
    return []


def _faults_of_slices(card: Scorecard, policy: GatePolicy) -> list[str]:
    """Slices that the policy names and the prompts hardly have. (Where it names none, small ones are said to be so.)"""
    faults = []
    for part in policy.slices:
        if part.only is None:
            continue
        n_prompts = len({row.prompt_id for row in card.rows if label(row, part.by) == part.only})
        if n_prompts < part.min_prompts:
            faults.append(
                f"the slice {part.by} {part.only} has {n_prompts} prompts and gate.slices wants {part.min_prompts}"
            )
    return faults


def has_audio(row: UtteranceScore) -> bool:
    return bool(row.audio) and bool(row.audio_sha256) and row.seconds > 0


def not_a_number(row: UtteranceScore) -> bool:
    return row.similarity is None or math.isnan(row.similarity)


def _same_text(row: UtteranceScore, others: dict[tuple[str, int], UtteranceScore]) -> bool:
    other = others.get((row.prompt_id, row.seed), row)  # a missing row is a fault of its own
    return (row.reference, row.n_words, row.n_chars) == (other.reference, other.n_words, other.n_chars)


def _some(items: Iterable[object]) -> str:
    names = sorted(str(item) for item in items)
    return ", ".join(names[:SHOWN]) + (f" and {len(names) - SHOWN} more" if len(names) > SHOWN else "")


def _short(value: object) -> str:
    text = value.model_dump_json() if hasattr(value, "model_dump_json") else str(value)
    return text if len(text) <= 200 else text[:200] + "..."
