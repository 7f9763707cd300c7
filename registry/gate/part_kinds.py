"""The kinds of parts that a scorecard has besides the voice itself: further languages, further presets, further lanes.

Scorecard, policy and decision have one field for each kind, with the same name.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from metrics.scores import LaneScores, LanguageScores, PresetScores, Scorecard
from registry.gate.decision import LaneDecision, LanguageDecision, PartDecision, PresetDecision, Reason
from registry.gate.policy import PART_FIELDS, GatePolicy, PartRules
from registry.gate.reasons.codes import REASON_CODES, Rank, ReasonCode

PartScores = LanguageScores | PresetScores | LaneScores
RANKS = {"fail": Rank.SLICE, "inconclusive": Rank.UNCLEAR, "pass": Rank.MET}


@dataclass(frozen=True, kw_only=True)
class PartKind:
    """A kind of part.

    Attributes:
        name: What it is called: language, preset or lane.
        key: Field of a part that names it.
        record: What a decision says about a part.
        setting: Section of params.yaml that says which parts are scored.
        where: Where a part was spoken, in words, with {} for its name.
        comparable: Fields in which two parts must agree to be compared.
    """

    name: str
    key: str
    record: type[PartDecision]
    setting: str
    where: str
    comparable: tuple[str, ...] = ("prompts_sha256", "seeds")

    @property
    def field(self) -> str:
        """Return the field of scorecard, policy and decision that holds the parts of this kind."""
        return PART_FIELDS[self.name]

    def slice_of(self, name: str) -> str:
        """Return how the gate names the prompts of a part, such as `language zh`."""
        return f"{self.name} {name}"

    def parts(self, card: Scorecard) -> tuple[PartScores, ...]:
        """Return the parts of a scorecard, in its order."""
        return getattr(card, self.field)

    def name_of(self, part: PartScores) -> str:
        """Return the name of a part."""
        return getattr(part, self.key)

    def by_name(self, card: Scorecard | None) -> dict[str, PartScores]:
        """Return the parts of a scorecard by name, none without a scorecard."""
        return {} if card is None else {self.name_of(part): part for part in self.parts(card)}

    def rules(self, policy: GatePolicy) -> Mapping[str, PartRules]:
        """Return the rules of a policy by the part's name."""
        return getattr(policy, self.field)

    def reason(self, code: ReasonCode, name: str, **values: str) -> Reason:
        """Return a reason that is about a part as a whole, still without its text."""
        rank = RANKS[REASON_CODES[code].outcome]
        return Reason(code=code, rank=rank, slice=self.slice_of(name), values={self.name: name, **values})


LANGUAGE = PartKind(
    name="language",
    key="language",
    record=LanguageDecision,
    setting="evaluate.other_languages",
    where="in {}",
    comparable=("normalizer", "normalizer_version", "prompts_sha256", "seeds"),
)
PRESET = PartKind(name="preset", key="name", record=PresetDecision, setting="presets", where="with preset {}")
LANE = PartKind(name="lane", key="name", record=LaneDecision, setting="evaluate.lanes", where="in lane {}")
PART_KINDS = (LANGUAGE, PRESET, LANE)
