"""The tables between stages: every column is described, and a bad row is named."""

from __future__ import annotations

import pytest

from metrics import scores
from stages.tables import FeatureClip, Reject, Row, read_table, shared_language, write_table

ROW_CLASSES = [*Row.__subclasses__(), *scores.Row.__subclasses__()]


@pytest.mark.parametrize("row_class", ROW_CLASSES, ids=lambda row_class: row_class.__name__)
def test_every_column_has_a_description(row_class):
    assert row_class.__doc__
    for name, field in row_class.model_fields.items():
        assert field.description, name


def test_the_row_classes_are_those_of_the_module():
    assert {cls.__name__ for cls in ROW_CLASSES} >= {"Recording", "CheckpointPairRow", "UtteranceScore", "Scorecard"}
    assert {cls.__module__.partition(".")[0] for cls in ROW_CLASSES} == {"stages", "metrics"}


def test_a_table_is_read_as_it_was_written(tmp_path):
    rows = [Reject(path="a\u2028b.wav", reason="short"), Reject(path="c.wav", reason="silence")]
    write_table(tmp_path / "rejects.jsonl", rows)
    assert read_table(tmp_path / "rejects.jsonl", Reject) == rows


def test_a_bad_row_is_named_with_its_line(tmp_path):
    (tmp_path / "rejects.jsonl").write_text('{"path": "a", "reason": "b"}\n{"path": "a"}\n')
    with pytest.raises(ValueError, match=r"rejects\.jsonl:2: reason: Field required; run the stage .* again"):
        read_table(tmp_path / "rejects.jsonl", Reject)


def test_rows_of_one_voice_share_its_language_and_others_are_refused(tmp_path):
    def rows(*languages):
        return [FeatureClip.model_construct(language=language) for language in languages]

    assert shared_language(rows("ja", "ja"), tmp_path / "clips.jsonl") == "ja"
    with pytest.raises(ValueError, match=r"clips\.jsonl names 2 languages \(en, ja\).*run the stage"):
        shared_language(rows("ja", "en"), tmp_path / "clips.jsonl")
    with pytest.raises(ValueError, match=r"0 languages \(no row\)"):
        shared_language([], tmp_path / "clips.jsonl")
