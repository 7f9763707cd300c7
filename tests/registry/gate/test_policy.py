"""The policy: what is refused when it is loaded, because no verdict under it would mean anything."""

from __future__ import annotations

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st
from project import ROOT
from release_helpers import policy
from ruamel.yaml import YAML

from registry.gate.policy import UNITS, GatePolicy, parse_policy

WER = {"metric": "wer", "at_most": 0.3, "unit": "errors per word", "reason": "x"}
LIKE = {"metric": "similarity", "at_least": 0.6, "unit": "cosine", "reason": "x"}
SHARE = {
    "metric": "similarity",
    "at_least": 0.9,
    "of": "recordings_share",
    "unit": "share of the recordings",
    "reason": "x",
}
MARGIN = {"metric": "wer", "margin": 0.02, "unit": "errors per word", "reason": "x"}
SLICE = {"by": "category", "min_prompts": 5, "bars": [WER]}
VOTES = {"min_votes": 20, "worse_than": 0.4, "reason": "x"}


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        # empty
        ({"bars": []}, "at least 1 item"),
        ({"non_inferiority": []}, "at least 1 item"),
        ({"slices": [SLICE | {"bars": []}]}, "at least 1 item"),
        # the wrong way round, or none
        ({"bars": [WER | {"at_most": None, "at_least": 0.3}]}, "needs `at_most` and no `at_least`"),
        ({"bars": [LIKE | {"at_most": 0.9}]}, "needs `at_least` and no `at_most`"),
        ({"bars": [WER | {"at_most": math.nan}]}, "finite"),
        # met by everybody or by nobody
        ({"bars": [WER | {"at_most": 1.0}]}, "every candidate or none would meet it, it must be from 0.0 to 0.99"),
        ({"bars": [WER | {"at_most": -0.1}]}, "must be from 0.0 to 0.99"),
        ({"bars": [LIKE | {"at_least": 1.01}]}, "must be from 0.01 to 1.0"),
        ({"bars": [LIKE | {"at_least": -1.0}]}, "must be from 0.01 to 1.0"),
        ({"bars": [SHARE | {"at_least": 1.2}]}, "must be from 0.01 to 1.0"),
        ({"bars": [LIKE | {"at_least": 0.1, "of": "above_recordings"}]}, "must be from -0.99 to 0.0"),
        ({"bars": [WER | {"of": "recordings_share", "unit": "share of the recordings"}]}, "errors have no share"),
        # unknown, or in another unit
        ({"bars": [WER | {"metric": "mos"}]}, "'wer', 'cer'"),
        ({"bars": [WER | {"unit": "percent"}]}, "wer is counted in `errors per word`, not in `percent`"),
        ({"bars": [SHARE | {"unit": "cosine"}]}, "counted in `share of the recordings`"),
        ({"non_inferiority": [MARGIN | {"unit": "cosine"}]}, "wer is counted in `errors per word`"),
        ({"slices": [SLICE | {"by": "speaker"}]}, "'category', 'language' or 'length'"),
        ({"slices": [SLICE | {"by": "length", "only": "huge"}]}, "no length is called 'huge'"),
        ({"lenient": True}, "Extra inputs"),
        # twice
        ({"bars": [WER, WER | {"at_most": 0.9}]}, "gate.bars names wer more than once"),
        ({"bars": [SHARE, SHARE]}, "gate.bars names similarity of recordings_share more than once"),
        ({"non_inferiority": [MARGIN, MARGIN]}, "gate.non_inferiority names wer more than once"),
        ({"slices": [SLICE, SLICE]}, "gate.slices names category more than once"),
        ({"slices": [SLICE | {"only": "names"}] * 2}, "gate.slices names category names more than once"),
        ({"slices": [SLICE | {"bars": [WER, WER]}]}, "bars of a slice names wer more than once"),
        # margins without sense
        ({"non_inferiority": [MARGIN | {"margin": 0}]}, "greater than 0"),
        ({"non_inferiority": [MARGIN | {"margin": 0.2}]}, "less than or equal to 0.1"),
        ({"non_inferiority": [MARGIN | {"relative": 0.5}]}, "less than or equal to 0.3"),
        # rules that make each other pointless
        ({"bars": [WER | {"at_most": 0.05}], "non_inferiority": [MARGIN | {"margin": 0.05}]}, "would decide nothing"),
        (
            {"bars": [WER | {"at_most": 0.05}], "superiority": {"metric": "wer", "at_least": 0.06,
                                                                 "unit": "errors per word", "reason": "x"}},
            "no candidate could meet it",
        ),
        ({"preference": VOTES | {"min_votes": 3}}, "3 votes, all for the candidate, would not show"),
        ({"preference": VOTES | {"worse_than": 0.6}}, "less than or equal to 0.5"),
        # statistics
        ({"confidence": 0.5}, "greater than 0.5"),
        ({"n_resamples": 10}, "greater than or equal to 1000"),
    ],
)  # fmt: skip
def test_policy_that_would_decide_nothing_is_refused(changes, message):
    with pytest.raises(ValueError, match=message):
        policy(**changes)


def test_one_metric_may_have_a_bar_of_each_kind():
    assert len(policy(bars=[LIKE, SHARE, WER, WER | {"of": "above_recordings"}]).bars) == 4


def test_whole_policy_with_every_rule_is_accepted():
    rules = policy(
        slices=[SLICE, SLICE | {"only": "names"}, SLICE | {"by": "length", "only": "long"}],
        regressed_prompts={"at_most": 0, "min_seeds": 3, "reason": "x"},
        superiority={"metric": "wer", "at_least": 0.0, "unit": "errors per word", "reason": "x"},
        preference=VOTES,
    )
    assert not rules.reads_recordings
    assert policy(slices=[SLICE | {"bars": [SHARE]}]).reads_recordings


def test_fault_of_params_yaml_names_the_key_and_the_value_seen():
    raw = policy().model_dump() | {"bars": [WER | {"unit": "percent"}], "confidence": 2}
    with pytest.raises(ValueError, match=r"params\.yaml: gate\.bars\.0: wer is counted.*gate\.confidence: .*seen: '2'"):
        parse_policy(raw)


@pytest.mark.parametrize("name", ["params.yaml", "params.official.yaml"])
def test_policy_that_ships_is_valid_and_asks_for_every_kind_of_rule(name):
    rules = parse_policy(YAML(typ="safe", pure=True).load((ROOT / name).read_text(encoding="utf-8"))["gate"])
    assert rules.reads_recordings and rules.regressed_prompts is not None
    assert {bar.metric for bar in rules.bars} == {"wer", "similarity", "failed_share"}
    assert {part.by for part in rules.slices} == {"category", "length"}


@given(
    st.sampled_from(sorted(UNITS)),
    st.sampled_from([*UNITS.values(), SHARE["unit"], "percent", ""]),
    st.floats(allow_nan=True, allow_infinity=True) | st.floats(-0.1, 1.1),
)
def test_no_bar_with_another_unit_or_a_limit_out_of_range_is_ever_accepted(metric, unit, limit):
    side = "at_least" if metric == "similarity" else "at_most"
    raw = {"metric": metric, side: limit, "unit": unit, "reason": "x"}
    try:
        bar = GatePolicy.model_validate(policy().model_dump() | {"bars": [raw]}).bars[0]
    except ValueError:
        return
    assert unit == UNITS[metric] and (0.01 <= bar.limit <= 1 if metric == "similarity" else 0 <= bar.limit < 1)
