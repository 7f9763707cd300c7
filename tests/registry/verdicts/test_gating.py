"""Registered candidates at the gate: a champion's scores are used, replaced or requested, and never assumed."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest
from release_helpers import (
    JUDGES,
    LINEAGE,
    TODAY,
    lane_scores,
    language_rules,
    language_scores,
    policy,
    recordings_of,
    scorecard,
    write_scores,
    write_voice_folder,
)

from metrics.scores import Scorecard
from registry.candidates.candidate import Candidate
from registry.candidates.registration import register_candidate
from registry.candidates.rescoring import save_rescore
from registry.gate.errors import CannotMeasure
from registry.gate.policy import GatePolicy
from registry.releases.promotion import promote
from registry.storage.store import Store
from registry.verdicts.gating import ChampionScores, gate_candidate

VOICE = "carl"
REMEDY = "score the champion again with `vox rescore carl`"


def register(store: Store, folder: Path, number: int, card: Scorecard) -> Candidate:
    voice = write_voice_folder(folder / str(number) / "voice", f"weights {number}")
    scores = write_scores(folder / str(number), card)
    return register_candidate(store, VOICE, voice_folder=voice, scorecard_path=scores, lineage=LINEAGE)


def make_champion(store: Store, candidate: Candidate, rules: GatePolicy | None = None) -> None:
    """Make a candidate the champion, as a first release."""
    rules = rules or policy()
    gate_candidate(store, VOICE, policy=rules, version=candidate.version, first_release=True)
    moved = promote(
        store,
        VOICE,
        policy=rules,
        recordings_dir=recordings_of(store.root, VOICE),
        smoke_texts={"en": "hello"},
        version=candidate.version,
        first_release=True,
        actor="tester",
        today=TODAY,
        smoke=lambda folder, text: None,
    )
    assert moved.changed


@pytest.fixture
def pair(store, tmp_path) -> tuple[Candidate, Candidate]:
    """Return a champion scored by an older judge and a candidate scored by today's."""
    older = scorecard(VOICE, judges=JUDGES.model_copy(update={"asr_version": "5.0"}))
    champion = register(store, tmp_path / "scores", 1, older)
    make_champion(store, champion)
    return champion, register(store, tmp_path / "scores", 2, scorecard(VOICE))


def new_scores(champion: Candidate, **changes: object) -> ChampionScores:
    return replace(ChampionScores(champion.candidate_id, champion.weights_sha256, scorecard(VOICE)), **changes)


def test_champion_of_another_judge_is_not_compared_and_the_command_that_scores_it_again_is_named(store, pair):
    with pytest.raises(CannotMeasure, match=f"version 1, was scored under other judges .*{REMEDY}"):
        gate_candidate(store, VOICE, policy=policy(), version=2)


def test_champion_scored_again_is_compared_and_the_verdict_names_those_scores(store, pair):
    champion, candidate = pair
    signed = gate_candidate(store, VOICE, policy=policy(), version=2, champion_scores=new_scores(champion))
    assert signed.verdict.outcome == "pass"
    assert signed.verdict.candidate.scores_sha256 == candidate.scores_sha256
    assert signed.verdict.champion.candidate_id == champion.candidate_id
    assert signed.verdict.champion.scores_sha256 != champion.scores_sha256


def test_champion_that_was_scored_again_and_kept_is_compared_by_those_scores(store, pair):
    champion, _ = pair
    save_rescore(store, champion, scorecard(VOICE, wer=0.2), findings=())
    decision = gate_candidate(store, VOICE, policy=policy(), version=2).verdict.decision
    assert decision.champion_figures["wer"] == pytest.approx(0.2)
    save_rescore(store, champion, scorecard(VOICE, seeds=(0, 3)), findings=())  # of other seeds: not these
    again = gate_candidate(store, VOICE, policy=policy(), version=2).verdict.decision
    assert again == decision


def test_champion_registered_before_its_speaker_was_kept_is_compared_after_a_rescore(store, tmp_path):
    before = scorecard(VOICE, voice_embedding=None)
    champion = register(store, tmp_path / "scores", 1, before)
    make_champion(store, champion)
    register(store, tmp_path / "scores", 2, scorecard(VOICE))
    message = f"do not say whose recordings they are measured against; {REMEDY}"
    with pytest.raises(CannotMeasure, match=message):
        gate_candidate(store, VOICE, policy=policy(), version=2)
    save_rescore(store, champion, before, findings=())  # by an installation of before: it does not help
    with pytest.raises(CannotMeasure, match=message):
        gate_candidate(store, VOICE, policy=policy(), version=2)
    save_rescore(store, champion, scorecard(VOICE), findings=())
    assert gate_candidate(store, VOICE, policy=policy(), version=2).verdict.outcome == "pass"


def test_champion_scored_again_in_a_language_of_the_candidate_is_compared_in_it(store, tmp_path):
    zh = language_scores(wer=0.1)
    champion = register(store, tmp_path / "scores", 1, scorecard(VOICE))
    make_champion(store, champion)
    register(store, tmp_path / "scores", 2, scorecard(VOICE, other_languages=(zh,)))
    rules = policy(other_languages={"zh": language_rules()})
    decision = gate_candidate(store, VOICE, policy=rules, version=2).verdict.decision
    assert decision.outcome == "pass" and decision.other_languages[0].champion_figures is None
    save_rescore(store, champion, scorecard(VOICE, other_languages=(language_scores(wer=0.0),)), findings=())
    decision = gate_candidate(store, VOICE, policy=rules, version=2).verdict.decision
    assert decision.outcome == "fail" and decision.other_languages[0].champion_figures["wer"] == 0


def test_champion_does_not_lose_a_language_by_being_scored_again_without_it(store, tmp_path):
    """Otherwise scores of a day without the language would let a candidate pass that lacks it, or is worse in it."""
    zh, older = language_scores(wer=0.1), JUDGES.model_copy(update={"asr_version": "5.0"})
    champion = register(store, tmp_path / "scores", 1, scorecard(VOICE, judges=older, other_languages=(zh,)))
    make_champion(store, champion, policy(other_languages={"zh": language_rules()}))
    register(store, tmp_path / "scores", 2, scorecard(VOICE))
    save_rescore(store, champion, scorecard(VOICE), findings=())
    with pytest.raises(CannotMeasure, match=r"params\.yaml must have its language zh, or gate\.retired name it"):
        gate_candidate(store, VOICE, policy=policy(), version=2)
    decision = gate_candidate(store, VOICE, policy=policy(retired=["language zh"]), version=2).verdict.decision
    assert decision.outcome == "pass"
    save_rescore(store, champion, scorecard(VOICE, other_languages=(zh,)), findings=())
    assert gate_candidate(store, VOICE, policy=policy(), version=2).verdict.outcome == "fail"


@pytest.mark.parametrize(("wer", "is_served"), [(0.1, True), (0.6, False)], ids=["served", "not served"])
def test_champion_does_not_lose_the_lane_that_it_is_served_in_by_being_scored_again_without_it(
    store, tmp_path, wer, is_served
):
    """A lane in which it never passed may be missing, because nobody relies on it."""
    rules, older = policy(lanes={"realtime": language_rules()}), JUDGES.model_copy(update={"asr_version": "5.0"})
    scores = scorecard(VOICE, judges=older, lanes=(lane_scores(wer=wer),))
    champion = register(store, tmp_path / "scores", 1, scores)
    make_champion(store, champion, rules)
    register(store, tmp_path / "scores", 2, scorecard(VOICE))
    save_rescore(store, champion, scorecard(VOICE), findings=())
    if is_served:
        with pytest.raises(CannotMeasure, match=r"params\.yaml must have its lane realtime, or gate\.retired name it"):
            gate_candidate(store, VOICE, policy=rules, version=2)
    else:
        assert gate_candidate(store, VOICE, policy=rules, version=2).verdict.outcome == "pass"


@pytest.mark.parametrize("name", ["candidate_id", "weights_sha256"])
def test_scores_of_another_voice_given_as_the_champions_are_refused(store, pair, name):
    champion, candidate = pair
    wrong = new_scores(champion, **{name: getattr(candidate, name)})
    with pytest.raises(CannotMeasure, match=f"are of another voice \\({name} "):
        gate_candidate(store, VOICE, policy=policy(), version=2, champion_scores=wrong)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"judges": JUDGES.model_copy(update={"normalizer_version": "2"})}, "judges: the candidate has"),
        ({"seeds": (0, 2)}, "seeds: "),
        ({"n_prompts": 19}, "the champion lacks p019 seed 0"),
        ({"voice": "bob"}, "voice: the candidate has carl, the champion bob"),
    ],
)
def test_champion_scored_again_otherwise_than_the_candidate_is_not_compared(store, pair, changes, message):
    given = new_scores(pair[0], scorecard=scorecard(**({"voice": VOICE} | changes)))
    with pytest.raises(CannotMeasure, match=message):
        gate_candidate(store, VOICE, policy=policy(), version=2, champion_scores=given)


def test_champion_whose_scores_are_lost_is_not_assumed_to_be_anything(store, pair):
    champion, _ = pair
    scores = next(Path(store.artifacts.removeprefix("file://")).rglob(f"{champion.run_id}/**/scorecard.json"))
    kept = scores.read_text()
    scores.unlink()
    with pytest.raises(CannotMeasure, match=f"has no scores that can be used: .*{REMEDY}"):
        gate_candidate(store, VOICE, policy=policy(), version=2)
    scores.write_text(kept.replace('"word_errors":1', '"word_errors":2'))
    with pytest.raises(CannotMeasure, match=r"scorecard\.json of carl version 1 is not what was registered"):
        gate_candidate(store, VOICE, policy=policy(), version=2)


def test_scores_of_a_champion_where_there_is_none_are_refused(store, tmp_path):
    candidate = register(store, tmp_path / "scores", 1, scorecard(VOICE))
    with pytest.raises(CannotMeasure, match="scores of a champion of carl were given, but carl has no champion"):
        gate_candidate(store, VOICE, policy=policy(), champion_scores=new_scores(candidate))
