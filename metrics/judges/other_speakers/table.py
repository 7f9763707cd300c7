"""Embeddings of speakers that a speaker judge was not trained on.

tables/JUDGE.json holds one embedding per speaker, and make.py is the recipe. The recordings are not part of the
product. A table of another judge or version cannot be used. Then there is no floor, and the reason is given.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np
from pydantic import BaseModel, ConfigDict, Field, ValidationError

from metrics.errors import NoOtherSpeakersError

TABLES = Path(__file__).with_name("tables")
COMMAND = "python -m metrics.judges.other_speakers.make --shared DIR --judge {judge}"


class OtherSpeakers(BaseModel):
    """The table of one speaker judge."""

    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)

    judge: str = Field(description="name of the speaker judge")
    judge_version: str = Field(description="version of the speaker judge that made the table")
    source: str = Field(min_length=1, description="who the speakers are and under which terms, in a sentence")
    speakers: tuple[str, ...] = Field(min_length=2, description="ids of the speakers")
    embeddings: tuple[tuple[float, ...], ...] = Field(
        description="one embedding per speaker, in their order, with unit norm and six decimals"
    )

    def cosines(self, embedding: np.ndarray) -> np.ndarray:
        """Return the (n_speakers,) cosines to an embedding (D,) of any norm but 0."""
        table = np.array(self.embeddings, dtype=np.float64)
        lengths = np.linalg.norm(table, axis=1) * np.linalg.norm(embedding)
        return np.clip(table @ embedding.astype(np.float64) / lengths, -1.0, 1.0)


def load_other_speakers(judge: str, judge_version: str, tables: Path = TABLES) -> OtherSpeakers:
    """Load the table of a speaker judge.

    Args:
        judge: name of the judge.
        judge_version: its version.
        tables: folder of the tables.

    Raises:
        NoOtherSpeakersError: the table is missing, broken, or of another version.
    """
    path, command = tables / f"{judge}.json", COMMAND.format(judge=judge)
    try:
        table = OtherSpeakers.model_validate_json(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        raise NoOtherSpeakersError(
            f"there is no table of other speakers for judge {judge}; make one with `{command}`"
        ) from None
    except (ValidationError, UnicodeDecodeError) as error:
        raise NoOtherSpeakersError(
            f"{path.name} is not a table of other speakers; make it again with `{command}`"
        ) from error
    if (table.judge, table.judge_version) != (judge, judge_version):
        raise NoOtherSpeakersError(
            f"the table of other speakers was made by {table.judge} {table.judge_version}, and the voice is judged by "
            f"{judge} {judge_version}; make the table again with `{command}`"
        )
    if len({len(row) for row in table.embeddings}) != 1 or len(table.embeddings) != len(table.speakers):
        raise NoOtherSpeakersError(
            f"{path.name} does not have one embedding per speaker; make it again with `{command}`"
        )
    return table
