"""The similarity floor: a table of other speakers that was made by the same judge and version."""

import json
from pathlib import Path

import numpy as np
import pytest

from metrics.errors import NoOtherSpeakersError
from metrics.judges.other_speakers.make import main, speaker_files
from metrics.judges.other_speakers.table import TABLES, OtherSpeakers, load_other_speakers
from metrics.judges.speaker import load_speaker_judge


def table(**changes: object) -> OtherSpeakers:
    values = {
        "judge": "a judge",
        "judge_version": "1",
        "source": "two people",
        "speakers": ("a", "b"),
        "embeddings": ((1.0, 0.0), (0.6, 0.8)),
    }
    return OtherSpeakers.model_validate(values | changes)


def written(folder: Path, name: str = "a judge", **changes: object) -> Path:
    (folder / f"{name}.json").write_text(table(**changes).model_dump_json(), encoding="utf-8")
    return folder


def test_the_offline_judge_has_a_table_of_its_version() -> None:
    judge = load_speaker_judge("ecapa_small")
    others = load_other_speakers(judge.name, judge.version)
    assert len(others.speakers) == len(set(others.speakers)) >= 20
    assert np.linalg.norm(np.array(others.embeddings), axis=1) == pytest.approx(1.0, abs=1e-4)


def test_cosines_are_those_to_each_speaker() -> None:
    assert table().cosines(np.array([2.0, 0.0], np.float32)).tolist() == pytest.approx([1.0, 0.6])


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"judge_version": "2"}, "made by a judge 2, and the voice is judged by a judge 1; make the table again"),
        ({"judge": "another"}, "made by another 1"),
        ({"embeddings": ((1.0,), (0.6, 0.8))}, "does not have one embedding per speaker"),
        ({"embeddings": ((1.0, 0.0),)}, "does not have one embedding per speaker"),
    ],
)
def test_a_table_of_another_judge_or_a_broken_one_is_refused(
    tmp_path: Path, changes: dict[str, object], message: str
) -> None:
    with pytest.raises(NoOtherSpeakersError, match=message):
        load_other_speakers("a judge", "1", written(tmp_path, **changes))


def test_a_judge_without_a_table_says_how_to_make_one(tmp_path: Path) -> None:
    with pytest.raises(NoOtherSpeakersError, match=r"make one with `python -m metrics\.judges\.other_speakers\.make"):
        load_other_speakers("ecapa_voxceleb", "1", tmp_path)
    (tmp_path / "broken.json").write_text("{}")
    with pytest.raises(NoOtherSpeakersError, match=r"broken\.json is not a table"):
        load_other_speakers("broken", "1", tmp_path)


def test_the_shipped_table_is_what_its_recipe_makes(shared: Path, tmp_path: Path) -> None:
    main(["--shared", str(shared), "--out", str(tmp_path)])
    made, shipped = (json.loads((folder / "ecapa_small.json").read_text()) for folder in (tmp_path, TABLES))
    # another processor sums in another order
    np.testing.assert_allclose(made.pop("embeddings"), shipped.pop("embeddings"), atol=1e-4)
    assert made == shipped


def test_no_speaker_is_taken_twice_and_no_training_speaker_is_taken(shared: Path) -> None:
    files = speaker_files(shared)
    folders = {path.parent.name for path in files.values()}
    assert len({path.name for path in files.values()}) == len(files) == 26
    assert folders > {"train"}
