"""The codes of reasons and causes: stable names for machines, with one line about each for people.

docs/reason-codes.md is made from these tables, see codes_page.py.
"""

from __future__ import annotations

from enum import IntEnum, StrEnum
from typing import Literal, NamedTuple


class ReasonCode(StrEnum):
    """What a reason says, see docs/reason-codes.md."""

    THRESHOLD_MISSED = "threshold_missed"
    WORSE_THAN_CHAMPION = "worse_than_champion"
    PROMPTS_REGRESSED = "prompts_regressed"
    LISTENERS_PREFER_CHAMPION = "listeners_prefer_champion"
    IMPROVEMENT_NOT_SHOWN = "improvement_not_shown"
    LANGUAGE_LOST = "language_lost"
    PRESET_LOST = "preset_lost"
    LANE_LOST = "lane_lost"
    COMPARISON_UNCLEAR = "comparison_unclear"
    IMPROVEMENT_UNCLEAR = "improvement_unclear"
    REGRESSED_PROMPTS_UNCLEAR = "regressed_prompts_unclear"
    TOO_FEW_VOTES = "too_few_votes"
    VOTES_UNCLEAR = "votes_unclear"
    LANGUAGE_NOT_SCORED = "language_not_scored"
    LANGUAGE_WITHOUT_RULES = "language_without_rules"
    PRESET_NOT_SCORED = "preset_not_scored"
    PRESET_WITHOUT_RULES = "preset_without_rules"
    LANE_UNCLEAR = "lane_unclear"
    NO_CHAMPION = "no_champion"
    THRESHOLD_MET = "threshold_met"
    NOT_WORSE_THAN_CHAMPION = "not_worse_than_champion"
    IMPROVEMENT_SHOWN = "improvement_shown"
    REGRESSED_PROMPTS_ALLOWED = "regressed_prompts_allowed"
    VOTES_NOT_WORSE = "votes_not_worse"
    SLICE_TOO_SMALL = "slice_too_small"
    LANGUAGE_NEW = "language_new"
    PRESET_NEW = "preset_new"
    LANGUAGE_RETIRED = "language_retired"
    PRESET_RETIRED = "preset_retired"
    LANE_PASSED = "lane_passed"
    LANE_NEW = "lane_new"
    LANE_NOT_PASSED = "lane_not_passed"
    LANE_NOT_SCORED = "lane_not_scored"
    LANE_WITHOUT_RULES = "lane_without_rules"
    LANE_RETIRED = "lane_retired"
    FIRST_RELEASE = "first_release"


class CauseCode(StrEnum):
    """What lies behind a reason to fail, see docs/reason-codes.md."""

    FAILURE_OF_SPEECH = "failure_of_speech"
    SILENT_PROMPTS = "silent_prompts"
    ANOTHER_SPEAKER = "another_speaker"
    SIMILARITY_LOST = "similarity_lost"
    FAILED_UTTERANCES = "failed_utterances"
    WORDS_CUT_OFF = "words_cut_off"
    SWALLOWED_WORDS = "swallowed_words"
    MISREAD_WORDS = "misread_words"
    ADDED_WORDS = "added_words"
    WRONG_WORDS = "wrong_words"


class Rank(IntEnum):
    """The place of a reason among the others: what explains the others comes first."""

    ANOTHER_SPEAKER = 0
    FAILURES = 1
    SIMILARITY = 2
    WORDS = 3
    SLICE = 4
    VOTES = 5
    IMPROVEMENT = 6
    UNCLEAR = 7
    MET = 8


class ReasonInfo(NamedTuple):
    """What a reason code means."""

    outcome: Literal["fail", "inconclusive", "pass"]  # the best outcome that a decision with this reason can have
    phrase: str  # the same in a few words, for the text of the reason
    meaning: str
    values: tuple[str, ...] = ()  # keys of `Reason.values`


class CauseInfo(NamedTuple):
    """What a cause code means."""

    phrase: str  # the same in a few words, for the text of the reason
    meaning: str
    values: tuple[str, ...] = ()  # keys of `Cause.values`


THRESHOLD_VALUES = (
    "n_prompts", "relative_to", "scale", "figure", "recordings", "value", "threshold", "direction", "unit",
)  # fmt: skip
COMPARISON_VALUES = (
    "candidate", "champion", "difference", "bound", "margin", "confidence", "p_worse", "power", "more_prompts",
    "more_seeds",
)  # fmt: skip
REGRESSION_VALUES = ("n_regressed", "n_silent", "at_most", "min_seeds")
VOTE_VALUES = ("n_candidate", "n_champion", "n_ties", "n_listeners", "min_votes", "low", "high", "worse_than")
WORD_VALUES = ("errors_per_unit", "unit")
LANGUAGE_VALUES = ("language",)
PRESET_VALUES = ("preset",)
LANE_VALUES = ("lane",)

REASON_CODES: dict[ReasonCode, ReasonInfo] = {
    ReasonCode.THRESHOLD_MISSED: ReasonInfo(
        "fail",
        "threshold missed",
        "A figure of the candidate, on all prompts or on a slice, misses a threshold of the policy.",
        THRESHOLD_VALUES,
    ),
    ReasonCode.WORSE_THAN_CHAMPION: ReasonInfo(
        "fail",
        "worse than the margin allows",
        "A metric is shown to be worse than the champion's by more than the margin.",
        COMPARISON_VALUES,
    ),
    ReasonCode.PROMPTS_REGRESSED: ReasonInfo(
        "fail",
        "too many regressed prompts",
        "More prompts than allowed are said by the champion and not by the candidate.",
        REGRESSION_VALUES,
    ),
    ReasonCode.LISTENERS_PREFER_CHAMPION: ReasonInfo(
        "fail",
        "listeners prefer the champion",
        "The candidate's share of the blind votes is shown to be below the policy's.",
        VOTE_VALUES,
    ),
    ReasonCode.IMPROVEMENT_NOT_SHOWN: ReasonInfo(
        "fail",
        "the required improvement was not shown",
        "The gain over the champion is shown to be smaller than the policy requires.",
        COMPARISON_VALUES,
    ),
    ReasonCode.LANGUAGE_LOST: ReasonInfo(
        "fail",
        "the champion speaks this language and the candidate was not scored in it",
        "The champion was scored in a language besides its own, and the candidate was not.",
        LANGUAGE_VALUES,
    ),
    ReasonCode.PRESET_LOST: ReasonInfo(
        "fail",
        "the champion speaks with this preset and the candidate was not scored with it",
        "The champion was scored with a preset besides its default one, and the candidate was not.",
        PRESET_VALUES,
    ),
    ReasonCode.LANE_LOST: ReasonInfo(
        "fail",
        "the champion is served in this lane and the candidate would not be",
        "The champion is served in a lane, and the candidate did not pass in it or was not judged in it.",
        LANE_VALUES,
    ),
    ReasonCode.COMPARISON_UNCLEAR: ReasonInfo(
        "inconclusive",
        "not enough evidence",
        "There is not enough evidence that a metric is worse than the margin allows, nor that it is not.",
        COMPARISON_VALUES,
    ),
    ReasonCode.IMPROVEMENT_UNCLEAR: ReasonInfo(
        "inconclusive",
        "not enough evidence",
        "There is not enough evidence that the gain over the champion is as large as required, nor that it is not.",
        COMPARISON_VALUES,
    ),
    ReasonCode.REGRESSED_PROMPTS_UNCLEAR: ReasonInfo(
        "inconclusive",
        "not enough evidence",
        "More prompts than allowed seem to have regressed, and too few seeds were scored to be sure.",
        REGRESSION_VALUES,
    ),
    ReasonCode.TOO_FEW_VOTES: ReasonInfo(
        "inconclusive",
        "not enough evidence",
        "There are fewer blind votes with a preference than the policy requires.",
        VOTE_VALUES,
    ),
    ReasonCode.VOTES_UNCLEAR: ReasonInfo(
        "inconclusive",
        "not enough evidence",
        "The blind votes show neither that the candidate is worse nor that it is not.",
        VOTE_VALUES,
    ),
    ReasonCode.LANGUAGE_NOT_SCORED: ReasonInfo(
        "inconclusive",
        "gate.other_languages has rules for it and the candidate was not scored in it",
        "The policy has rules for a language in which the candidate was not scored.",
        LANGUAGE_VALUES,
    ),
    ReasonCode.LANGUAGE_WITHOUT_RULES: ReasonInfo(
        "inconclusive",
        "the candidate was scored in it and gate.other_languages has no rules for it",
        "The candidate was scored in a language for which the policy has no rules.",
        LANGUAGE_VALUES,
    ),
    ReasonCode.PRESET_NOT_SCORED: ReasonInfo(
        "inconclusive",
        "gate.presets has rules for it and the candidate was not scored with it",
        "The policy has rules for a preset with which the candidate was not scored.",
        PRESET_VALUES,
    ),
    ReasonCode.PRESET_WITHOUT_RULES: ReasonInfo(
        "inconclusive",
        "the candidate was scored with it and gate.presets has no rules for it",
        "The candidate was scored with a preset for which the policy has no rules.",
        PRESET_VALUES,
    ),
    ReasonCode.LANE_UNCLEAR: ReasonInfo(
        "inconclusive",
        "the champion is served in this lane and there is not enough evidence about the candidate in it",
        "The champion is served in a lane, and the rules for it are inconclusive about the candidate.",
        LANE_VALUES,
    ),
    ReasonCode.NO_CHAMPION: ReasonInfo(
        "inconclusive",
        "there is no champion to compare with; request a first release with --first-release",
        "There is no champion to compare with, and nobody requested a first release.",
    ),
    ReasonCode.THRESHOLD_MET: ReasonInfo(
        "pass",
        "threshold met",
        "A figure of the candidate, on all prompts or on a slice, meets a threshold of the policy.",
        THRESHOLD_VALUES,
    ),
    ReasonCode.NOT_WORSE_THAN_CHAMPION: ReasonInfo(
        "pass",
        "not worse",
        "A metric is shown to be worse than the champion's by less than the margin, or better.",
        COMPARISON_VALUES,
    ),
    ReasonCode.IMPROVEMENT_SHOWN: ReasonInfo(
        "pass",
        "better",
        "The gain over the champion is shown to be as large as the policy requires.",
        COMPARISON_VALUES,
    ),
    ReasonCode.REGRESSED_PROMPTS_ALLOWED: ReasonInfo(
        "pass",
        "threshold met",
        "No more prompts than allowed are said by the champion and not by the candidate.",
        REGRESSION_VALUES,
    ),
    ReasonCode.VOTES_NOT_WORSE: ReasonInfo(
        "pass",
        "not worse",
        "The candidate's share of the blind votes is shown to exceed the policy's.",
        VOTE_VALUES,
    ),
    ReasonCode.SLICE_TOO_SMALL: ReasonInfo(
        "pass",
        "slice not checked",
        "A slice has too few prompts, so its thresholds were not checked.",
        ("n_prompts", "min_prompts"),
    ),
    ReasonCode.LANGUAGE_NEW: ReasonInfo(
        "pass",
        "only the thresholds were checked, because the champion was not scored in it",
        "The champion was not scored in a language of the candidate, so only its thresholds were checked.",
        LANGUAGE_VALUES,
    ),
    ReasonCode.PRESET_NEW: ReasonInfo(
        "pass",
        "only the thresholds were checked, because the champion was not scored with it",
        "The champion was not scored with a preset of the candidate, so only its thresholds were checked.",
        PRESET_VALUES,
    ),
    ReasonCode.LANGUAGE_RETIRED: ReasonInfo(
        "pass",
        "gate.retired names it, so the candidate needs no scores in it",
        "The champion was scored in a language, the candidate was not, and the policy says that it is retired.",
        LANGUAGE_VALUES,
    ),
    ReasonCode.PRESET_RETIRED: ReasonInfo(
        "pass",
        "gate.retired names it, so the candidate needs no scores with it",
        "The champion was scored with a preset, the candidate was not, and the policy says that it is retired.",
        PRESET_VALUES,
    ),
    ReasonCode.LANE_PASSED: ReasonInfo(
        "pass",
        "it passed, so the voice may be served in it",
        "The candidate passed the rules for a lane, so it may be served in it.",
        LANE_VALUES,
    ),
    ReasonCode.LANE_NEW: ReasonInfo(
        "pass",
        "it passed by its thresholds alone, because the champion was not scored in it",
        "The candidate passed in a lane in which the champion was not scored, so only its thresholds were checked.",
        LANE_VALUES,
    ),
    ReasonCode.LANE_NOT_PASSED: ReasonInfo(
        "pass",
        "it did not pass, so the voice is not served in it",
        "The candidate did not pass the rules for a lane. It is served in the lanes that passed, and in batch.",
        (*LANE_VALUES, "outcome"),
    ),
    ReasonCode.LANE_NOT_SCORED: ReasonInfo(
        "pass",
        "gate.lanes has rules for it and the candidate was not scored in it, so the voice is not served in it",
        "The policy has rules for a lane in which the candidate was not scored. It is not served in it.",
        LANE_VALUES,
    ),
    ReasonCode.LANE_WITHOUT_RULES: ReasonInfo(
        "pass",
        "the candidate was scored in it and gate.lanes has no rules for it, so the voice is not served in it",
        "The candidate was scored in a lane for which the policy has no rules. It is not served in it.",
        LANE_VALUES,
    ),
    ReasonCode.LANE_RETIRED: ReasonInfo(
        "pass",
        "gate.retired names it, so the candidate need not pass in it",
        "The champion is served in a lane, the candidate would not be, and the policy says that it is retired.",
        LANE_VALUES,
    ),
    ReasonCode.FIRST_RELEASE: ReasonInfo(
        "pass",
        "first release: only the thresholds were checked, because there is no champion",
        "A person requested a first release: only the thresholds were checked, because there is no champion.",
    ),
}

# What is said of a further language, preset or lane as a whole. `slice` names it.
PART_CODES = (
    ReasonCode.LANGUAGE_LOST,
    ReasonCode.LANGUAGE_NOT_SCORED,
    ReasonCode.LANGUAGE_WITHOUT_RULES,
    ReasonCode.LANGUAGE_NEW,
    ReasonCode.PRESET_LOST,
    ReasonCode.PRESET_NOT_SCORED,
    ReasonCode.PRESET_WITHOUT_RULES,
    ReasonCode.PRESET_NEW,
    ReasonCode.LANGUAGE_RETIRED,
    ReasonCode.PRESET_RETIRED,
    ReasonCode.LANE_LOST,
    ReasonCode.LANE_UNCLEAR,
    ReasonCode.LANE_PASSED,
    ReasonCode.LANE_NEW,
    ReasonCode.LANE_NOT_PASSED,
    ReasonCode.LANE_NOT_SCORED,
    ReasonCode.LANE_WITHOUT_RULES,
    ReasonCode.LANE_RETIRED,
)

CAUSE_CODES: dict[CauseCode, CauseInfo] = {
    CauseCode.FAILURE_OF_SPEECH: CauseInfo(
        "",
        "Utterances have the failure of speech that `failure` names, such as `noise` or `cut_off`.",
        ("n", "n_utterances", "n_champion"),
    ),
    CauseCode.SILENT_PROMPTS: CauseInfo(
        "silent (empty)", "Nothing is heard with any seed of some prompts.", ("n_prompts",)
    ),
    CauseCode.ANOTHER_SPEAKER: CauseInfo(
        "the voice of another speaker", "Utterances that did not fail otherwise sound like somebody else."
    ),
    CauseCode.SIMILARITY_LOST: CauseInfo(
        "speaker similarity lost", "The voice is less similar to its speaker, but not somebody else's."
    ),
    CauseCode.FAILED_UTTERANCES: CauseInfo(
        "failed utterances",
        "Most of the additional word errors are in utterances with a failure of speech.",
        WORD_VALUES,
    ),
    CauseCode.WORDS_CUT_OFF: CauseInfo(
        "words cut off at the end", "Most of the additional word errors are words missing at the end.", WORD_VALUES
    ),
    CauseCode.SWALLOWED_WORDS: CauseInfo(
        "swallowed words", "Most of the additional word errors are words missing before the end.", WORD_VALUES
    ),
    CauseCode.MISREAD_WORDS: CauseInfo(
        "misread words", "Most of the additional word errors are other words than the text's.", WORD_VALUES
    ),
    CauseCode.ADDED_WORDS: CauseInfo(
        "added words", "Most of the additional word errors are words that the text does not have.", WORD_VALUES
    ),
    CauseCode.WRONG_WORDS: CauseInfo("wrong words", "Words are wrong, and the transcripts do not show how."),
}

RANK_MEANINGS = {
    Rank.ANOTHER_SPEAKER: "fail: speaker similarity, where the voice is another speaker's",
    Rank.FAILURES: "fail: failed utterances and regressed prompts",
    Rank.SIMILARITY: "fail: speaker similarity",
    Rank.WORDS: "fail: word and character error rate",
    Rank.SLICE: "fail: thresholds on slices, other languages, presets and lanes",
    Rank.VOTES: "fail: listeners' votes",
    Rank.IMPROVEMENT: "fail: the required improvement",
    Rank.UNCLEAR: "inconclusive",
    Rank.MET: "pass, and notes",
}
