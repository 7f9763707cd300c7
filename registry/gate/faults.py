"""Refuse scores that are incomplete, contradictory or not comparable, and name everything that is wrong."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence

from metrics.scores import Scorecard, UtteranceScore, pooled
from registry.gate.errors import CannotMeasure
from registry.gate.part_kinds import LANE, LANGUAGE, PART_KINDS, PartKind, PartScores
from registry.gate.policy import GatePolicy
from registry.gate.speakers import speaker_faults
from registry.gate.tables import slice_label

MAX_ROWS = 5  # named in one fault; the count says how many there are
MAX_CHARACTERS = 200  # of a value shown in a fault


def check_scores(
    candidate: Scorecard,
    champion: Scorecard | None,
    *,
    policy: GatePolicy,
    first_release: bool,
    prompt_ids: Mapping[str, Collection[str]] | None,
) -> None:
    """Check that scores are complete and comparable, so that the gate can decide.

    Args:
        candidate: Scores of the candidate.
        champion: Scores of the champion, or None.
        policy: Gives the number of prompts, the slices, and whether recordings are needed.
        first_release: Whether a person requested a release without a champion.
        prompt_ids: Every prompt of a language by its code, and of a preset or lane by `preset NAME` or `lane NAME`,
            where known.

    Raises:
        CannotMeasure: With everything that is wrong.
    """
    faults = _card_faults("the candidate", candidate, policy=policy, prompt_ids=prompt_ids or {})
    faults += _recording_faults(candidate, policy) + _slice_faults(candidate, policy)
    if champion is not None:
        if first_release:
            faults.append("a first release was requested, but there is a champion; compare with it")
        faults += _card_faults("the champion", champion, policy=policy, prompt_ids=prompt_ids or {})
        faults += _comparison_faults(candidate, champion)
    if faults:
        raise CannotMeasure("; ".join(faults))


def differences(first: Scorecard, second: Scorecard) -> list[tuple[str, object, object]]:
    """Return (name, value of the first, value of the second) of everything that keeps two scorecards from comparing.

    A language, preset or lane that only one of them has is not among these.
    """
    found = _differing_fields(first, second, ("voice", "language", "judges", "prompts_sha256", "seeds"))
    for kind, name, part, same in _common_parts(first, second):
        fields = _differing_fields(part, same, kind.comparable)
        found += [(f"{field} {kind.where.format(name)}", *values) for field, *values in fields]
    return found


def _common_parts(first: Scorecard, second: Scorecard) -> Iterator[tuple[PartKind, str, PartScores, PartScores]]:
    """Yield kind, name and scores of each language, preset and lane that both have."""
    for kind in PART_KINDS:
        of_second = kind.by_name(second)
        for part in kind.parts(first):
            if (name := kind.name_of(part)) in of_second:
                yield kind, name, part, of_second[name]


def _differing_fields(first: object, second: object, names: Sequence[str]) -> list[tuple[str, object, object]]:
    values = [(name, getattr(first, name), getattr(second, name)) for name in names]
    return [(name, one, other) for name, one, other in values if one != other]


def has_audio(row: UtteranceScore) -> bool:
    """Return whether an utterance has audio of some length."""
    return bool(row.audio) and bool(row.audio_sha256) and row.seconds > 0


def has_no_similarity(row: UtteranceScore) -> bool:
    """Return whether the similarity of an utterance is missing or NaN."""
    return row.similarity is None or math.isnan(row.similarity)


def _card_faults(
    who: str, card: Scorecard, *, policy: GatePolicy, prompt_ids: Mapping[str, Collection[str]]
) -> list[str]:
    """Return what is wrong with one scorecard: in its own language, and in every other language, preset and lane."""
    own_ids = prompt_ids.get(card.language)
    faults = _row_faults(who, card, card.language, min_prompts=policy.min_prompts, prompt_ids=own_ids)
    for kind in PART_KINDS:
        names = [kind.name_of(part) for part in kind.parts(card)]
        counts = Counter([card.language, *names] if kind == LANGUAGE else names)
        if repeated := sorted(name for name, count in counts.items() if count > 1):
            faults.append(f"{who} has more than one set of scores {kind.where.format(', '.join(repeated))}")
        for name, part in zip(names, kind.parts(card), strict=True):
            rules = kind.rules(policy).get(name)
            faults += _row_faults(
                f"{who} {kind.where.format(name)}",
                part,
                name if kind == LANGUAGE else card.language,
                min_prompts=rules.min_prompts if rules else 1,
                prompt_ids=prompt_ids.get(name if kind == LANGUAGE else kind.slice_of(name)),
            )
    for lane in card.lanes:
        own = {(*_key(row), *_text_of(row)) for row in card.rows}
        if strange := [row for row in lane.rows if (*_key(row), *_text_of(row)) not in own]:
            faults.append(
                f"{who} {LANE.where.format(lane.name)} has rows with another prompt, seed or text than the voice "
                f"itself: {_list_keys(map(_key, strange))}"
            )
    return faults


def _row_faults(
    who: str,
    card: Scorecard | PartScores,
    language: str,
    *,
    min_prompts: int,
    prompt_ids: Collection[str] | None,
) -> list[str]:
    """Return what is wrong with the rows of one language, preset or lane: there must be one per prompt and seed."""
    faults = []
    if foreign := [row for row in card.rows if row.language != language]:
        faults.append(f"{who} has rows that are not in {language}: {_list_keys(map(_key, foreign))}")
    keys = Counter((row.prompt_id, row.seed) for row in card.rows)
    prompts, seeds = {prompt for prompt, _ in keys}, set(card.seeds)
    if len(seeds) != len(card.seeds):
        faults.append(f"{who} names a seed twice: {card.seeds}")
    if not len(prompts) >= min_prompts:
        faults.append(f"{who} has {len(prompts)} scored prompts and gate.min_prompts is {min_prompts}")
    if prompt_ids is not None and prompts != set(prompt_ids):
        faults.append(f"{who} was not scored on exactly the prompt set: {_list(prompts ^ set(prompt_ids))}")
    if repeated := [key for key, count in keys.items() if count > 1]:
        faults.append(f"{who} has more than one row for {_list_keys(repeated)}")
    expected = {(prompt, seed) for prompt in prompts for seed in seeds}
    if missing := expected - keys.keys():
        faults.append(f"{who} lacks rows for {_list_keys(missing)}")
    if surplus := keys.keys() - expected:
        faults.append(f"{who} has rows of unknown seeds: {_list_keys(surplus)}")
    unfailed = [row for row in card.rows if not row.failures]
    for lack, found in (
        ("no audio", [row for row in unfailed if not has_audio(row)]),
        ("no similarity", [row for row in unfailed if has_no_similarity(row)]),
    ):
        if found:
            faults.append(f"{who} has {lack} and no named failure in {_list_keys(map(_key, found))}")
    return faults


def _comparison_faults(candidate: Scorecard, champion: Scorecard) -> list[str]:
    """Return what keeps two scorecards from being compared. A part that only one has is not a fault."""
    faults = [
        f"{name}: the candidate has {_shorten(of_candidate)}, the champion {_shorten(of_champion)}; "
        "score both again under the same ones"
        for name, of_candidate, of_champion in differences(candidate, champion)
    ]
    if candidate.judges.speaker == champion.judges.speaker:
        faults += speaker_faults(candidate, champion)
    faults += _pairing_faults(candidate, champion)
    for _, _, part, same in _common_parts(candidate, champion):
        faults += _pairing_faults(part, same)
    return faults


def _pairing_faults(candidate: Scorecard | PartScores, champion: Scorecard | PartScores) -> list[str]:
    """Return the rows that only one of the two has, or that were scored against different texts."""
    faults = []
    candidate_rows, champion_rows = ({_key(row): row for row in card.rows} for card in (candidate, champion))
    for who, missing in (
        ("candidate", champion_rows.keys() - candidate_rows.keys()),
        ("champion", candidate_rows.keys() - champion_rows.keys()),
    ):
        if missing:
            faults.append(f"the {who} lacks {_list_keys(missing)}")
    common = candidate_rows.keys() & champion_rows.keys()
    if differing := [key for key in common if _text_of(candidate_rows[key]) != _text_of(champion_rows[key])]:
        faults.append(f"the two were scored against different reference texts in {_list_keys(differing)}")
    return faults


def _recording_faults(card: Scorecard, policy: GatePolicy) -> list[str]:
    """Return what makes the held-out recordings useless to thresholds that are relative to them."""
    if not policy.reads_recordings:
        return []
    if not card.held_out:
        return ["the scores have no held-out recordings, and thresholds are relative to them; score with some"]
    if unmeasured := [row.prompt_id for row in card.held_out if has_no_similarity(row)]:
        return [f"held-out recordings have no similarity: {_list(unmeasured)}"]
    similarity = pooled(card.held_out)["similarity"]
    if similarity <= 0:
        return [
            f"the held-out recordings resemble their own voice by {similarity:.3f}, and nothing can be a ratio to "
            "that; check that they are all of one speaker"
        ]
    return []


def _slice_faults(card: Scorecard, policy: GatePolicy) -> list[str]:
    """Return the slices that the policy names and for which there are too few prompts.

    Slices that it does not name may be small: the decision says which were not checked.
    """
    faults = []
    for part in policy.slices:
        if part.only is None:
            continue
        n_prompts = len({row.prompt_id for row in card.rows if slice_label(row, part.by) == part.only})
        if n_prompts < part.min_prompts:
            faults.append(
                f"the slice {part.by} {part.only} has {n_prompts} prompts and gate.slices needs {part.min_prompts}"
            )
    return faults


def _key(row: UtteranceScore) -> tuple[str, int]:
    return row.prompt_id, row.seed


def _text_of(row: UtteranceScore) -> tuple[str, int, int]:
    return row.reference, row.n_words, row.n_chars


def _list_keys(keys: Iterable[tuple[str, int]]) -> str:
    return _list(f"{prompt} seed {seed}" for prompt, seed in keys)


def _list(items: Iterable[object]) -> str:
    names = sorted(str(item) for item in items)
    return ", ".join(names[:MAX_ROWS]) + (f" and {len(names) - MAX_ROWS} more" if len(names) > MAX_ROWS else "")


def _shorten(value: object) -> str:
    text = value.model_dump_json() if hasattr(value, "model_dump_json") else str(value)
    return text if len(text) <= MAX_CHARACTERS else text[:MAX_CHARACTERS] + "..."
