"""The data card as values: everything that its page, its summary and its tables show."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from metrics.prompt_sets import load_language
from stages.card.advice.advice import Advice, Findings, advise
from stages.card.advice.curves import Forecast, MeasuredPoint, base_sha256, forecasts, read_curves
from stages.card.advice.recording_plan import RecordingPlan, plan_recordings
from stages.card.facts.clips import CardClip, ClipChoice, card_clips, choose_clips
from stages.card.facts.distributions import Distribution
from stages.card.facts.figures import all_distributions
from stages.card.facts.inputs import VoiceTables
from stages.card.facts.minutes import Fate, Part, account, total_seconds
from stages.card.facts.speakers import SpeakerGroup, duplicate_groups, speaker_groups
from stages.card.language.coverage import Coverage, coverage
from stages.card.language.sentences import SentenceKind, sentence_kinds
from stages.params import Params
from stages.profiles import PROFILES


@dataclass(frozen=True, kw_only=True)
class DataCard:
    """What the card says. Sounds, kinds of sentences, and the plan are those of the training clips.

    Attributes:
        tables: the tables that it follows from.
        parts: where every second went.
        clips: every clip with its text, empty where align has not finished.
        chosen: the clips that can be heard.
        distributions: the histograms.
        sounds: the coverage of the language, empty where align has not finished.
        kinds: kinds of sentences, empty likewise.
        n_unread: training clips whose text the front end cannot read.
        speakers: who speaks.
        duplicates: groups of clips that sound the same.
        plan: what to record, None where align has not finished.
        advice: what to do.
        curves: the measured curves.
        forecasts: what doubling the minutes brought the measured voices, empty where nothing can be trained on.
        notes: what is missing on this card, and why.
    """

    tables: VoiceTables
    parts: tuple[Part, ...]
    clips: tuple[CardClip, ...]
    chosen: ClipChoice
    distributions: tuple[Distribution, ...]
    sounds: tuple[Coverage, ...]
    kinds: tuple[SentenceKind, ...]
    n_unread: int
    speakers: tuple[SpeakerGroup, ...]
    duplicates: tuple[tuple[CardClip, ...], ...]
    plan: RecordingPlan | None
    advice: tuple[Advice, ...]
    curves: tuple[MeasuredPoint, ...]
    forecasts: tuple[Forecast, ...]
    notes: tuple[str, ...]

    def minutes(self, fate: Fate | None = None) -> float:
        """Return the minutes of all recordings, or of the part with one fate."""
        return total_seconds(self.parts, fate) / 60

    @property
    def training_minutes(self) -> float:
        """Return the minutes that the models are trained on: kept, and not held out."""
        return sum(clip.seconds for clip in self.tables.training) / 60

    def figures(self) -> dict[str, float | int | None]:
        """Return the figures that `dvc metrics` compares. Those that could not be measured are null."""
        medians = {f"median_{one.axis.name}": _rounded(one.median) for one in self.distributions}
        return {
            "recorded_minutes": _rounded(self.minutes()),
            "kept_minutes": _rounded(self.minutes("kept")),
            "refused_minutes": _rounded(self.minutes("refused")),
            "training_minutes": _rounded(self.training_minutes),
            "n_recordings": len(self.tables.recordings),
            "n_clips": len(self.tables.clips or ()),
            "n_kept_clips": len(self.tables.kept),
            "n_doubted_clips": sum(bool(one.disagreements) for one in self.clips if one.clip.kept),
            "n_sounds": len(self.sounds),
            "n_missing_sounds": sum(one.state == "missing" for one in self.sounds),
            "n_rare_sounds": sum(one.state == "rare" for one in self.sounds),
            "n_speakers": len(self.speakers),
            **dict(sorted(medians.items())),
        }


def make_card(tables: VoiceTables, params: Params) -> DataCard:
    """Return the card of a voice.

    Raises:
        ValueError: the tables do not belong together, or the table of curves is broken.
    """
    clips = card_clips(tables)
    parts, distributions = account(tables), all_distributions(tables, clips)
    notes = list(tables.missing)
    sounds: list[Coverage] = []
    kinds: list[SentenceKind] = []
    plan = None
    training = [one for one in clips if one.clip.kept and one.clip.split == "train"]
    if training:
        prompts, no_prompts = _prompt_texts(params, tables.language)
        notes += [no_prompts] if no_prompts else []
        sounds = coverage(tables.language, [one.sounds for one in training if one.sounds], prompts)
        kinds = sentence_kinds([one.clip for one in training], tables.language)
        plan = plan_recordings(sounds, kinds, [one.clip.seconds for one in training])
    elif tables.aligned is not None:
        notes.append("No clip is left to train on, so sounds and kinds of sentences are not counted.")
    n_unread = sum(one.sounds is None for one in training)
    if n_unread:
        notes.append(f"The texts of {n_unread} training clips cannot be read aloud, so their sounds are not counted.")
    speakers, duplicates = speaker_groups(clips), duplicate_groups(clips)
    reference = (params.features.reference_min_seconds, params.features.reference_max_seconds)
    findings = Findings(tables, parts, clips, speakers, duplicates, plan, reference)
    curves = read_curves()
    return DataCard(
        tables=tables,
        parts=tuple(parts),
        clips=tuple(clips),
        chosen=choose_clips(clips),
        distributions=tuple(distributions),
        sounds=tuple(sounds),
        kinds=tuple(kinds),
        n_unread=n_unread,
        speakers=tuple(speakers),
        duplicates=tuple(duplicates),
        plan=plan,
        advice=tuple(advise(findings)),
        curves=tuple(curves),
        forecasts=tuple(_forecasts(tables, params, curves)),
        notes=tuple(notes),
    )


def card_json(card: DataCard) -> dict[str, Any]:
    """Return the card as JSON: the figures, and every table of the page without its sound."""
    return {
        "voice": card.tables.voice,
        "language": card.tables.language,
        "notes": list(card.notes),
        "figures": card.figures(),
        "parts": [part._asdict() | {"seconds": _rounded(part.seconds)} for part in card.parts],
        "distributions": [_distribution_json(one) for one in card.distributions],
        "sounds": [sound._asdict() | {"state": sound.state} for sound in card.sounds],
        "sentences": [kind._asdict() | {"share": _rounded(kind.share)} for kind in card.kinds],
        "speakers": [
            group._asdict() | {"seconds": _rounded(group.seconds), "similarity": _rounded(group.similarity)}
            for group in card.speakers
        ],
        "duplicates": [[one.clip.clip_id for one in group] for group in card.duplicates],
        "clips": {
            "best": [one.clip.clip_id for one in card.chosen.best],
            "worst": [one.clip.clip_id for one in card.chosen.worst],
            "refused": [one.clip.clip_id for one in card.chosen.refused],
        },
        "advice": [advice._asdict() for advice in card.advice],
        "forecasts": [forecast._asdict() for forecast in card.forecasts],
    }


def _forecasts(tables: VoiceTables, params: Params, curves: Sequence[MeasuredPoint]) -> list[Forecast]:
    minutes = round(sum(clip.seconds for clip in tables.training) / 60, 2)
    if not minutes:
        return []
    base_hash = base_sha256(PROFILES[params.profile].base)
    return forecasts(curves, minutes, language=tables.language, profile=params.profile, base_hash=base_hash)


def _prompt_texts(params: Params, language: str) -> tuple[list[str], str]:
    """Return the texts that the voice will be scored on, or none and why."""
    try:
        prompts = load_language(Path(params.evaluate.prompts), language)
    except ValueError as error:
        return [], f"The sounds of the prompts are not counted: {error}."
    return [prompt.text for prompt in prompts.prompts], ""


def _distribution_json(one: Distribution) -> dict[str, Any]:
    return {
        "name": one.axis.name,
        "unit": one.axis.unit,
        "of": one.axis.of,
        "n": one.n,
        "n_unmeasured": one.n_unmeasured,
        "median": _rounded(one.median),
        "percentile_5": _rounded(one.low),
        "percentile_95": _rounded(one.high),
        "bins": [[_rounded(value) for value in each] for each in one.bins],
    }


def _rounded(value: float | None) -> float | None:
    return None if value is None else round(value, 4)
