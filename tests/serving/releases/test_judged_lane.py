"""Real time is offered where the verdict passed it, and never where the verdict found it bad."""

from __future__ import annotations

from pathlib import Path

import pytest
from release_helpers import lane_scores, language_rules, make_verdict, policy, scorecard

from gpt_sovits.synthesis.preset import default_preset
from registry.verdicts.store import SignedVerdict
from serving.releases.pairs import Pair, has_judged_lane, lanes_of

RULES = policy(n_resamples=1000, lanes={"realtime": language_rules()})
RETRYING = default_preset("en", 0.09).model_copy(update={"max_retries": 2})
PLAIN = RETRYING.model_copy(update={"max_retries": 0, "n_best_of": 1, "token_phones": None})
GOOD, BAD, OLD = lane_scores(), lane_scores(wer=0.6), lane_scores(settings_sha256="0" * 64)
BOTH, BATCH = ("realtime", "batch"), ("batch",)


def pair(preset, *lanes) -> Pair:
    verdict = make_verdict(scorecard(lanes=lanes), None, RULES)
    return Pair(
        voice="anna",
        version=2,
        candidate_id="1" * 64,
        folder=Path("voice"),
        presets={"narration": preset, "dialogue": preset},
        lexicon=None,
        verdict=SignedVerdict(verdict, "0" * 64, None),
        scores_sha256="2" * 64,
        prompts_sha256="3" * 64,
    )


@pytest.mark.parametrize(
    ("one", "request_", "judged", "lanes", "lanes_if_unjudged_is_allowed"),
    [
        (pair(RETRYING, GOOD), ("narration", None), True, BOTH, BOTH),
        (pair(RETRYING, GOOD), ("narration", "en"), True, BOTH, BOTH),
        (pair(RETRYING, BAD), ("narration", None), False, BATCH, BATCH),
        (pair(PLAIN, BAD), ("narration", "en"), False, BATCH, BATCH),
        (pair(RETRYING), ("narration", None), False, BATCH, BOTH),
        (pair(RETRYING, OLD), ("narration", None), False, BATCH, BOTH),
        (pair(RETRYING, GOOD), ("narration", "zh"), False, BATCH, BOTH),
        (pair(RETRYING, GOOD), ("dialogue", None), False, BATCH, BOTH),
        (pair(PLAIN), ("narration", None), True, BOTH, BOTH),
        (pair(PLAIN), ("dialogue", None), True, BOTH, BOTH),
    ],
    ids=[
        "passed",
        "passed, own language named",
        "failed",
        "failed with the tokens of batch",
        "not judged",
        "judged with other options",
        "another language",
        "another preset",
        "the tokens of batch",
        "another preset with the tokens of batch",
    ],
)
def test_real_time_is_offered_where_the_verdict_holds_for_it(
    one, request_, judged, lanes, lanes_if_unjudged_is_allowed
):
    assert has_judged_lane(one, *request_) is judged
    assert lanes_of(one, *request_, allow_unjudged=False) == lanes
    assert lanes_of(one, *request_, allow_unjudged=True) == lanes_if_unjudged_is_allowed
