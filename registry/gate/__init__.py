"""The gate: may this candidate replace the champion? Pure functions of two scorecards and a policy.

deciding.py           `decide`: the whole gate, from scorecards to a Decision
decision.py           the Decision and the records that it is made of
policy.py             the policy, the `gate` section of params.yaml
errors.py             CannotMeasure: there is no decision
faults.py             what makes scores incomplete or not comparable
speakers.py           whether both were measured against the recordings of one speaker
counting.py           scores in the form in which they count
tables.py             scores as arrays
checks.py             every check in turn, and the outcome
thresholds.py         figures against thresholds, also on slices of the prompts
part_kinds.py         the kinds of parts besides the voice itself: languages, presets, lanes
parts.py              rules, checks and reasons in other languages and with other presets
lanes.py              rules, checks and reasons in other lanes, which decide where a voice is served
regressed_prompts.py  prompts that the champion says and the candidate does not
comparisons.py        non-inferiority and superiority against the champion
noninferiority.py     the bootstrap over prompts, and Holm's correction
sample_size.py        how many more prompts or seeds would decide
votes.py              listeners' votes in the decision
preference.py         the sequential test of listeners' votes
worst_prompts.py      what to listen to first
reasons/              why: typed reasons with causes, their texts, and what to do next
"""

from __future__ import annotations

import lazy_loader

__getattr__, __dir__, __all__ = lazy_loader.attach(
    __name__,
    submod_attrs={
        "deciding": ["decide"],
        "decision": ["Cause", "Decision", "Reason"],
        "errors": ["CannotMeasure"],
        "policy": ["GatePolicy", "parse_policy"],
        "preference": ["PreferenceVotes"],
    },
)
