"""The features of a clip are those of its sound, its text and the lexicon as they are now, whatever its name."""

from __future__ import annotations

import shutil
from functools import partial
from pathlib import Path

import pytest
from safetensors.torch import load_file

from stages import clip_features
from stages.clip_features import extract_clip
from stages.execution.cache import ResultCache
from stages.execution.cached_calls import cached_map
from stages.execution.parallel import call

ROOT = Path(__file__).resolve().parents[2]
SOUND = ROOT / "data/1_recordings/sample/wavs/sample_033.flac"
CALL = partial(
    extract_clip, language="en", base="starter", weights=("as they are",), speaker="ecapa_small", n_threads=1
)


def test_a_worker_that_lives_on_reads_a_lexicon_that_was_changed_in_its_place(tmp_path: Path) -> None:
    lexicon, out = tmp_path / "lexicon.yaml", tmp_path / "x-0000.safetensors"
    phonemes = []
    for sound in ("F UW1", "B AA1 R", "F UW1"):
        lexicon.write_text(f'format: 1\nen:\n  zorbl: "{sound}"\n')
        CALL(SOUND, "zorbl", lexicon=lexicon, out_file=out)
        phonemes.append(load_file(out)["phoneme_ids"].tolist())
    assert phonemes[0] != phonemes[1]
    assert phonemes[0] == phonemes[2]


def test_a_clip_with_another_name_gets_its_features_without_a_model(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    workers = cached_map(map, ResultCache(tmp_path / "results", 10**9), same={})
    found = []
    for number in (3, 4):  # an earlier clip of the recording was split meanwhile
        sound, out = (tmp_path / f"x-{number:04d}.{ending}" for ending in ("flac", "safetensors"))
        shutil.copyfile(SOUND, sound)
        extract = partial(CALL, sound, "Hello.", lexicon=None, out_file=out)
        found.append((list(workers(call, [extract])), out.read_bytes()))
        monkeypatch.setattr(clip_features, "load_encoders", None)
    assert found[0] == found[1]
