"""A project may lie anywhere: what is special in an address is an ordinary letter in a folder's name."""

from __future__ import annotations

import pytest
from release_helpers import LINEAGE, promote_first, scorecard, write_scores, write_voice_folder

from registry.candidates.candidate import find_candidate, score_folder_of, scorecard_of, voice_folder_of
from registry.candidates.registration import register_candidate
from registry.releases.journal import champion
from registry.storage.store import open_store


@pytest.mark.parametrize("name", ["a%2Fb?c 100% #1 [ü] ';&+="])
def test_project_whose_path_has_special_characters_registers_and_releases(tmp_path, name):
    root = tmp_path / name
    root.mkdir()
    store = open_store(root)
    voice_folder = write_voice_folder(root / "build/voice", "weights")
    scores = write_scores(root / "build", scorecard())
    register_candidate(store, "anna", voice_folder=voice_folder, scorecard_path=scores, lineage=LINEAGE)
    candidate = find_candidate(store, "anna")
    for folder in (voice_folder_of(store, candidate), score_folder_of(store, candidate)):
        assert folder.is_relative_to(root / "mlartifacts")
    assert scorecard_of(store, candidate).voice == "anna"
    promote_first(store)
    assert champion(store, "anna").version == 1
    assert list(tmp_path.iterdir()) == [root]
