"""A verdict with every part."""

from __future__ import annotations

import pytest
from release_helpers import held_out, make_verdict, policy, scorecard, utterance

from registry.gate.preference import PreferenceVotes
from registry.verdicts.store import SignedVerdict, save_verdict


@pytest.fixture
def whole(bare_store) -> SignedVerdict:
    """Return a verdict with slices (one too small), votes, a regressed prompt, superiority and recordings."""
    threshold = {"metric": "wer", "at_most": 0.5, "unit": "errors per word", "reason": "x"}
    ratio = {"metric": "similarity", "at_least": 0.9, "relative_to": "recordings", "scale": "ratio"}
    ratio |= {"unit": "ratio to the recordings", "reason": "x"}
    rules = policy(
        thresholds=[threshold, ratio],
        slices=[{"by": "category", "min_prompts": 5, "thresholds": [threshold]}],
        regressed_prompts={"at_most": 0, "min_seeds": 2, "reason": "x"},
        superiority={"metric": "wer", "at_least": 0.01, "unit": "errors per word", "reason": "x"},
        preference={"min_votes": 20, "worse_than": 0.4, "reason": "x"},
    )
    prompts = {"names": range(3), "long": range(3, 9)}
    rows = [
        utterance(p, s, 9 if p == 4 else 1, category=next((n for n, of in prompts.items() if p in of), "everyday"))
        for p in range(20)
        for s in (0, 1)
    ]
    card = scorecard(rows=rows, held_out=held_out(similarity=0.95))
    votes = PreferenceVotes(n_candidate=2, n_champion=30, n_ties=1, n_listeners=2)
    return save_verdict(bare_store, make_verdict(card, scorecard(), rules, votes=votes))
