"""The policy: what is refused when it is loaded, because no verdict under it would mean anything."""

from __future__ import annotations

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st
from project import ROOT
from pydantic import ValidationError
from release_helpers import language_rules, policy, scorecard, utterance
from ruamel.yaml import YAML

from registry.gate.deciding import decide
from registry.gate.policy import UNITS, GatePolicy, PolicyPart, parse_policy

WER = {"metric": "wer", "at_most": 0.3, "unit": "errors per word", "reason": "x"}
SIMILARITY = {"metric": "similarity", "at_least": 0.6, "unit": "cosine", "reason": "x"}
RATIO = {
    "metric": "similarity",
    "at_least": 0.9,
    "relative_to": "recordings",
    "scale": "ratio",
    "unit": "ratio to the recordings",
    "reason": "x",
}
DIFFERENCE = {"relative_to": "recordings", "scale": "difference"}
MARGIN = {"metric": "wer", "margin": 0.02, "unit": "errors per word", "reason": "x"}
SLICE = {"by": "category", "min_prompts": 5, "thresholds": [WER]}
VOTES = {"min_votes": 20, "worse_than": 0.4, "reason": "x"}


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        # empty
        ({"thresholds": []}, "at least 1 item"),
        ({"non_inferiority": []}, "at least 1 item"),
        ({"slices": [SLICE | {"thresholds": []}]}, "at least 1 item"),
        # the wrong way round, or none
        ({"thresholds": [WER | {"at_most": None, "at_least": 0.3}]}, "needs `at_most` and must not have `at_least`"),
        ({"thresholds": [SIMILARITY | {"at_most": 0.9}]}, "needs `at_least` and must not have `at_most`"),
        ({"thresholds": [WER | {"at_most": math.nan}]}, "finite"),
        # met by everybody or by nobody
        ({"thresholds": [WER | {"at_most": 1.0}]}, "every candidate or none would meet; it must be from 0.0 to 0.8"),
        ({"thresholds": [WER | {"at_most": -0.1}]}, "must be from 0.0 to 0.8"),
        ({"thresholds": [WER | {"at_most": 0.99}]}, "must be from 0.0 to 0.8"),
        ({"thresholds": [WER | {"at_most": 0.51}]}, "allows wer up to 0.51 over all prompts"),
        ({"thresholds": [WER | {"at_most": 0.6} | DIFFERENCE]}, "allows wer as difference from recordings up to 0.6"),
        ({"thresholds": [SIMILARITY | {"at_least": 1.01}]}, "must be from 0.01 to 1.0"),
        ({"thresholds": [SIMILARITY | {"at_least": -1.0}]}, "must be from 0.01 to 1.0"),
        ({"thresholds": [RATIO | {"at_least": 1.2}]}, "must be from 0.01 to 1.0"),
        ({"thresholds": [SIMILARITY | {"at_least": 0.1} | DIFFERENCE]}, "must be from -0.99 to 0.0"),
        ({"thresholds": [WER | {"relative_to": "recordings", "scale": "ratio"}]}, "nothing is a ratio to that"),
        ({"thresholds": [WER | {"relative_to": "recordings"}]}, "needs both `relative_to: recordings` and `scale:"),
        ({"thresholds": [WER | {"scale": "difference"}]}, "needs both `relative_to: recordings` and `scale:"),
        ({"thresholds": [WER | {"relative_to": "champion"}]}, "Input should be 'recordings'"),
        # unknown, or in another unit
        ({"thresholds": [WER | {"metric": "mos"}]}, "'wer', 'cer'"),
        ({"thresholds": [WER | {"unit": "percent"}]}, "the unit of wer is `errors per word` here, not `percent`"),
        ({"thresholds": [RATIO | {"unit": "cosine"}]}, "the unit of similarity is `ratio to the recordings` here"),
        ({"non_inferiority": [MARGIN | {"unit": "cosine"}]}, "the unit of wer is `errors per word`"),
        ({"slices": [SLICE | {"by": "speaker"}]}, "'category' or 'length'"),
        ({"slices": [SLICE | {"by": "length", "only": "huge"}]}, "'huge' is not a length"),
        ({"lenient": True}, "Extra inputs"),
        # twice
        ({"thresholds": [WER, WER | {"at_most": 0.4}]}, "gate.thresholds names wer more than once"),
        ({"thresholds": [RATIO, RATIO]}, "gate.thresholds names similarity as ratio to recordings more than once"),
        ({"non_inferiority": [MARGIN, MARGIN]}, "gate.non_inferiority names wer more than once"),
        ({"slices": [SLICE, SLICE]}, "gate.slices names category more than once"),
        ({"slices": [SLICE | {"only": "names"}] * 2}, "gate.slices names category names more than once"),
        ({"slices": [SLICE | {"thresholds": [WER, WER]}]}, "the thresholds of a slice names wer more than once"),
        # margins without sense
        ({"non_inferiority": [MARGIN | {"margin": 0}]}, "greater than 0"),
        ({"non_inferiority": [MARGIN | {"margin": 0.2}]}, "less than or equal to 0.1"),
        ({"non_inferiority": [MARGIN | {"relative": 0.5}]}, "less than or equal to 0.3"),
        # rules that make each other pointless
        (
            {"thresholds": [WER | {"at_most": 0.05}], "non_inferiority": [MARGIN | {"margin": 0.05}]},
            "would decide nothing",
        ),
        (
            {"thresholds": [WER | {"at_most": 0.05}], "superiority": {"metric": "wer", "at_least": 0.06,
                                                                 "unit": "errors per word", "reason": "x"}},
            "no candidate could meet it",
        ),
        ({"preference": VOTES | {"min_votes": 3}}, "3 votes, all for the candidate, would not show"),
        ({"preference": VOTES | {"worse_than": 0.6}}, "less than or equal to 0.5"),
        # statistics
        ({"confidence": 0.500001}, "greater than or equal to 0.8"),
        ({"n_resamples": 10}, "greater than or equal to 1000"),
        # so few prompts or resamples that not even the champion itself would pass
        ({"min_prompts": 2}, r"with 2 prompts \(min_prompts\) and 2000 .* raise min_prompts to 8 "),
        ({"min_prompts": 5, "n_resamples": 10_000}, "raise min_prompts to 6 or raise gate.n_resamples to 71447 "),
        ({"min_prompts": 100, "n_resamples": 1000, "confidence": 0.999}, "raise gate.n_resamples to 8686 "),
        ({"min_prompts": 2, "confidence": 0.999_999}, "lower gate.confidence "),
        ({"n_resamples": 1000, "preference": VOTES}, "and 3 tests at 0.95 confidence need 0.017"),
        ({"presets": {"dialogue": language_rules(min_prompts=4)}}, "gate.presets.dialogue: with 4 prompts .* to 6"),
    ],
)  # fmt: skip
def test_policy_that_would_decide_nothing_is_refused(changes, message):
    with pytest.raises(ValueError, match=message):
        policy(**changes)


@pytest.mark.parametrize(
    "changes", [{"min_prompts": 8}, {"min_prompts": 6, "n_resamples": 10_000}, {"min_prompts": 5, "confidence": 0.85}]
)
def test_copy_of_the_champion_passes_on_the_fewest_prompts_that_a_policy_may_have(changes):
    rules = policy(**changes)
    card = scorecard(rows=[utterance(n, 0) for n in range(rules.min_prompts)], seeds=(0,))
    assert decide(card, card, policy=rules).outcome == "pass"


def test_one_metric_may_have_a_threshold_of_each_kind():
    assert len(policy(thresholds=[SIMILARITY, RATIO, WER, WER | DIFFERENCE]).thresholds) == 4


def test_whole_policy_with_every_rule_is_accepted():
    rules = policy(
        slices=[SLICE, SLICE | {"only": "names"}, SLICE | {"by": "length", "only": "long"}],
        regressed_prompts={"at_most": 0, "min_seeds": 3, "reason": "x"},
        superiority={"metric": "wer", "at_least": 0.0, "unit": "errors per word", "reason": "x"},
        preference=VOTES,
    )
    assert not rules.reads_recordings
    assert policy(slices=[SLICE | {"thresholds": [RATIO]}]).reads_recordings


def test_fault_of_params_yaml_names_the_key_and_the_value_seen():
    raw = policy().model_dump() | {"thresholds": [WER | {"unit": "percent"}], "confidence": 2}
    with pytest.raises(
        ValueError, match=r"params\.yaml: gate\.thresholds\.0: the unit of wer is.*gate\.confidence: .*seen: '2'"
    ):
        parse_policy(raw)


def test_number_of_resamples_that_fills_the_memory_is_refused():
    assert policy(n_resamples=1_000_000).n_resamples == 1_000_000
    with pytest.raises(ValidationError, match="n_resamples"):
        policy(n_resamples=1_000_001)


@pytest.mark.parametrize("name", ["params.yaml", "params.official.yaml"])
def test_policy_that_ships_is_valid_and_asks_for_every_kind_of_rule(name):
    rules = parse_policy(YAML(typ="safe", pure=True).load((ROOT / name).read_text(encoding="utf-8"))["gate"])
    assert rules.reads_recordings and rules.regressed_prompts is not None
    assert {threshold.metric for threshold in rules.thresholds} == {"wer", "similarity", "failed_share"}
    assert {part.by for part in rules.slices} == {"category", "length"}


@given(
    st.sampled_from(sorted(UNITS)),
    st.sampled_from([*UNITS.values(), RATIO["unit"], "percent", ""]),
    st.floats(allow_nan=True, allow_infinity=True) | st.floats(-0.1, 1.1),
)
def test_threshold_with_another_unit_or_out_of_range_is_never_accepted(metric, unit, value):
    side = "at_least" if metric == "similarity" else "at_most"
    raw = {"metric": metric, side: value, "unit": unit, "reason": "x"}
    try:
        threshold = GatePolicy.model_validate(policy().model_dump() | {"thresholds": [raw]}).thresholds[0]
    except ValueError:
        return
    assert unit == UNITS[metric] and (
        0.01 <= threshold.value <= 1 if metric == "similarity" else 0 <= threshold.value <= 0.5
    )


@pytest.mark.parametrize("rule", [GatePolicy, *PolicyPart.__subclasses__()])
def test_every_field_has_a_description_for_the_documentation(rule):
    assert [name for name, field in rule.model_fields.items() if not field.description] == []
