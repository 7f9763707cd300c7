"""Whatever somebody changes in a registered version, or adds to it, is found before it speaks or is released."""

from __future__ import annotations

import sqlite3
from pathlib import Path

import pytest
from imports import ROOT
from release_helpers import LINEAGE, policy, scorecard, with_prompt, write_scores, write_voice_folder

from metrics.prompts import load_prompts
from metrics.scores import Scorecard
from registry.candidates.candidate import find_candidate, model_folder_of, voice_folder_of
from registry.candidates.fingerprint import CandidateError, hash_files, hash_model
from registry.candidates.registration import register_candidate
from registry.gate.errors import CannotMeasure
from registry.releases.audit import audit
from registry.storage.store import Store, mlflow_client
from registry.verdicts.gating import gate_candidate

EVIL = "\nopen('executed', 'w').close()\n"


def append_code(model: Path) -> None:
    with (model / "voice_model.py").open("a", encoding="utf-8") as file:
        file.write(EVIL)


def flip_bit(model: Path) -> None:
    path = next(model.rglob("sovits/model.safetensors"))
    content = bytearray(path.read_bytes())
    content[3] ^= 1
    path.write_bytes(content)


def add_bytecode(model: Path) -> None:
    (model / "__pycache__").mkdir(exist_ok=True)
    (model / "__pycache__/voice_model.cpython-311.pyc").write_bytes(b"code that Python would run instead")


def add_package(model: Path) -> None:
    (model / "requirements.txt").write_text("a-package-of-somebody-else\n", encoding="utf-8")


def name_other_code(model: Path) -> None:
    path = model / "MLmodel"
    path.write_text(path.read_text(encoding="utf-8").replace("voice_model.py", "other.py"), encoding="utf-8")


CHANGES = {
    append_code: r"voice_model\.py changed",
    flip_bit: r"sovits/model\.safetensors changed",
    add_bytecode: r"__pycache__/voice_model\.cpython-311\.pyc is new",
    add_package: r"requirements\.txt changed",
    name_other_code: "MLmodel changed",
}


@pytest.mark.parametrize("change", CHANGES, ids=lambda change: change.__name__)
def test_changed_model_is_found_by_everything_that_uses_it(desk, change):
    desk.release(1)
    desk.gate(2)
    for version in (1, 2):
        change(model_folder_of(desk.store, find_candidate(desk.store, "anna", version)))
    message = f"version 2 is not what was registered: {CHANGES[change]}"
    desk.assert_refused(message, lambda: desk.promote(2))
    with pytest.raises(CandidateError, match=message):
        voice_folder_of(desk.store, find_candidate(desk.store, "anna", 2))
    with pytest.raises(CandidateError, match=message):
        desk.gate(2)
    (problem,) = audit(desk.store, "anna")
    assert "version 1 was champion" in problem
    assert CHANGES[change].replace("\\", "") in problem
    desk.assert_champion(1)


def test_former_champion_with_changed_code_is_not_rolled_back_to(desk):
    desk.release(1, 2)
    append_code(model_folder_of(desk.store, find_candidate(desk.store, "anna", 1)))
    desk.assert_refused(r"cannot go back to version 1: .*voice_model\.py changed", desk.rollback)


def test_changed_model_with_a_changed_tag_is_not_what_was_registered(desk):
    desk.release(1)
    candidate = find_candidate(desk.store, "anna", 1)
    model = model_folder_of(desk.store, candidate)
    flip_bit(model)
    tag = hash_model(hash_files(model))
    mlflow_client(desk.store).set_model_version_tag("anna", "1", "model_sha256", tag)
    with pytest.raises(CandidateError, match="no signed registration of these files"):
        voice_folder_of(desk.store, find_candidate(desk.store, "anna", 1))


def test_weights_tag_of_another_voice_is_found(desk):
    mlflow_client(desk.store).set_model_version_tag("anna", "2", "weights_sha256", "0" * 64)
    with pytest.raises(CandidateError, match=r"its tags changed \(weights_sha256\)"):
        voice_folder_of(desk.store, find_candidate(desk.store, "anna", 2))


def test_file_that_mlflow_leaves_beside_a_model_that_was_loaded_is_not_a_change(desk):
    model = model_folder_of(desk.store, find_candidate(desk.store, "anna", 1))
    (model / "registered_model_meta").write_text("model_name: anna\n", encoding="utf-8")
    assert model_folder_of(desk.store, find_candidate(desk.store, "anna", 1)) == model


def test_damaged_version_is_registered_again_as_a_new_one(desk):
    append_code(model_folder_of(desk.store, find_candidate(desk.store, "anna", 2)))
    root = desk.store.root / "again"
    again = register_candidate(
        desk.store,
        "anna",
        voice_folder=write_voice_folder(root / "voice", "weights 2"),
        scorecard_path=write_scores(root, scorecard(wer=0.1)),
        lineage=LINEAGE,
    )
    assert again.version == 4
    assert again.candidate_id == find_candidate(desk.store, "anna", 2).candidate_id


def copy_of_version(store: Store, version: int, **tags: str) -> int:
    """Make a new version of anna from another one's model with MLflow itself, and return its number."""
    client = mlflow_client(store)
    source = client.get_model_version("anna", str(version))
    made = client.create_model_version(
        "anna", source=source.source, run_id=source.run_id, tags=source.tags | tags, model_id=source.model_id
    )
    return int(made.version)


@pytest.mark.parametrize(
    ("tags", "fault"),
    [
        ({"model_sha256": "0" * 64}, "no signed registration of these files"),
        ({"candidate_id": "0" * 64}, "no signed registration of these files"),
        ({"scores_sha256": "0" * 64}, "its tags changed (scores_sha256)"),
        ({"git_commit": "0" * 40}, "its tags changed (git_commit)"),
        ({"voice_path": "../../elsewhere"}, "its tags changed (voice_path)"),
    ],
)
def test_version_that_nobody_registered_is_never_released_and_hides_no_other(desk, tags, fault):
    number = copy_of_version(desk.store, 2, **tags)
    assert find_candidate(desk.store, "anna").version == 3
    with pytest.raises(CandidateError) as caught:
        desk.gate(number, first_release=True)
    assert fault in str(caught.value)


def test_copy_of_the_champion_with_other_code_serves_nobody_and_stops_nothing(desk):
    """Somebody makes a version with the champion's id and own code beside the weights, and moves the alias to it."""
    desk.release(1, 2)
    forged = copy_of_version(desk.store, 2, model_sha256="0" * 64)
    mlflow_client(desk.store).set_registered_model_alias("anna", "champion", str(forged))
    assert any("the alias champion is at version 4" in problem for problem in audit(desk.store, "anna"))
    assert not desk.promote(2).changed
    desk.assert_champion(2)
    mlflow_client(desk.store).set_registered_model_alias("anna", "champion", str(forged))
    desk.rollback()
    desk.assert_champion(1)


def test_registration_that_was_deleted_or_signed_by_another_key_does_not_count(desk):
    desk.release(1)
    database = sqlite3.connect(desk.store.root / "mlflow.db")
    for statement in (
        "UPDATE voxfoundry_records SET signature = '00' WHERE kind = 'registration' AND number = 2",
        "DELETE FROM voxfoundry_records WHERE kind = 'registration' AND number = 2",
    ):
        with database:
            database.execute(statement)
        with pytest.raises(CandidateError, match="no signed registration"):
            voice_folder_of(desk.store, find_candidate(desk.store, "anna", 2))


def forged(field: str, value: object) -> Scorecard:
    return with_prompt(scorecard(wer=0.5), 3, seeds=(0, 1), **{field: value})


@pytest.mark.parametrize(
    ("field", "value", "fault"),
    [
        ("word_errors", 0, "p003 seed 0 (word_errors 0, not 5)"),
        ("hypothesis", "nothing of that was said", "word_errors 5, not 10"),
        ("char_errors", 0, "char_errors 0, not "),
        ("n_words", 1000, "n_words 1000, not 10"),
        ("n_chars", 1000, "n_chars 1000, not 48"),
        ("second_hypothesis", "something", "second_word_errors None, not 10"),
        ("second_word_errors", 0, "second_word_errors 0, not None"),
    ],
)
def test_counts_that_do_not_follow_from_the_texts_are_not_registered(store, field, value, fault):
    card = forged(field, value)
    with pytest.raises(CandidateError) as caught:
        register_candidate(
            store,
            "anna",
            voice_folder=write_voice_folder(store.root / "forged/voice"),
            scorecard_path=write_scores(store.root / "forged", card),
            lineage=LINEAGE,
        )
    assert fault in str(caught.value)
    assert "do not follow from the texts" in str(caught.value)


def test_forged_scores_that_were_registered_by_hand_are_not_gated(store):
    """Somebody registers with MLflow itself: files, tags and hashes agree, and the figures are made up."""
    from registry.candidates import registration

    card = with_prompt(scorecard(wer=0.9), 0, word_errors=0, char_errors=0)
    rows = tuple(row.model_copy(update={"word_errors": 0, "char_errors": 0}) for row in card.rows)
    card = card.model_copy(update={"rows": rows})
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(registration, "find_miscounts", lambda card: [])
        register_candidate(
            store,
            "anna",
            voice_folder=write_voice_folder(store.root / "forged/voice"),
            scorecard_path=write_scores(store.root / "forged", card),
            lineage=LINEAGE,
        )
    with pytest.raises(CannotMeasure, match=r"cannot be believed: .*word_errors 0, not 9"):
        gate_candidate(store, "anna", policy=policy(), first_release=True)


def test_audio_that_was_exchanged_stops_the_gate(desk):
    folder = desk.store.root / "mlartifacts" / find_candidate(desk.store, "anna", 2).run_id
    next(folder.rglob("p003_0.flac")).write_bytes(b"another voice")
    with pytest.raises(CandidateError, match=r"p003_0\.flac is not the audio that was scored"):
        desk.gate(2, first_release=True)


def test_scores_against_easier_texts_than_the_locked_prompts_are_not_gated(desk):
    locked = load_prompts(ROOT / "benchmarks/prompts/en.yaml")
    with pytest.raises(CannotMeasure, match=r"cannot be believed: the texts in en were normalised by english 1"):
        gate_candidate(desk.store, "anna", policy=policy(), version=2, first_release=True, prompt_sets=[locked])
