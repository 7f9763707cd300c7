"""Other speakers: how alike people are who are not the voice, the floor under every similarity.

tables/JUDGE.json holds one embedding each of speakers that the judge was not trained on; make.py is the recipe. Their
recordings are not part of the product. A table of another judge or version is worth nothing: then there is no floor,
and the reason is said.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np
from pydantic import BaseModel, ConfigDict, Field, ValidationError

TABLES = Path(__file__).with_name("tables")
COMMAND = "python -m metrics.judges.other_speakers.make --shared DIR --judge {judge}"


class NoOtherSpeakersError(ValueError):
    """No table of other speakers that this judge made."""


class OtherSpeakers(BaseModel):
    """One table. `embeddings` in the order of `speakers`."""

    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)

    judge: str
    gate_version: str = Field(description="metrics.judges.speaker.SpeakerJudge.version at the time")
    source: str = Field(min_length=1, description="who they are and under which terms, in a sentence")
    speakers: tuple[str, ...] = Field(min_length=2)
    embeddings: tuple[tuple[float, ...], ...] = Field(description="unit norm, six decimals")

    def cosines(self, embedding: np.ndarray) -> np.ndarray:
        """(n_speakers,) cosines to one direction. embedding: (D,), any norm but 0"""
        table = np.array(self.embeddings, dtype=np.float64)
        lengths = np.linalg.norm(table, axis=1) * np.linalg.norm(embedding)
        return np.clip(table @ embedding.astype(np.float64) / lengths, -1.0, 1.0)


def load_other_speakers(judge: str, gate_version: str, tables: Path = TABLES) -> OtherSpeakers:
    """The table of that judge. Raises NoOtherSpeakersError where it is missing, broken, or of another version."""
    path, command = tables / f"{judge}.json", COMMAND.format(judge=judge)
    try:
        table = OtherSpeakers.model_validate_json(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        raise NoOtherSpeakersError(
            f"no other speakers are known to judge {judge}; make a table by `{command}`"
        ) from None
    except (ValidationError, UnicodeDecodeError) as error:
        raise NoOtherSpeakersError(
            f"{path.name} is no table of other speakers; make it again by `{command}`"
        ) from error
    if (table.judge, table.gate_version) != (judge, gate_version):
        raise NoOtherSpeakersError(
            f"the other speakers were heard by {table.judge} {table.gate_version}, the voice by {judge} "
            f"{gate_version}; make their table again by `{command}`"
        )
    if len({len(row) for row in table.embeddings}) != 1 or len(table.embeddings) != len(table.speakers):
        raise NoOtherSpeakersError(f"{path.name} has not one embedding a speaker; make it again by `{command}`")
    return table
